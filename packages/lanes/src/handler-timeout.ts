import { type AttemptContext, failureCodes } from '@syncline/events';

/** A handler's time limit. The signal is made only when a handler asks for it: most never do. */
export class HandlerTimeout {
  readonly #timeoutMs: number;
  readonly #outer: AbortSignal;
  #controller: AbortController | undefined;
  /** Why the attempt was ended, once it was. */
  #cutOff: Error | undefined;
  #timer: NodeJS.Timeout | undefined;
  #onOuterAbort: (() => void) | undefined;

  constructor(timeoutMs: number, outer: AbortSignal) {
    this.#timeoutMs = timeoutMs;
    this.#outer = outer;
  }

  /** What the handler is given. */
  context(attempt: number): AttemptContext {
    const signal = (): AbortSignal => {
      this.#controller ??= new AbortController();
      if (this.#cutOff) this.#controller.abort(this.#cutOff);
      return this.#controller.signal;
    };
    return {
      attempt,
      get signal() {
        return signal();
      },
    };
  }

  /** Settles as `running` does, or rejects when its time is over or the turn ends. */
  race<T>(running: Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      const cutOff = (reason: Error): void => {
        this.#cutOff = reason;
        reject(reason);
        this.#controller?.abort(reason);
      };
      this.#timer = setTimeout(() => {
        cutOff(
          Object.assign(new Error(`Expected the handlers to end within HANDLER_TIMEOUT_MS (${this.#timeoutMs}), got no end`), {
            code: failureCodes.timeout,
          }),
        );
      }, this.#timeoutMs);
      this.#onOuterAbort = () => cutOff(new Error('The turn was ended before its handler'));
      this.#outer.addEventListener('abort', this.#onOuterAbort);
      if (this.#outer.aborted) this.#onOuterAbort();
      running.then(resolve, reject);
    });
  }

  /** To be called when the attempt is over. */
  clear(): void {
    clearTimeout(this.#timer);
    if (this.#onOuterAbort) this.#outer.removeEventListener('abort', this.#onOuterAbort);
  }
}

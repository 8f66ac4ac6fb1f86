import { type AttemptContext, failureCodes } from '@syncline/events';

/**
 * The time limit of a run's handlers, one attempt after the other. One timer and one listener serve the whole run, and a signal is made
 * only for a handler that asks for it: most events are decided in less time than these cost.
 */
export class HandlerTimeout {
  readonly #timeoutMs: number;
  readonly #outer: AbortSignal;
  readonly #timer: NodeJS.Timeout;
  #attempt: Attempt | undefined;

  /** `outer` ends the attempt that runs, and every later one. */
  constructor(timeoutMs: number, outer: AbortSignal) {
    this.#timeoutMs = timeoutMs;
    this.#outer = outer;
    this.#timer = setTimeout(() => this.#timeOut(), timeoutMs);
    outer.addEventListener('abort', this.#end);
  }

  /** Runs one attempt. Settles as it does, or rejects when its time is over or `outer` fires; its signal fires then, and never after its end. */
  race<T>(number: number, replay: boolean, run: (context: AttemptContext) => Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      const attempt = new Attempt(number, replay, reject);
      this.#attempt = attempt;
      this.#timer.refresh();
      if (this.#outer.aborted) this.#end();
      const over = (): void => {
        // One that was cut off ends whenever it likes, perhaps in the time of the next.
        if (this.#attempt === attempt) this.#attempt = undefined;
      };
      run(attempt).finally(over).then(resolve, reject);
    });
  }

  /** To be called when the run is over. */
  clear(): void {
    this.#attempt = undefined;
    clearTimeout(this.#timer);
    this.#outer.removeEventListener('abort', this.#end);
  }

  #timeOut(): void {
    const message = `Expected the handlers to end within HANDLER_TIMEOUT_MS (${this.#timeoutMs}), got no end`;
    this.#attempt?.cutOff(Object.assign(new Error(message), { code: failureCodes.timeout }));
  }

  readonly #end = (): void => this.#attempt?.cutOff(new Error('The turn was ended before its handler'));
}

/** What the handlers of one attempt are given. */
class Attempt implements AttemptContext {
  readonly attempt: number;
  readonly replay: boolean;
  readonly #reject: (reason: Error) => void;
  #controller: AbortController | undefined;
  /** Why the attempt was ended, once it was. */
  #cutOff: Error | undefined;

  constructor(attempt: number, replay: boolean, reject: (reason: Error) => void) {
    this.attempt = attempt;
    this.replay = replay;
    this.#reject = reject;
  }

  get signal(): AbortSignal {
    this.#controller ??= new AbortController();
    if (this.#cutOff) this.#controller.abort(this.#cutOff);
    return this.#controller.signal;
  }

  cutOff(reason: Error): void {
    this.#cutOff ??= reason;
    this.#reject(reason);
    this.#controller?.abort(reason);
  }
}

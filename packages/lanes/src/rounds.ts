import type { Logger } from './logger';

/** Does something again and again, one round at a time; a round that fails is logged, and the next one comes. */
export class Rounds {
  readonly #intervalMs: number;
  readonly #round: () => Promise<void>;
  readonly #log: Logger;
  #timer: NodeJS.Timeout | undefined;
  #underWay: Promise<void> | undefined;

  constructor(intervalMs: number, round: () => Promise<void>, log: Logger) {
    this.#intervalMs = intervalMs;
    this.#round = round;
    this.#log = log;
  }

  /** Idempotent. */
  start(): void {
    this.#timer ??= setInterval(() => {
      if (this.#underWay) return;
      this.#underWay = this.#round()
        .catch((error: unknown) => this.#log.warn({ err: error }, 'a round failed'))
        .finally(() => {
          this.#underWay = undefined;
        });
    }, this.#intervalMs);
  }

  /** Begins no further round, and resolves when none is under way. Idempotent. */
  async stop(): Promise<void> {
    clearInterval(this.#timer);
    this.#timer = undefined;
    await this.#underWay;
  }
}

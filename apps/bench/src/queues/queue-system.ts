/** A system that keeps events and has them applied: Syncline's lanes, or what they are compared with. */
export interface QueueSystem {
  /** Keeps events `from` to `to` (excluded) of a series for the merchants in turn. Rejects when one is not kept. */
  fill(series: string, from: number, to: number, merchants: number): Promise<void>;
  /** Has `events` of those kept applied by a handler that does nothing; resolves when so many are done for good. */
  drain(events: number, concurrency: number): Promise<void>;
  /** Where a system can: has the first event of a series, which is kept already, remembered under so many further ids. */
  remember?(series: string, ids: number): Promise<void>;
}

/** Calls `one` for every index from `from` to `to` (excluded), with at most `width` calls under way. */
export async function forEachIndex(
  from: number,
  to: number,
  width: number,
  one: (index: number) => Promise<void>,
): Promise<void> {
  let next = from;
  await Promise.all(
    Array.from({ length: width }, async () => {
      while (next < to) await one(next++);
    }),
  );
}

/** Resolves once it has been counted so many times, rejects with the first failure before. */
export class Countdown {
  readonly done: Promise<void>;
  #left: number;
  #resolve: () => void = () => {};
  #reject: (error: Error) => void = () => {};

  constructor(count: number) {
    this.#left = count;
    this.done = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
  }

  fail(error: Error): void {
    this.#reject(error);
  }

  count(): void {
    if (--this.#left === 0) this.#resolve();
  }
}

import { setTimeout as after } from 'node:timers/promises';

/** The time, and waiting for it to pass. */
export interface Clock {
  /** Epoch milliseconds. */
  now(): number;
  /** Resolves after `ms`; at once when the signal fires. */
  sleep(ms: number, signal: AbortSignal): Promise<void>;
}

export const systemClock: Clock = {
  now: () => Date.now(),
  async sleep(ms, signal) {
    if (ms <= 0 || signal.aborted) return;
    await after(ms, undefined, { signal }).catch(() => {});
  },
};

/** The delays between restarts of one process, in milliseconds: doubling, and from the start again after it has run for a while. */
export interface Backoff {
  /** Says that the process has just been started. */
  started(): void;
  /** The delay before the next start. */
  nextMs(): number;
}

const FIRST_MS = 250;
const LAST_MS = 10_000;
const SETTLED_MS = 30_000;

export function createBackoff(now: () => number = () => performance.now()): Backoff {
  let startedAt = Number.NEGATIVE_INFINITY;
  let delayMs = FIRST_MS;
  return {
    started: () => {
      startedAt = now();
    },
    nextMs: () => {
      if (now() - startedAt >= SETTLED_MS) delayMs = FIRST_MS;
      const next = delayMs;
      delayMs = Math.min(delayMs * 2, LAST_MS);
      return next;
    },
  };
}

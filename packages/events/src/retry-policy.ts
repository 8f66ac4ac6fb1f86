export interface RetryPolicy {
  /** Attempts in all, the first included. */
  readonly maxAttempts: number;
  readonly baseMs: number;
  readonly factor: number;
  readonly capMs: number;
  /** Share of the delay that is random, 0 to 1: 1 is full jitter. */
  readonly jitter: number;
}

export const defaultRetryPolicy: RetryPolicy = { maxAttempts: 12, baseMs: 1_000, factor: 2, capMs: 300_000, jitter: 1 };

/**
 * The delay after failed attempt number `attempt` (from 1): exponential up to the cap, then its random share drawn anew.
 * `random` gives numbers in [0, 1).
 */
export function retryDelayMs(policy: RetryPolicy, attempt: number, random: () => number): number {
  // The power may be infinite, which times a base of 0 is no number.
  const growth = Math.min(policy.factor ** (attempt - 1), Number.MAX_SAFE_INTEGER);
  const exponential = Math.min(policy.capMs, policy.baseMs * growth);
  return Math.round(exponential * (1 - policy.jitter) + exponential * policy.jitter * random());
}

/** Codes that a failing handler's error may carry; any other error is simply retried. */
export const failureCodes = {
  /** The event can never succeed: a dead letter at once. */
  permanent: 'PERMANENT',
  /** The handler took longer than HANDLER_TIMEOUT_MS: retried. */
  timeout: 'HANDLER_TIMEOUT',
} as const;

/** Throw it when another attempt cannot help. The event becomes a dead letter at once. */
export class PermanentError extends Error {
  override readonly name = 'PermanentError';
  readonly code = failureCodes.permanent;
  /** The dead letter's reason: one word of the glossary. */
  readonly reason: string;

  constructor(message: string, options: ErrorOptions & { reason?: string } = {}) {
    super(message, options);
    this.reason = options.reason ?? 'permanent';
  }
}

/**
 * Throw it to set the delay before the next attempt, in milliseconds. The attempt counts, unless `counts` is false: then nothing was
 * tried yet, the event waits its turn, and may do so without end.
 */
export class RetryAfterError extends Error {
  override readonly name = 'RetryAfterError';
  readonly retryAfterMs: number;
  readonly counts: boolean;

  constructor(message: string, retryAfterMs: number, options: ErrorOptions & { counts?: boolean } = {}) {
    super(message, options);
    this.retryAfterMs = retryAfterMs;
    this.counts = options.counts ?? true;
  }
}

/** A handler's failure, as the lane engine reads it. Errors from other module systems count by their fields, not their class. */
export interface Failure {
  readonly message: string;
  readonly stack: string | undefined;
  readonly permanent: boolean;
  /** Why it became a dead letter, if it does. */
  readonly reason: string;
  readonly retryAfterMs: number | undefined;
  /** Whether the attempt is one of those that an event has. */
  readonly counts: boolean;
}

const MESSAGE_MAX_LENGTH = 1_000;
const STACK_MAX_LENGTH = 4_000;
/** Longest delay that an error can ask for: 30 days. */
const RETRY_AFTER_MAX_MS = 30 * 24 * 3_600_000;

export function failureOf(thrown: unknown): Failure {
  const error = typeof thrown === 'object' && thrown !== null ? (thrown as Record<string, unknown>) : {};
  const permanent = error.code === failureCodes.permanent;
  const message = typeof error.message === 'string' ? error.message : String(thrown);
  const retryAfterMs = error.retryAfterMs;
  return {
    message: message.slice(0, MESSAGE_MAX_LENGTH),
    stack: typeof error.stack === 'string' ? error.stack.slice(0, STACK_MAX_LENGTH) : undefined,
    permanent,
    reason: permanent ? (typeof error.reason === 'string' ? error.reason : 'permanent') : 'exhausted',
    retryAfterMs:
      typeof retryAfterMs === 'number' && Number.isFinite(retryAfterMs) && retryAfterMs >= 0
        ? Math.min(retryAfterMs, RETRY_AFTER_MAX_MS)
        : undefined,
    counts: permanent || error.counts !== false,
  };
}

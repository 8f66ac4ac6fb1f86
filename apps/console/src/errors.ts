/** Every code that the console answers in `{"error":{"code","message"}}`, with its HTTP status. */
export const errorStatuses = {
  /** The bearer token is absent, malformed or not this console's. */
  unauthorized: 401,
  /** The path, a query value or a cursor is not one that this console understands. */
  invalid_request: 400,
  not_found: 404,
  method_not_allowed: 405,
  /** What is asked for does not fit the present state; the message says what does. */
  conflict: 409,
  /** The store did not answer, or not in time. */
  unavailable: 503,
  /** A fault in the console itself; its log says more. */
  internal: 500,
} as const;

export type ErrorCode = keyof typeof errorStatuses;

/** A request's refusal: thrown by the routes, answered in one place. The message is shown to the caller. */
export class Refusal extends Error {
  override readonly name = 'Refusal';
  readonly code: ErrorCode;

  constructor(code: ErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }

  get status(): number {
    return errorStatuses[this.code];
  }
}

/** What was thrown while answering, as the refusal to answer with. Faults keep their cause for the log. */
export function refusalOf(thrown: unknown): Refusal {
  if (thrown instanceof Refusal) return thrown;
  const status = typeof thrown === 'object' && thrown !== null ? (thrown as { status?: unknown }).status : undefined;
  if (typeof status === 'number' && status >= 400 && status < 500) {
    return new Refusal('invalid_request', 'Expected a path of valid percent-encoded UTF-8, got one that cannot be decoded', {
      cause: thrown,
    });
  }
  return new Refusal('internal', 'The console failed to answer; its log says more', { cause: thrown });
}

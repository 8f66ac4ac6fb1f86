/** Ends a command with a message that says what was expected, what happened and what to do; shown without a stack. */
export class CommandFailure extends Error {
  override readonly name = 'CommandFailure';
}

/** The operator stopped the command. */
export class Interrupted extends Error {
  override readonly name = 'Interrupted';
}

/** Throws Interrupted once the signal has fired. */
export function throwIfInterrupted(signal: AbortSignal): void {
  if (signal.aborted) throw new Interrupted('Stopped');
}

/** Why a request got no answer: the innermost reason, as the network gives it. */
export function networkReason(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  if (error.name === 'TimeoutError') return 'no answer in time';
  const cause = error.cause;
  if (cause instanceof AggregateError && cause.errors.length > 0) return networkReason(cause.errors[0]);
  return cause instanceof Error ? networkReason(cause) : error.message;
}

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
  if (typeof error !== 'object' || error === null) return String(error);
  // Read by fields, not by class: errors of fetch need not be of this module's Error.
  const { name, message, cause, errors } = error as Record<string, unknown>;
  if (name === 'TimeoutError') return 'no answer in time';
  if (cause !== undefined) return networkReason(cause);
  if (Array.isArray(errors) && errors.length > 0) return networkReason(errors[0]);
  return typeof message === 'string' ? message : 'an unknown failure';
}

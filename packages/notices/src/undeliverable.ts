/** Reasons of dead letters that are deliveries of notices; docs/errors.md tells what to do. */
export const undeliverable = {
  /** The destination answered that it will never take this. */
  refused: 'destination_refused',
  /** The destination's host has an address that is not public. */
  address: 'destination_private',
  /** The configuration no longer has the destination. */
  removed: 'destination_removed',
  /** The destination's template does not make a body of this notice that is what it says it is. */
  template: 'template_invalid',
} as const;

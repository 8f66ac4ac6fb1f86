/** Longest wait that a Retry-After is taken for: one day. */
const RETRY_AFTER_MAX_MS = 24 * 3_600_000;

/** A Retry-After header (RFC 9110: seconds, or an HTTP date) as milliseconds from `now`, at most a day; undefined when it is absent or neither. */
export function retryAfterMs(header: string | null | undefined, now: number): number | undefined {
  const text = header?.trim() ?? '';
  if (/^\d+$/.test(text)) return Math.min(Number(text) * 1_000, RETRY_AFTER_MAX_MS);
  // Date.parse reads much that is no HTTP date, negative numbers among it.
  if (!/^[A-Za-z]{3,9},? /.test(text)) return undefined;
  const at = Date.parse(text);
  return Number.isNaN(at) ? undefined : Math.min(Math.max(0, at - now), RETRY_AFTER_MAX_MS);
}

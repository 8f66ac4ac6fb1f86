const MAX_MS = 60_000;

/**
 * The delay that a Retry-After header asks for, in milliseconds and at most a minute: seconds or an HTTP date.
 * Undefined when there is none or it cannot be read.
 */
export function retryAfterMs(header: string | null, now: number): number | undefined {
  if (header === null || header.trim() === '') return undefined;
  const ms = /^\s*\d+\s*$/.test(header) ? Number(header) * 1_000 : Date.parse(header) - now;
  return Number.isFinite(ms) ? Math.min(Math.max(ms, 0), MAX_MS) : undefined;
}

const isoDate = /^(\d{4})-(\d{2})-(\d{2})(?:[T ](\d{2}):(\d{2})(?::(\d{2})(?:[.,](\d{1,9}))?)?(Z|[+-]\d{2}(?::?\d{2})?)?)?$/i;

/**
 * A sender's date as epoch milliseconds: ISO 8601 with or without colon in the offset, fraction, seconds or time.
 * Without an offset it counts as UTC. Undefined for everything else, also for days and times that do not exist.
 */
export function parseDate(value: unknown): number | undefined {
  if (typeof value !== 'string') return undefined;
  const match = isoDate.exec(value);
  if (match === null) return undefined;
  const [, year, month, day, hour = '0', minute = '0', second = '0', fraction = '', offset = 'Z'] = match;
  const fields = [Number(year), Number(month) - 1, Number(day), Number(hour), Number(minute), Number(second)] as const;
  const local = new Date(Date.UTC(...fields));
  const written = [
    local.getUTCFullYear(),
    local.getUTCMonth(),
    local.getUTCDate(),
    local.getUTCHours(),
    local.getUTCMinutes(),
    local.getUTCSeconds(),
  ];
  // Date.UTC rolls 30 February over into March, and takes the years 0 to 99 for the twentieth century's.
  if (fields.some((field, index) => field !== written[index])) return undefined;
  const offsetMinutes = minutesOf(offset);
  if (offsetMinutes === undefined) return undefined;
  return local.getTime() + Number(fraction.slice(0, 3).padEnd(3, '0')) - offsetMinutes * 60_000;
}

function minutesOf(offset: string): number | undefined {
  if (offset.toUpperCase() === 'Z') return 0;
  const hours = Number(offset.slice(1, 3));
  const minutes = Number(offset.slice(3).replace(':', ''));
  if (hours > 23 || minutes > 59) return undefined;
  return (offset.startsWith('-') ? -1 : 1) * (hours * 60 + minutes);
}

/** Epoch milliseconds as ISO 8601 UTC with milliseconds. */
export function isoOf(epochMs: number): string {
  return new Date(epochMs).toISOString();
}

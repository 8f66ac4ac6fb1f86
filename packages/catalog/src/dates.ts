const isoDate = /^(\d{4})-(\d{2})-(\d{2})(?:[T ](\d{2}):(\d{2})(?::(\d{2})(?:[.,](\d{1,9}))?)?(Z|[+-]\d{2}(?::?\d{2})?)?)?$/i;

/**
 * A sender's date as epoch milliseconds: ISO 8601 with or without colon in the offset, fraction, seconds or time.
 * Without an offset it counts as UTC. Undefined for everything else, also for days and times that do not exist.
 */
export function parseDate(value: unknown): number | undefined {
  if (typeof value !== 'string') return undefined;
  const match = isoDate.exec(value);
  if (match === null) return undefined;
  const [, yearText, monthText, dayText, hourText = '0', minuteText = '0', secondText = '0', fraction = '', offset = 'Z'] = match;
  const [year, month, day] = [Number(yearText), Number(monthText), Number(dayText)];
  const [hour, minute, second] = [Number(hourText), Number(minuteText), Number(secondText)];
  const offsetMinutes = minutesOf(offset);
  if (hour > 23 || minute > 59 || second > 59 || offsetMinutes === undefined || !isDay(year, month, day)) return undefined;
  const millisecond = fraction === '' ? 0 : Number(fraction.slice(0, 3).padEnd(3, '0'));
  return Date.UTC(year, month - 1, day, hour, minute - offsetMinutes, second, millisecond);
}

/** A clock may be wrong by a time zone; what lies further ahead would hold off all that comes after it. */
const AHEAD_MAX_MS = 24 * 3_600_000;

/** A date that may be compared with the sender's other dates; undefined also for one more than a day after its receipt. */
export function usableDate(value: unknown, receivedAt: number): number | undefined {
  const date = parseDate(value);
  return date === undefined || date > receivedAt + AHEAD_MAX_MS ? undefined : date;
}

function isDay(year: number, month: number, day: number): boolean {
  // Date.UTC takes the years 0 to 99 for the twentieth century's, and day 0 of a month for the last of the month before.
  return (
    year > 99 && month >= 1 && month <= 12 && day >= 1 && (day <= 28 || day <= new Date(Date.UTC(year, month, 0)).getUTCDate())
  );
}

function minutesOf(offset: string): number | undefined {
  if (offset === 'Z' || offset === 'z') return 0;
  const hours = Number(offset.slice(1, 3));
  const minutes = Number(offset.slice(3).replace(':', ''));
  if (hours > 23 || minutes > 59) return undefined;
  return (offset.startsWith('-') ? -1 : 1) * (hours * 60 + minutes);
}

/** Epoch milliseconds as ISO 8601 UTC with milliseconds. */
export function isoOf(epochMs: number): string {
  return new Date(epochMs).toISOString();
}

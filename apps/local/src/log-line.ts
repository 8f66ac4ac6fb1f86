const quietLevels = new Set(['trace', 'debug', 'info']);
const hiddenFields = new Set(['level', 'time', 'process', 'msg', 'err', 'pid', 'hostname']);
const SHOWN_MAX_LENGTH = 500;

/** A line of an app's output as a person at a terminal wants it; undefined when it need not be shown. Anything but a log record is shown. */
export function readableLogLine(line: string, showAll: boolean): string | undefined {
  const record = parseRecord(line);
  if (record === undefined) return line.trim() === '' ? undefined : line;
  const level = String(record.level);
  if (!showAll && quietLevels.has(level)) return undefined;
  const error = record.err;
  const cause = typeof error === 'object' && error !== null && 'message' in error ? `: ${String(error.message)}` : '';
  const details = Object.entries(record)
    .filter(([name]) => !hiddenFields.has(name))
    .map(([name, value]) => ` ${name}=${typeof value === 'string' ? value : JSON.stringify(value)}`);
  const shown = `${level.toUpperCase()} ${typeof record.msg === 'string' ? record.msg : ''}${cause}${details.join('')}`;
  // What a sender wrote must not drive the terminal.
  return shown.slice(0, SHOWN_MAX_LENGTH).replaceAll(/\p{Cc}/gu, '\u{fffd}');
}

function parseRecord(line: string): Record<string, unknown> | undefined {
  if (!line.startsWith('{')) return undefined;
  try {
    const value: unknown = JSON.parse(line);
    return typeof value === 'object' && value !== null && 'level' in value ? { ...value } : undefined;
  } catch {
    return undefined;
  }
}

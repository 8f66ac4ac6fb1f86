import { randomBytes } from 'node:crypto';
import fs from 'node:fs/promises';
import path from 'node:path';
import { stringify } from 'csv-stringify/sync';
import { textOf, type Told, valueAt } from './notice';

export interface EventLogSettings {
  readonly path: string;
  readonly format: 'ndjson' | 'csv';
  /** Of CSV: what the header says, and the path to the value. */
  readonly columns: readonly { readonly header: string; readonly value: string }[];
  /** Of CSV: whether the file begins with a byte order mark, by which Excel knows UTF-8. */
  readonly byteOrderMark: boolean;
}

const NEWLINE = 0x0a;

/**
 * A file to which notices are appended, one line each, by any number of workers on the same machine. A line that was told of as appended
 * is on disk. A line whose worker died before it knew comes again: it carries the delivery's id.
 */
export class EventLog {
  readonly #settings: EventLogSettings;
  /** Lines of one process follow one another: a line that was cut short is then seen by the next. */
  #last: Promise<unknown> = Promise.resolve();

  constructor(settings: EventLogSettings) {
    this.#settings = settings;
  }

  /** Rejects when the line is not known to be on disk, or when the file begins with another header. Not begun once the signal has fired. */
  append(told: Told, signal: AbortSignal): Promise<void> {
    const appended = this.#last.then(() => {
      signal.throwIfAborted();
      return this.#append(told);
    });
    this.#last = appended.catch(() => undefined);
    return appended;
  }

  async #append(told: Told): Promise<void> {
    const file = await this.#open();
    try {
      const line = Buffer.from(this.#lineOf(told));
      // One write, which appends as a whole beside those of other processes.
      const bytes = (await endsWithin(file)) ? Buffer.concat([Buffer.from('\n'), line]) : line;
      const { bytesWritten } = await file.write(bytes);
      if (bytesWritten !== bytes.length) throw new Error(`Expected ${bytes.length} bytes to be appended, got ${bytesWritten}`);
      await file.datasync();
    } finally {
      await file.close();
    }
  }

  async #open(): Promise<fs.FileHandle> {
    const header = this.#header();
    const flags = fs.constants.O_RDWR | fs.constants.O_APPEND;
    const open = () => fs.open(this.#settings.path, flags);
    const file = await open().catch(async (error: NodeJS.ErrnoException) => {
      if (error.code !== 'ENOENT') throw error;
      await this.#create(header);
      return await open();
    });
    try {
      await expectHeader(file, header, this.#settings.path);
      return file;
    } catch (error) {
      await file.close();
      throw error;
    }
  }

  /** Creates the file with its header in one step: of several processes one does, and no line comes before the header. */
  async #create(header: string): Promise<void> {
    const { path: target } = this.#settings;
    const draft = `${target}.${randomBytes(6).toString('hex')}.new`;
    try {
      const file = await fs.open(draft, 'wx');
      try {
        await file.writeFile(header);
        await file.sync();
      } finally {
        await file.close();
      }
      await fs.link(draft, target).catch((error: NodeJS.ErrnoException) => {
        if (error.code !== 'EEXIST') throw error;
      });
    } finally {
      await fs.rm(draft, { force: true });
    }
    const folder = await fs.open(path.dirname(target), 'r');
    try {
      await folder.sync();
    } finally {
      await folder.close();
    }
  }

  #header(): string {
    const { format, columns, byteOrderMark } = this.#settings;
    if (format === 'ndjson') return '';
    return `${byteOrderMark ? '\uFEFF' : ''}${csvLine(columns.map(({ header }) => header))}`;
  }

  #lineOf(told: Told): string {
    const { format, columns } = this.#settings;
    if (format === 'ndjson') return `${JSON.stringify(told)}\n`;
    return csvLine(columns.map(({ value }) => cellOf(valueAt(told, value))));
  }
}

/** Text that a spreadsheet would take for a formula is preceded by an apostrophe; a number stays one. */
function csvLine(cells: readonly (string | number)[]): string {
  return stringify([[...cells]], { escape_formulas: true, record_delimiter: 'unix' });
}

/** A line break would end a line for readers that know no quotes, and may hide a formula at the beginning of a line. */
function cellOf(value: unknown): string | number {
  return typeof value === 'number'
    ? value
    : textOf(value)
        .replace(/[\r\n\u2028\u2029]+/g, ' ')
        .trimStart();
}

/** True when the file ends in the middle of a line: a write was cut short. */
async function endsWithin(file: fs.FileHandle): Promise<boolean> {
  const { size } = await file.stat();
  if (size === 0) return false;
  const { buffer } = await file.read(Buffer.alloc(1), 0, 1, size - 1);
  return buffer[0] !== NEWLINE;
}

async function expectHeader(file: fs.FileHandle, header: string, name: string): Promise<void> {
  const expected = Buffer.from(header);
  if (expected.length === 0) return;
  const { buffer, bytesRead } = await file.read(Buffer.alloc(expected.length), 0, expected.length, 0);
  if (bytesRead === expected.length && buffer.equals(expected)) return;
  throw new Error(
    `Expected ${name} to begin with the header of the configured columns, got ${bytesRead === 0 ? 'an empty file' : 'another'}: move the file away`,
  );
}

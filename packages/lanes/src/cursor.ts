/** A cursor that no listing gave. */
export class InvalidCursorError extends Error {
  override readonly name = 'InvalidCursorError';
  readonly code = 'INVALID_CURSOR';

  constructor() {
    super('Expected a cursor as a listing gave it in nextCursor');
  }
}

/** Seals values into a cursor; `decodeCursor` gives them back, unchecked. */
export function cursorOf(values: (string | number)[]): string {
  return Buffer.from(JSON.stringify(values)).toString('base64url');
}

/** Throws an InvalidCursorError for what is no cursor. */
export function decodeCursor(cursor: string): unknown[] {
  try {
    const values = JSON.parse(Buffer.from(cursor, 'base64url').toString()) as unknown;
    if (Array.isArray(values)) return values;
  } catch {
    // Not a cursor: said below.
  }
  throw new InvalidCursorError();
}

/** A cursor of so many whole numbers. */
export function cursorNumbers(cursor: string, count: number): number[] {
  const values = decodeCursor(cursor);
  if (values.length !== count) throw new InvalidCursorError();
  return values.map((value) => {
    if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0) throw new InvalidCursorError();
    return value;
  });
}

/** A cursor of a place among the dead letters. */
export function deadLetterCursor(cursor: string): { at: number; id: string } {
  const [at, id] = decodeCursor(cursor);
  if (typeof at !== 'number' || typeof id !== 'string') throw new InvalidCursorError();
  return { at, id };
}

/** A cursor of a scan step, and how many of its items were given out. */
export function documentCursor(cursor: string): [string, number] {
  const [scan, given] = decodeCursor(cursor);
  if (
    typeof scan !== 'string' ||
    !/^\d{1,20}$/.test(scan) ||
    typeof given !== 'number' ||
    !Number.isSafeInteger(given) ||
    given < 0
  ) {
    throw new InvalidCursorError();
  }
  return [scan, given];
}

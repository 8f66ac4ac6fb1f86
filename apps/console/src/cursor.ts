import { createHmac, timingSafeEqual } from 'node:crypto';
import { Refusal } from './errors';
import { type Query, textOf } from './query';

const CURSOR_MAX_LENGTH = 4_096;
const SEAL_BYTES = 9;

/**
 * Writes and reads cursors. A cursor is sealed together with the listing it was made for (its path and filters), so what reaches
 * the store is always a cursor that the store gave out, for that very listing.
 */
export interface Cursors {
  /** `position` null means that there is no next page. */
  write(listing: string, position: string | null): string | null;
  /** The position to read on from; undefined for the first page. Refuses whatever this console did not write for this listing. */
  read(listing: string, query: Query): string | undefined;
}

/** `secret` must be the same in all consoles behind one address. */
export function createCursors(secret: string): Cursors {
  const seal = (listing: string, position: string): Buffer =>
    createHmac('sha256', secret)
      .update('cursor\0')
      .update(JSON.stringify([listing, position]))
      .digest()
      .subarray(0, SEAL_BYTES);

  return {
    write(listing, position) {
      if (position === null) return null;
      return Buffer.concat([seal(listing, position), Buffer.from(position)]).toString('base64url');
    },
    read(listing, query) {
      const cursor = textOf(query, 'cursor', CURSOR_MAX_LENGTH);
      if (cursor === undefined) return undefined;
      const bytes = Buffer.from(cursor, 'base64url');
      const position = bytes.subarray(SEAL_BYTES).toString();
      if (bytes.length < SEAL_BYTES || !timingSafeEqual(bytes.subarray(0, SEAL_BYTES), seal(listing, position))) {
        throw new Refusal(
          'invalid_request',
          'Expected cursor to be the nextCursor of this same listing and filter, got something else',
        );
      }
      return position;
    },
  };
}

import type { UnitOfWork } from '@syncline/events';
import * as z from 'zod';
import { documentCollections } from './documents';

/** The topic of the event that removes tombstones which have been kept long enough. */
export const TOMBSTONES_EXPIRED_TOPIC = 'syncline.tombstones-expired';

const TIMER_KEY = 'tombstones';
const COLLECTION = documentCollections.tombstones;
const QUEUE_ID = 'queue';
/** Entries in one document: a removal writes the last document anew, an expiry reads one at a time. */
const CHUNK_ENTRIES = 64;
/** Chunks that one expiry takes, so that it stays as short as other events. */
const CHUNKS_AT_ONCE = 50;

/** Which chunks there are: from `first` to `last`. */
const queueDocument = z.object({ first: z.int(), last: z.int() });
/** Entries in the order in which they expire: when, collection, id. */
const chunkDocument = z.array(z.tuple([z.number(), z.string(), z.string()]));
const expiring = z.looseObject({ expiresAt: z.number() });

/**
 * Remembers when the tombstones of a merchant expire: a queue of small documents, and at most one timer. A document could not hold
 * them all, because the removal of a large catalogue would write it anew for each entity.
 */
export interface Tombstones {
  /** When a tombstone that is left now expires, in epoch milliseconds. */
  readonly expiresAt: number;
  /** Sees to it that the tombstone in `collection` under `id`, which says `expiresAt`, is removed after that. Done once `settled` resolves. */
  add(collection: string, id: string): void;
  settled(): Promise<void>;
  /** Removes the tombstones that have expired, and sets the timer for those that remain. */
  expire(): Promise<void>;
}

/** `now` is the receipt of the event being handled: that of a timer's event is when it was due. */
export function createTombstones(unit: UnitOfWork, now: number, keptMs: number): Tombstones {
  const expiresAt = now + keptMs;
  const readQueue = async () => {
    const stored = await unit.get(COLLECTION, QUEUE_ID);
    return stored === undefined ? undefined : queueDocument.parse(stored);
  };
  const readChunk = async (number: number) => chunkDocument.parse((await unit.get(COLLECTION, String(number))) ?? []);
  const wait = (ms: number): void => unit.after(Math.max(0, ms), TIMER_KEY, { topic: TOMBSTONES_EXPIRED_TOPIC });

  async function append(collection: string, id: string): Promise<void> {
    const queue = await readQueue();
    if (queue === undefined) wait(keptMs);
    const { first, last } = queue ?? { first: 1, last: 1 };
    const chunk = queue === undefined ? [] : await readChunk(last);
    const isFull = chunk.length >= CHUNK_ENTRIES;
    const number = isFull ? last + 1 : last;
    if (queue === undefined || isFull) unit.put(COLLECTION, QUEUE_ID, { first, last: number });
    unit.put(COLLECTION, String(number), [...(isFull ? [] : chunk), [expiresAt, collection, id]]);
  }

  // One after the other: two that read the same chunk would each write it without the other's entry.
  let added = Promise.resolve();
  return {
    expiresAt,
    add(collection, id) {
      added = added.then(() => append(collection, id));
      // Whoever asks hears of a failure; a handler that failed for another reason does not.
      added.catch(() => undefined);
    },
    settled: () => added,
    async expire() {
      const queue = await readQueue();
      if (queue === undefined) return;
      for (let number = queue.first; number <= queue.last; number += 1) {
        const chunk = await readChunk(number);
        const dueAt = chunk.at(-1)?.[0] ?? 0;
        if (dueAt > now || number >= queue.first + CHUNKS_AT_ONCE) {
          unit.put(COLLECTION, QUEUE_ID, { first: number, last: queue.last });
          wait(dueAt - now);
          return;
        }
        for (const [, collection, id] of chunk) {
          const tombstone = expiring.safeParse(await unit.get(collection, id));
          // A later removal of the same entity left a tombstone of its own.
          if (tombstone.success && tombstone.data.expiresAt <= now) unit.delete(collection, id);
        }
        unit.delete(COLLECTION, String(number));
      }
      unit.delete(COLLECTION, QUEUE_ID);
    },
  };
}

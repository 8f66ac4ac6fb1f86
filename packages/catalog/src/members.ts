import type { UnitOfWork } from '@syncline/events';
import * as z from 'zod';
import { documentCollections } from './documents';

const COLLECTION = documentCollections.collectionOffers;

/** Times are epoch milliseconds. Fields of a newer version are kept. */
const membersDocument = z.looseObject({
  offerIds: z.array(z.int()).default([]),
  /** When the reading of these ids began; null when none has been read. */
  readAt: z.number().nullable().default(null),
  /** Since when the ids are known to be out of date; null while they are not. */
  unknownSince: z.number().nullable().default(null),
});

/** The offers in a collection, as far as they are known. */
export type CollectionMembers = z.infer<typeof membersDocument>;

/** Which offers are in a merchant's collections. No event says it; events say that it changed. */
export interface Members {
  get(collectionId: number | string): Promise<CollectionMembers>;
  /** The members of the collection have changed: what is held is out of date. */
  changed(collectionId: number | string): Promise<void>;
  /** Takes over ids whose reading began at `readAt`, unless newer ones are held. They stay out of date when the members changed since. */
  read(collectionId: number | string, offerIds: readonly number[], readAt: number): Promise<void>;
  /** The collection is gone. */
  remove(collectionId: number | string): void;
}

export function createMembers(unit: UnitOfWork, receivedAt: number): Members {
  const get = async (id: number | string): Promise<CollectionMembers> =>
    membersDocument.parse((await unit.get(COLLECTION, String(id))) ?? {});
  return {
    get,
    async changed(id) {
      const held = await get(id);
      // The latest change: only a reading that began after it knows of it.
      unit.put(COLLECTION, String(id), { ...held, unknownSince: Math.max(receivedAt, held.unknownSince ?? 0) });
    },
    async read(id, offerIds, readAt) {
      const held = await get(id);
      if (held.readAt !== null && held.readAt > readAt) return;
      const isStale = held.unknownSince !== null && held.unknownSince >= readAt;
      unit.put(COLLECTION, String(id), {
        ...held,
        offerIds: [...offerIds],
        readAt,
        unknownSince: isStale ? held.unknownSince : null,
      });
    },
    remove(id) {
      unit.delete(COLLECTION, String(id));
    },
  };
}

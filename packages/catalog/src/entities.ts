import { isDeepStrictEqual } from 'node:util';
import type { DocumentRef, UnitOfWork } from '@syncline/events';
import { usableDate } from './dates';
import { documentCollections } from './documents';
import type { Receipts } from './receipts';
import type { Tombstones } from './tombstones';

/** An offer or a collection as its sender describes it: an id, and whatever other fields there are. */
export interface Entity {
  readonly id: number | string;
  readonly [field: string]: unknown;
}

/** The documents that hold one kind of entity. */
export interface EntityDocuments {
  readonly held: string;
  readonly removed: string;
  readonly undated: string;
}

export const offerDocuments: EntityDocuments = {
  held: documentCollections.offers,
  removed: documentCollections.offersRemoved,
  undated: documentCollections.offersUndated,
};

export const collectionDocuments: EntityDocuments = {
  held: documentCollections.collections,
  removed: documentCollections.collectionsRemoved,
  undated: documentCollections.collectionsUndated,
};

/** What bringing in or removing this entity reads. */
export function entityReads(documents: EntityDocuments, id: number | string): DocumentRef[] {
  return [
    { collection: documents.held, id: String(id) },
    { collection: documents.removed, id: String(id) },
  ];
}

/**
 * A merchant's entities of one kind. An entity's date is its `date_last_modified`; without a usable one, the receipt of the event
 * that brought it. One that lies far ahead is not usable. Never its `date_last_consolidated`, which is jittered and may lie in the future.
 */
export interface Entities {
  /** The sender's fields as last applied; undefined when there is no such entity. */
  get(id: number | string): Promise<Entity | undefined>;
  /** Stores the entity whatever is held. Throws a TypeError when its id is neither an integer nor a text. */
  put(entity: Entity): void;
  /** Removes the entity whatever is held, and leaves a tombstone; `removedAt`, in epoch milliseconds, is the event's receipt unless given. */
  remove(id: number | string, removedAt?: number): void;
  /** Stores the entity unless what is held, or its tombstone, is newer; at equal dates the later arrival wins. True when it was stored. */
  putIfNewer(entity: Entity): Promise<boolean>;
  /** Removes the entity and leaves a tombstone, also of one never seen, unless what is held is newer. True when it was removed. */
  removeIfNewer(entity: Entity): Promise<boolean>;
  /** Ids of all that are held. */
  ids(): Promise<string[]>;
  /**
   * Stores an entity that was read from the sender's API, unless what is held is newer by date. At equal dates, against a tombstone, and
   * where a date is missing, the record received later wins; what was read counts as received when the reading began, at `readAt` in
   * epoch milliseconds. True when it is held now.
   */
  putRead(entity: Entity, readAt: number): Promise<boolean>;
  /**
   * Removes an entity that a reading begun at `readAt` did not find, and leaves a tombstone of that time, unless an event has changed it
   * since. True when it was removed.
   */
  removeUnread(id: string, readAt: number): Promise<boolean>;
}

interface Standing {
  readonly held: boolean;
  readonly undated: boolean;
  readonly removed: boolean;
  /** The date of what is held or was removed, in epoch milliseconds; undefined when there is neither. */
  readonly date: number | undefined;
}

/** The entities of one kind over a unit of work; `receivedAt` is the receipt of the event being handled, in epoch milliseconds. */
export function createEntities(
  unit: UnitOfWork,
  documents: EntityDocuments,
  receivedAt: number,
  tombstones: Tombstones,
  receipts: Receipts,
): Entities {
  const dateOf = (entity: unknown): number | undefined =>
    typeof entity === 'object' && entity !== null && 'date_last_modified' in entity
      ? usableDate(entity.date_last_modified, receivedAt)
      : undefined;
  const receiptName = (id: string): string => `${documents.held}:${id}`;

  async function standingOf(id: string): Promise<Standing> {
    const [held, tombstone] = await Promise.all([unit.get(documents.held, id), unit.get(documents.removed, id)]);
    if (held !== undefined) {
      const date = dateOf(held);
      if (date !== undefined) return { held: true, undated: false, removed: tombstone !== undefined, date };
      const mark = numberIn(await unit.get(documents.undated, id), 'receivedAt');
      return { held: true, undated: true, removed: tombstone !== undefined, date: mark };
    }
    return { held: false, undated: false, removed: tombstone !== undefined, date: numberIn(tombstone, 'removedAt') };
  }

  function store(id: string, entity: Entity, standing: Pick<Standing, 'undated' | 'removed'>, at = receivedAt): void {
    unit.put(documents.held, id, entity);
    if (standing.removed) unit.delete(documents.removed, id);
    if (dateOf(entity) === undefined) unit.put(documents.undated, id, { receivedAt: at });
    else if (standing.undated) unit.delete(documents.undated, id);
  }

  function bury(id: string, removedAt: number, standing: Pick<Standing, 'held' | 'undated'>): void {
    if (standing.held) unit.delete(documents.held, id);
    if (standing.undated) unit.delete(documents.undated, id);
    unit.put(documents.removed, id, { removedAt, expiresAt: tombstones.expiresAt });
    tombstones.add(documents.removed, id);
  }

  return {
    async get(id) {
      const value = await unit.get(documents.held, idOf(id));
      return value as Entity | undefined;
    },
    put(entity) {
      store(idOf(entity.id), entity, { undated: true, removed: true });
    },
    remove(id, removedAt = receivedAt) {
      bury(idOf(id), removedAt, { held: true, undated: true });
    },
    async putIfNewer(entity) {
      const id = idOf(entity.id);
      const standing = await standingOf(id);
      if (standing.date !== undefined && (dateOf(entity) ?? receivedAt) < standing.date) return false;
      store(id, entity, standing);
      await receipts.note(receiptName(id));
      return true;
    },
    async removeIfNewer(entity) {
      const id = idOf(entity.id);
      const standing = await standingOf(id);
      const removedAt = dateOf(entity) ?? receivedAt;
      if (standing.date !== undefined && removedAt < standing.date) return false;
      bury(id, removedAt, standing);
      await receipts.note(receiptName(id));
      return true;
    },
    ids: () => unit.ids(documents.held),
    async putRead(entity, readAt) {
      const id = idOf(entity.id);
      const [standing, held] = [await standingOf(id), await unit.get(documents.held, id)];
      const date = dateOf(entity);
      const areDated = standing.held && !standing.undated && date !== undefined && standing.date !== undefined;
      if (areDated && date !== standing.date) {
        if (date < (standing.date ?? 0)) return false;
      } else {
        const heldReceivedAt = (await receipts.of(receiptName(id))) ?? (standing.undated ? standing.date : undefined);
        if (heldReceivedAt !== undefined && heldReceivedAt >= readAt) return false;
      }
      // What a full reading finds unchanged, which is most of it, costs the store no write.
      const isSame = date !== undefined && standing.held && !standing.removed && isDeepStrictEqual(held, entity);
      if (!isSame) store(id, entity, standing, readAt);
      return true;
    },
    async removeUnread(id, readAt) {
      const standing = await standingOf(id);
      const changedAt = (await receipts.of(receiptName(id))) ?? (standing.undated ? standing.date : undefined);
      if (!standing.held || (changedAt !== undefined && changedAt >= readAt)) return false;
      bury(id, readAt, standing);
      return true;
    },
  };
}

function idOf(id: unknown): string {
  if (Number.isSafeInteger(id) || (typeof id === 'string' && id !== '')) return String(id);
  throw new TypeError(`Expected an entity id as integer or text, got ${id === '' ? 'an empty text' : String(id)}`);
}

function numberIn(document: unknown, field: string): number | undefined {
  if (typeof document !== 'object' || document === null) return undefined;
  const value: unknown = Object.getOwnPropertyDescriptor(document, field)?.value;
  return typeof value === 'number' ? value : undefined;
}

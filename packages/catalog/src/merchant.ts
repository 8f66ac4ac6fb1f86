import {
  type AppendTarget,
  type Decision,
  parseLane,
  type FollowUp,
  type SequencedEvent,
  type UnitOfWork,
} from '@syncline/events';
import { consequencesOf } from './consequences';
import { documentCollections, statusRef } from './documents';
import { collectionDocuments, createEntities, offerDocuments, type Entities } from './entities';
import { createMembers, type Members } from './members';
import type { NoticeData } from './notice';
import { createReceipts, type Receipts } from './receipts';
import type { EventReport } from './report';
import type { CatalogSettings } from './settings';
import { failuresMarked, merchantStatusOf, readStatusDocument, type MerchantStatus, type StatusDocument } from './status';
import { createTombstones, type Tombstones } from './tombstones';

/**
 * A merchant as the handler of one of its events sees it. Reads see what the earlier handlers of the event did; what a handler asks
 * for happens together with the event's commit, or not at all.
 */
export interface Merchant {
  readonly source: string;
  readonly merchantId: string;
  readonly offers: Entities;
  readonly collections: Entities;
  /** Which offers are in the collections. */
  readonly members: Members;
  /** When entities were changed while a refresh is under way. */
  readonly receipts: Pick<Receipts, 'keep' | 'latest' | 'forget'>;
  /** Connection, readiness and sync tracks, in the console's form. */
  status(): Promise<MerchantStatus>;
  /**
   * Changes the stored status by one of the pure transitions of `status.ts`, with what follows from it: timers, notices, counts. `about`
   * is added to the data of its notices. Resolves to 'superseded' when the change gives back the status as it was: nothing happens then.
   */
  updateStatus(change: (status: StatusDocument) => StatusDocument, about?: NoticeData): Promise<Decision>;
  /** Tells whoever subscribed to notices of this kind, together with the commit. Nobody is told when no notices are configured. */
  notice(kind: string, data?: NoticeData): void;
  /** Documents of this lane that a handler keeps for itself. Throws a RangeError for a collection that is the catalogue's own. */
  documents(collection: string): Documents;
  /** Brings an event to this merchant's handlers behind all that waits, or to a lane beside it; see `UnitOfWork.append`. */
  append(followUp: FollowUp, to?: AppendTarget): void;
  /** Brings an event to this merchant's handlers after a time; see `UnitOfWork.after`. */
  after(afterMs: number, key: string, followUp: FollowUp): void;
  /** Clears the timer with this key. */
  cancel(key: string): void;
  /** Removes the tombstones that have been kept long enough. */
  expireTombstones(): Promise<void>;
}

/** One collection of documents; see `UnitOfWork`. */
export interface Documents {
  get(id: string): Promise<unknown>;
  /** Stores a JSON value. */
  put(id: string, value: unknown): void;
  delete(id: string): void;
  ids(): Promise<string[]>;
}

const ownCollections: ReadonlySet<string> = new Set(Object.values(documentCollections));

/**
 * The merchant of an event's lane over the event's unit of work. `report` gives what the event's handlers reported so far. The handler's
 * effects are complete once `settled` resolves.
 */
export function createMerchant(
  unit: UnitOfWork,
  { lane, receivedAt }: Pick<SequencedEvent, 'lane' | 'receivedAt'>,
  settings: CatalogSettings,
  report: () => EventReport,
): { merchant: Merchant; settled: () => Promise<void> } {
  const { collection, id } = statusRef;
  const { source, merchantId } = parseLane(lane);
  const subject = { source, merchantId, at: receivedAt };
  // Made when asked for: most events are about one kind of entity, or none.
  let offers: Entities | undefined;
  let collections: Entities | undefined;
  let members: Members | undefined;
  let tombstones: Tombstones | undefined;
  const receipts = createReceipts(unit, receivedAt, settings.refreshes(source));

  function theTombstones(): Tombstones {
    tombstones ??= createTombstones(unit, receivedAt, settings.tombstoneMs(source));
    return tombstones;
  }

  function notice(kind: string, data: NoticeData = {}): void {
    report().notices.push({ kind, data });
    settings.notify?.(unit, subject, kind, data);
  }

  const merchant: Merchant = {
    source,
    merchantId,
    get offers() {
      offers ??= createEntities(unit, offerDocuments, receivedAt, theTombstones(), receipts);
      return offers;
    },
    get collections() {
      collections ??= createEntities(unit, collectionDocuments, receivedAt, theTombstones(), receipts);
      return collections;
    },
    get members() {
      members ??= createMembers(unit, receivedAt);
      return members;
    },
    receipts,
    async status() {
      return merchantStatusOf(await unit.get(collection, id));
    },
    async updateStatus(change, about = {}) {
      const before = readStatusDocument(await unit.get(collection, id));
      const changed = change(before);
      if (changed === before) return 'superseded';
      const after = failuresMarked(changed, settings.failuresAlertAfter);
      unit.put(collection, id, after);
      const { endedSyncs, notices, timers } = consequencesOf(before, after);
      for (const { key, followUp, wait } of timers) {
        const waitMs = wait === 'overdue' ? settings.overdueMs(source) : settings.expectedMs(source);
        if (waitMs === undefined) continue;
        if (followUp === undefined) unit.cancel(key);
        else unit.after(waitMs, key, followUp);
      }
      report().status = after;
      report().endedSyncs.push(...endedSyncs);
      for (const { kind, data } of notices) notice(kind, { ...data, ...about });
      return 'processed';
    },
    notice,
    documents(name) {
      if (ownCollections.has(name)) throw new RangeError(`Expected a collection that is not the catalogue's own, got ${name}`);
      return {
        get: (documentId) => unit.get(name, documentId),
        put: (documentId, value) => unit.put(name, documentId, value),
        delete: (documentId) => unit.delete(name, documentId),
        ids: () => unit.ids(name),
      };
    },
    append(followUp, to) {
      unit.append(followUp, to);
    },
    after(afterMs, key, followUp) {
      unit.after(afterMs, key, followUp);
    },
    cancel(key) {
      unit.cancel(key);
    },
    expireTombstones: () => theTombstones().expire(),
  };
  return { merchant, settled: async () => tombstones?.settled() };
}

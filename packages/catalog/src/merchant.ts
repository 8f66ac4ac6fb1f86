import { parseLane, type FollowUp, type Lane, type UnitOfWork } from '@syncline/events';
import { statusRef } from './documents';
import { collectionDocuments, createEntities, offerDocuments, type Entities } from './entities';
import { merchantStatusOf, readStatusDocument, type MerchantStatus, type StatusDocument } from './status';

/**
 * A merchant as the handler of one of its events sees it. Reads see what the earlier handlers of the event did; what a handler asks
 * for happens together with the event's commit, or not at all.
 */
export interface Merchant {
  readonly source: string;
  readonly merchantId: string;
  readonly offers: Entities;
  readonly collections: Entities;
  /** Connection, readiness and sync tracks, in the console's form. */
  status(): Promise<MerchantStatus>;
  /** Changes the stored status by one of the pure transitions of `status.ts`. */
  updateStatus(change: (status: StatusDocument) => StatusDocument): Promise<void>;
  /** Brings an event to this merchant's handlers behind all that waits; see `UnitOfWork.append`. */
  append(followUp: FollowUp): void;
  /** Brings an event to this merchant's handlers after a time; see `UnitOfWork.after`. */
  after(afterMs: number, key: string, followUp: FollowUp): void;
  /** Clears the timer with this key. */
  cancel(key: string): void;
}

/** The merchant of a lane over the unit of work of one event, which was received at `receivedAt` (epoch milliseconds). */
export function createMerchant(unit: UnitOfWork, lane: Lane, receivedAt: number): Merchant {
  const { collection, id } = statusRef;
  const { source, merchantId } = parseLane(lane);
  // Made when asked for: most events are about one kind of entity, or none.
  let offers: Entities | undefined;
  let collections: Entities | undefined;
  return {
    source,
    merchantId,
    get offers() {
      offers ??= createEntities(unit, offerDocuments, receivedAt);
      return offers;
    },
    get collections() {
      collections ??= createEntities(unit, collectionDocuments, receivedAt);
      return collections;
    },
    async status() {
      return merchantStatusOf(await unit.get(collection, id));
    },
    async updateStatus(change) {
      unit.put(collection, id, change(readStatusDocument(await unit.get(collection, id))));
    },
    append(followUp) {
      unit.append(followUp);
    },
    after(afterMs, key, followUp) {
      unit.after(afterMs, key, followUp);
    },
    cancel(key) {
      unit.cancel(key);
    },
  };
}

import { type Phase, type PlannedEvent, single } from '../simulated-sender';
import { entityIdOf, type OfferState, type Payloads } from './payloads';

// The steps that flows are put together from.

export function merchantEvent(
  payloads: Payloads,
  topic: `MERCHANT_${'CONNECTED' | 'COMPLETE' | 'ENABLED' | 'DISABLED' | 'DISCONNECTED'}`,
  reason?: string,
): PlannedEvent {
  return {
    topic,
    entityId: payloads.merchantId,
    date: payloads.date,
    body: () => payloads.merchant(topic === 'MERCHANT_DISABLED' ? 'DISABLED' : 'ACTIVE'),
    ...(reason !== undefined && { reason }),
  };
}

const offerStates = { OFFER_ADDED: 'original', OFFER_UPDATED: 'changed', OFFER_REMOVED: 'removed' } as const satisfies Record<
  string,
  OfferState
>;

export function offerEvents(payloads: Payloads, topic: keyof typeof offerStates, numbers: readonly number[]): PlannedEvent[] {
  return numbers.map((number) => ({
    topic,
    entityId: entityIdOf(payloads.merchantId, number),
    date: payloads.date,
    body: () => payloads.offer(number, offerStates[topic]),
  }));
}

/** The counts that a product sync ends with: all the products there are, and how many of them it got. */
export interface SyncCounts {
  readonly total: number;
  readonly synced: number;
}

/** One event of a product sync. */
export function productSyncEvent(
  payloads: Payloads,
  run: number,
  what: 'STARTED' | 'COMPLETED' | 'FAILED',
  counts: SyncCounts,
): PlannedEvent {
  const body = payloads.productSync(run, what === 'STARTED' ? 'IN_PROGRESS' : what, counts);
  return { topic: `PRODUCT_SYNC_${what}`, entityId: Number(body.id), date: payloads.date, body: () => body };
}

/** One event of a collection sync. */
export function collectionSyncEvent(payloads: Payloads, what: 'STARTED' | 'COMPLETED'): PlannedEvent {
  const body = payloads.collectionSync(1, what === 'STARTED' ? 'IN_PROGRESS' : what);
  return { topic: `COLLECTION_SYNC_${what}`, entityId: Number(body.id), date: payloads.date, body: () => body };
}

export function collectionEvents(
  payloads: Payloads,
  topic: 'COLLECTION_CREATED' | 'COLLECTION_UPDATED',
  numbers: readonly number[],
): PlannedEvent[] {
  return numbers.map((number) => ({
    topic,
    entityId: entityIdOf(payloads.merchantId, number),
    date: payloads.date,
    body: () => payloads.collection(number),
  }));
}

/** PRODUCT_SYNC_STARTED, the changes at once, and how it ended. Without changes the middle phase is left out. */
export function productSync(
  payloads: Payloads,
  run: number,
  changes: readonly PlannedEvent[],
  { total, synced }: SyncCounts,
  end: 'COMPLETED' | 'FAILED' = 'COMPLETED',
): Phase[] {
  return [
    single(productSyncEvent(payloads, run, 'STARTED', { total, synced: 0 })),
    ...(changes.length > 0 ? [{ name: 'offers', events: changes }] : []),
    single(productSyncEvent(payloads, run, end, { total, synced })),
  ];
}

/** COLLECTION_SYNC_STARTED, the collections at once, COLLECTION_SYNC_COMPLETED. */
export function collectionSync(
  payloads: Payloads,
  topic: 'COLLECTION_CREATED' | 'COLLECTION_UPDATED',
  numbers: readonly number[],
): Phase[] {
  const events = collectionEvents(payloads, topic, numbers);
  return [
    single(collectionSyncEvent(payloads, 'STARTED')),
    ...(events.length > 0 ? [{ name: 'collections', events }] : []),
    single(collectionSyncEvent(payloads, 'COMPLETED')),
  ];
}

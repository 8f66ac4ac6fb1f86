import { entityIdOf, type OfferState, type Payloads } from '../payloads';
import type { Phase, PlannedEvent } from './scenario';

// The steps that flows are put together from.

/** The numbers from 1 to `count`. */
export function numbersTo(count: number): number[] {
  return Array.from({ length: count }, (_item, index) => index + 1);
}

/** A phase of a single event: a barrier between the phases around it. */
export function single(event: PlannedEvent): Phase {
  return { name: event.topic, events: [event] };
}

export function merchantEvent(
  payloads: Payloads,
  topic: 'MERCHANT_CONNECTED' | 'MERCHANT_COMPLETE' | 'MERCHANT_ENABLED' | 'MERCHANT_DISABLED',
  reason?: string,
): PlannedEvent {
  return {
    topic,
    entityId: payloads.merchantId,
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
    body: () => payloads.offer(number, offerStates[topic]),
  }));
}

/** The counts that a product sync ends with: all the products there are, and how many of them it got. */
export interface SyncCounts {
  readonly total: number;
  readonly synced: number;
}

/** PRODUCT_SYNC_STARTED, the changes at once, and how it ended. Without changes the middle phase is left out. */
export function productSync(
  payloads: Payloads,
  run: number,
  changes: readonly PlannedEvent[],
  { total, synced }: SyncCounts,
  end: 'COMPLETED' | 'FAILED' = 'COMPLETED',
): Phase[] {
  const started = payloads.productSync(run, 'IN_PROGRESS', { total, synced: 0 });
  const ended = payloads.productSync(run, end, { total, synced });
  const entityId = Number(started.id);
  return [
    single({ topic: 'PRODUCT_SYNC_STARTED', entityId, body: () => started }),
    ...(changes.length > 0 ? [{ name: 'offers', events: changes }] : []),
    single({ topic: `PRODUCT_SYNC_${end}`, entityId, body: () => ended }),
  ];
}

/** COLLECTION_SYNC_STARTED, the collections at once, COLLECTION_SYNC_COMPLETED. */
export function collectionSync(
  payloads: Payloads,
  topic: 'COLLECTION_CREATED' | 'COLLECTION_UPDATED',
  numbers: readonly number[],
): Phase[] {
  const started = payloads.collectionSync(1, 'IN_PROGRESS');
  const entityId = Number(started.id);
  const events = numbers.map((number) => ({
    topic,
    entityId: entityIdOf(payloads.merchantId, number),
    body: () => payloads.collection(number),
  }));
  return [
    single({ topic: 'COLLECTION_SYNC_STARTED', entityId, body: () => started }),
    ...(events.length > 0 ? [{ name: 'collections', events }] : []),
    single({ topic: 'COLLECTION_SYNC_COMPLETED', entityId, body: () => payloads.collectionSync(1, 'COMPLETED') }),
  ];
}

import * as z from 'zod';
import { usableDate } from './dates';
import { statusRef } from './documents';
import { errorOf } from './failure-text';
import { defineHandler, type Handler } from './handler';
import { dataChanged, itemFailed, itemSynced } from './status';
import type { TrackName } from './track';

const item = z.looseObject({}).nullish().catch(null);

/** Only the event's name and its store are certain, and those are read before. */
const payload = z.looseObject({ product: item, collection: item });

type ItemEvent = z.infer<typeof payload>;

const shape = { source: 'synctec', payload, reads: () => [statusRef] };

const productSynced = defineHandler({
  ...shape,
  topics: ['product.synced'],
  handle: ({ payload: event, receivedAt }, merchant) =>
    merchant.updateStatus((status) => itemSynced(status, 'product', timeOf(event, receivedAt)), about(event)),
});

const collectionSynced = defineHandler({
  ...shape,
  topics: ['collection.synced'],
  handle: ({ payload: event, receivedAt }, merchant) =>
    merchant.updateStatus((status) => itemSynced(status, 'collection', timeOf(event, receivedAt)), about(event)),
});

const syncFailed = defineHandler({
  ...shape,
  topics: ['sync.failed'],
  handle: ({ payload: event, receivedAt }, merchant) =>
    merchant.updateStatus(
      (status) => itemFailed(status, trackOf(event), timeOf(event, receivedAt), errorOf(event)),
      about(event),
    ),
});

/** A product's stock changed at the source; no sync is said to have ended. */
const inventoryUpdated = defineHandler({
  ...shape,
  topics: ['inventory.updated'],
  async handle({ payload: event, receivedAt }, merchant) {
    await merchant.updateStatus((status) => dataChanged(status, 'product', timeOf(event, receivedAt)));
    merchant.notice('inventory.updated', about(event));
  },
});

/** Everything that the catalogue does on SyncTec's events: it reports items, not runs, in any order; the sender's time decides. */
export const synctecHandlers: readonly Handler[] = [productSynced, collectionSynced, syncFailed, inventoryUpdated];

function trackOf({ product, collection }: ItemEvent): TrackName {
  return collection && !product ? 'collection' : 'product';
}

function timeOf({ timestamp }: ItemEvent, receivedAt: number): number {
  return usableDate(timestamp, receivedAt) ?? receivedAt;
}

/** What a notice says of the item, in the sender's words. */
function about({ product, collection, source_store, destination_store, status, timestamp }: ItemEvent) {
  return {
    ...(product && { product }),
    ...(collection && { collection }),
    sourceStore: source_store ?? null,
    destinationStore: destination_store ?? null,
    status: status ?? null,
    timestamp: timestamp ?? null,
  };
}

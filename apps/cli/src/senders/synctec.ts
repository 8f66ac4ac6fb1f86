import { randomOf } from '@syncline/runtime';
import { synctec as door } from '@syncline/senders';
import { opaqueMerchantIdAfter, opaqueMerchantIdForm } from './opaque-merchant-id';
import {
  type Before,
  type Body,
  type ExpectedTrack,
  type MerchantModel,
  numbersTo,
  type PlannedEvent,
  type Scenario,
  type Setting,
  type SimulatedSender,
} from './simulated-sender';
import { settle, tracksBefore } from './track-model';

const nouns = ['Runner', 'Hoodie', 'Jacket', 'Backpack', 'Mug', 'Scarf'] as const;

/** Makes the events of one run, each with a time of its own: the sender has no event id, and tells events apart by it. */
function eventsOf({ merchantId, seed, startsAt }: Setting) {
  let made = 0;
  const event = (topic: string, id: number, status: 'success' | 'failed', item: Body): PlannedEvent => {
    made += 1;
    const date = startsAt + made;
    return {
      topic,
      entityId: id,
      date,
      body: () => ({
        event: topic,
        timestamp: new Date(date).toISOString(),
        ...item,
        source_store: 'source.myshopify.com',
        destination_store: merchantId,
        status,
        ...(status === 'failed' && { error: `Item ${id} was refused by the destination store` }),
      }),
    };
  };
  const product = (id: number): Body => ({
    product: {
      id: String(1_234_500_000 + id),
      title: `${randomOf('synctec', seed, id).pick(nouns)} ${id}`,
      sku: `SKU-${id}`,
    },
  });
  const collection = (id: number): Body => ({ collection: { id: String(9_000 + id), title: `Collection ${id}` } });
  return {
    synced: (id: number) => event('product.synced', id, 'success', product(id)),
    failed: (id: number) => event('sync.failed', id, 'failed', product(id)),
    inventory: (id: number) => event('inventory.updated', id, 'success', product(id)),
    collectionSynced: (id: number) => event('collection.synced', id, 'success', collection(id)),
    collectionFailed: (id: number) => event('sync.failed', id, 'failed', collection(id)),
  };
}

/** Every tenth of them, at least one where there are any. */
const someOf = (numbers: readonly number[]): number[] => numbers.filter((number) => number % 10 === 1);

const products: Scenario = {
  name: 'products',
  summary: 'a burst of synced products among which some fail, then those that failed are synced',
  plan(setting) {
    const { synced, failed } = eventsOf(setting);
    const all = numbersTo(Math.max(1, setting.wanted.offers));
    const failing = new Set(someOf(all));
    return [
      { name: 'burst', events: all.map((id) => (failing.has(id) ? failed(id) : synced(id))) },
      { name: 'recovery', events: [...failing].map(synced) },
    ];
  },
};

const inventory: Scenario = {
  name: 'inventory',
  summary: 'the stock of every product changes at the source, and one product is synced',
  plan(setting) {
    const { inventory: updated, synced } = eventsOf(setting);
    return [
      { name: 'stock', events: numbersTo(Math.max(1, setting.wanted.offers)).map(updated) },
      { name: 'a product', events: [synced(1)] },
    ];
  },
};

const collections: Scenario = {
  name: 'collections',
  summary: 'collections are synced, one of them fails and is synced after that',
  plan(setting) {
    const { collectionSynced, collectionFailed } = eventsOf(setting);
    const all = numbersTo(Math.max(2, setting.wanted.collections));
    return [
      { name: 'collections', events: all.map((id) => (id === 2 ? collectionFailed(id) : collectionSynced(id))) },
      { name: 'recovery', events: [collectionSynced(2)] },
    ];
  },
};

/** What SyncTec's events lead to: items, not runs, and the newest by the sender's time decides. */
function synctecModel(before: Before): MerchantModel {
  const tracks = tracksBefore(before);
  const finishedAt = (name: 'product' | 'collection'): number => Date.parse(before.merchant?.tracks[name].finishedAt ?? '') || 0;
  const newest = { product: finishedAt('product'), collection: finishedAt('collection') };
  // All that was there before is older than what this run sends, but for runs that overlap.
  const synced = { product: 0, collection: 0 };
  let catalogReady = before.merchant?.catalogReady ?? false;

  function item(name: 'product' | 'collection', how: 'completed' | 'failed', event: PlannedEvent): void {
    const track: ExpectedTrack = tracks[name];
    if (name === 'product' && how === 'completed') catalogReady = true;
    if (how === 'completed') synced[name] = Math.max(synced[name], event.date);
    if (event.date < newest[name]) {
      track[how] += 1;
      // A failure that comes late is one in a row unless an item was synced after it.
      if (how === 'failed' && event.date >= synced[name]) track.consecutiveFailures += 1;
      return;
    }
    newest[name] = event.date;
    settle(track, how, how === 'failed' ? String(event.body().error) : null);
  }

  return {
    apply(event) {
      switch (event.topic) {
        case 'product.synced':
          item('product', 'completed', event);
          break;
        case 'collection.synced':
          item('collection', 'completed', event);
          break;
        case 'sync.failed':
          item('collection' in event.body() ? 'collection' : 'product', 'failed', event);
      }
      return ['processed'];
    },
    expected: () => ({
      connection: before.merchant?.connection ?? 'unknown',
      catalogReady,
      tracks,
      offers: new Map(),
      collections: new Map(),
    }),
  };
}

/** SyncTec (StoreLink): the merchant is the destination store. */
export const synctec: SimulatedSender = {
  source: 'synctec',
  name: 'SyncTec',
  secretVariable: 'SYNCTEC_WEBHOOK_SECRET',
  scenarios: [products, inventory, collections],
  givesEventIds: false,
  defaultMerchantId: 'store-10042.example.com',
  merchantIdForm: opaqueMerchantIdForm,
  merchantIdAfter: opaqueMerchantIdAfter,
  write(event, { eventId }, settings) {
    const body = JSON.stringify(event.body());
    return { body, headers: door.sign({ eventId, topic: event.topic, body }, settings) };
  },
  model: synctecModel,
};

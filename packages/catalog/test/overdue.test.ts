import { isoOf } from '../src/dates';
import { MerchantLane, SECOND, T0 } from './merchant-lane';

const sync = { merchant_id: 10042 };
const merchant = { id: 10042 };
const HOUR = 3_600 * SECOND;
const KEY = 'overdue.product';

async function laneAfter(...topics: string[]): Promise<MerchantLane> {
  const lane = new MerchantLane();
  for (const topic of topics) await lane.apply(topic, topic.startsWith('MERCHANT') ? merchant : sync);
  return lane;
}

const kindsOf = (lane: MerchantLane): string[] => (lane.report?.notices ?? []).map(({ kind }) => kind);

describe('a sync that never ends', () => {
  it('is overdue once it has run for as long as a sync of its source may', async () => {
    const lane = new MerchantLane([], { overdueMs: (source) => (source === 'violet' ? 2 * HOUR : HOUR) });
    await lane.apply('PRODUCT_SYNC_STARTED', sync);
    expect(lane.timers.get(KEY)?.dueAt).toBe(T0 + SECOND + 2 * HOUR);
    await expect(lane.fire(KEY)).resolves.toBe('processed');
    const dueAt = isoOf(T0 + SECOND + 2 * HOUR);
    expect(lane.status().tracks.product).toMatchObject({ state: 'overdue', runs: 1, overdueSince: dueAt, finishedAt: null });
    expect(lane.report?.notices).toEqual([{ kind: 'sync.overdue', data: { track: 'product', startedAt: isoOf(T0 + SECOND) } }]);
    expect([...lane.timers]).toEqual([]);
  });

  it('is overdue after six hours unless that is set', async () => {
    const lane = await laneAfter('COLLECTION_SYNC_STARTED');
    expect(lane.timers.get('overdue.collection')?.dueAt).toBe(T0 + SECOND + 6 * HOUR);
  });

  it('is overdue on its own track only', async () => {
    const lane = await laneAfter('PRODUCT_SYNC_STARTED', 'COLLECTION_SYNC_STARTED', 'PRODUCT_SYNC_COMPLETED');
    expect([...lane.timers.keys()]).toEqual(['overdue.collection']);
    await lane.fire('overdue.collection');
    expect(lane.status().tracks).toMatchObject({ product: { state: 'synced' }, collection: { state: 'overdue' } });
  });

  it('is no longer overdue when it ends at last, which is told of', async () => {
    const lane = await laneAfter('PRODUCT_SYNC_STARTED');
    await lane.fire(KEY);
    await lane.apply('PRODUCT_SYNC_COMPLETED', sync, { receivedAt: T0 + 9 * HOUR });
    expect(lane.status().tracks.product).toMatchObject({
      state: 'synced',
      runs: 1,
      durationMs: 9 * HOUR - SECOND,
    });
    expect(lane.status().tracks.product).not.toHaveProperty('overdueSince');
    expect(kindsOf(lane)).toEqual(['sync.recovered', 'catalog.ready', 'product.synced']);
  });

  it('leaves its place to the next run, which has its own time', async () => {
    const lane = await laneAfter('PRODUCT_SYNC_STARTED');
    await lane.fire(KEY);
    await lane.apply('PRODUCT_SYNC_STARTED', sync, { receivedAt: T0 + 7 * HOUR });
    expect(lane.status().tracks.product).toMatchObject({ state: 'syncing', runs: 2 });
    expect(lane.status().tracks.product).not.toHaveProperty('overdueSince');
    expect(lane.timers.get(KEY)?.dueAt).toBe(T0 + 13 * HOUR);
  });
});

describe('the timer of a sync', () => {
  it.each(['PRODUCT_SYNC_COMPLETED', 'PRODUCT_SYNC_FAILED', 'MERCHANT_DISCONNECTED'])('is cleared by %s', async (topic) => {
    const lane = await laneAfter('PRODUCT_SYNC_STARTED');
    expect(lane.timers.has(KEY)).toBe(true);
    await lane.apply(topic, topic.startsWith('MERCHANT') ? merchant : sync);
    expect([...lane.timers]).toEqual([]);
  });

  it('is not set for a merchant that is disconnected, but once it is connected again', async () => {
    const lane = await laneAfter('MERCHANT_DISCONNECTED', 'PRODUCT_SYNC_STARTED');
    expect(lane.status().tracks.product.state).toBe('syncing');
    expect([...lane.timers]).toEqual([]);
    await lane.apply('MERCHANT_CONNECTED', merchant);
    expect([...lane.timers.keys()]).toEqual([KEY]);
  });

  it.each([
    ['has ended', ['PRODUCT_SYNC_COMPLETED']],
    ['was followed by another', ['PRODUCT_SYNC_STARTED']],
    ['ended and was followed by another', ['PRODUCT_SYNC_FAILED', 'PRODUCT_SYNC_STARTED']],
    ['belongs to a merchant that was disconnected', ['MERCHANT_DISCONNECTED']],
  ])('changes nothing when it comes late and its run %s', async (_, topics) => {
    const lane = await laneAfter('PRODUCT_SYNC_STARTED');
    const late = lane.timers.get(KEY)?.followUp;
    for (const topic of topics) await lane.apply(topic, topic.startsWith('MERCHANT') ? merchant : sync);
    const before = lane.status();
    await expect(lane.apply(late?.topic ?? '', late?.payload)).resolves.toBe('superseded');
    expect(lane.status()).toEqual(before);
    expect(lane.report).toBeUndefined();
  });

  it('changes nothing when it comes a second time', async () => {
    const lane = await laneAfter('PRODUCT_SYNC_STARTED');
    const { topic = '', payload } = lane.timers.get(KEY)?.followUp ?? {};
    await lane.fire(KEY);
    const before = lane.status();
    await expect(lane.apply(topic, payload)).resolves.toBe('superseded');
    expect(lane.status()).toEqual(before);
  });

  it('works for every source', async () => {
    const lane = new MerchantLane();
    await expect(lane.apply('syncline.sync-overdue', { track: 'product', run: 1 }, { source: 'another' })).resolves.toBe(
      'superseded',
    );
  });
});

describe('repeated failures', () => {
  it('mark the track once as many syncs in a row have failed as are tolerated, and are told of once', async () => {
    const lane = await laneAfter('PRODUCT_SYNC_FAILED', 'PRODUCT_SYNC_FAILED');
    expect(kindsOf(lane)).toEqual(['sync.failed']);
    expect(lane.status().tracks.product.failingRepeatedlySince).toBeUndefined();
    await lane.apply('PRODUCT_SYNC_FAILED', { ...sync, error: 'scopes' });
    expect(lane.report?.notices).toEqual([
      { kind: 'sync.failed', data: { track: 'product', consecutiveFailures: 3, error: 'scopes' } },
      { kind: 'sync.failing-repeatedly', data: { track: 'product', consecutiveFailures: 3, error: 'scopes' } },
    ]);
    const since = isoOf(T0 + 3 * SECOND);
    expect(lane.status().tracks.product.failingRepeatedlySince).toBe(since);
    await lane.apply('PRODUCT_SYNC_FAILED', sync);
    expect(kindsOf(lane)).toEqual(['sync.failed']);
    expect(lane.status().tracks.product.failingRepeatedlySince).toBe(since);
  });

  it('are cleared by a completion, which is told of', async () => {
    const lane = new MerchantLane([], { failuresAlertAfter: 1 });
    await lane.apply('PRODUCT_SYNC_FAILED', sync);
    expect(lane.status().tracks.product.failingRepeatedlySince).toBeDefined();
    await lane.apply('PRODUCT_SYNC_STARTED', sync);
    expect(lane.status().tracks.product.failingRepeatedlySince).toBeDefined();
    await lane.apply('PRODUCT_SYNC_COMPLETED', sync);
    expect(lane.status().tracks.product.failingRepeatedlySince).toBeUndefined();
    expect(lane.report?.notices).toMatchObject([
      { kind: 'sync.recovered', data: { track: 'product', failures: 1, wasOverdue: false } },
      { kind: 'catalog.ready' },
      { kind: 'product.synced' },
    ]);
  });

  it('are counted on each track apart', async () => {
    const lane = await laneAfter(
      'PRODUCT_SYNC_FAILED',
      'COLLECTION_SYNC_FAILED',
      'PRODUCT_SYNC_FAILED',
      'COLLECTION_SYNC_FAILED',
    );
    const { product, collection } = lane.status().tracks;
    expect([product.consecutiveFailures, collection.consecutiveFailures]).toEqual([2, 2]);
    expect([product.failingRepeatedlySince, collection.failingRepeatedlySince]).toEqual([undefined, undefined]);
  });
});

describe('what an event reports', () => {
  it('is each sync that it ended, with its length where its start is known', async () => {
    const lane = await laneAfter('PRODUCT_SYNC_STARTED', 'PRODUCT_SYNC_COMPLETED');
    expect(lane.report?.endedSyncs).toEqual([{ track: 'product', outcome: 'completed', durationMs: SECOND }]);
    await lane.apply('COLLECTION_SYNC_FAILED', sync);
    expect(lane.report?.endedSyncs).toEqual([{ track: 'collection', outcome: 'failed', durationMs: null }]);
  });

  it('is nothing for events that touch no status', async () => {
    const lane = await laneAfter('PRODUCT_SYNC_STARTED');
    await lane.apply('OFFER_ADDED', { id: 1, merchant_id: 1, name: 'a' });
    expect(lane.report).toBeUndefined();
  });
});

describe('notices', () => {
  it('go to whoever is plugged in, with the unit of work of their event', async () => {
    const told: unknown[] = [];
    const lane = new MerchantLane([], {
      notify: (unit, { source, merchantId, at }, kind, data) => {
        told.push([source, merchantId, at, kind, data]);
        unit.append({ topic: 'syncline.delivery', payload: kind }, { sideLane: 'chat' });
      },
    });
    await lane.apply('PRODUCT_SYNC_FAILED', { ...sync, error: 'boom' });
    expect(told).toEqual([
      ['violet', '10042', T0 + SECOND, 'sync.failed', { track: 'product', consecutiveFailures: 1, error: 'boom' }],
    ]);
    expect(lane.appended).toEqual([{ topic: 'syncline.delivery', payload: 'sync.failed' }]);
  });

  it('tell of a product sync that completed, with how long it took and what it was about', async () => {
    const lane = await laneAfter('PRODUCT_SYNC_STARTED');
    await lane.apply('PRODUCT_SYNC_COMPLETED', { ...sync, total_products: 9, total_products_synced: 8 });
    expect(lane.report?.notices.at(-1)).toEqual({
      kind: 'product.synced',
      data: { track: 'product', total: 9, synced: 8, durationMs: SECOND },
    });
    await lane.apply('COLLECTION_SYNC_STARTED', sync);
    await lane.apply('COLLECTION_SYNC_COMPLETED', sync);
    expect(lane.report?.notices).toEqual([]);
  });

  it('can be given by a handler of the user, and go nowhere when nobody is plugged in', async () => {
    const lane = new MerchantLane([
      {
        source: 'violet',
        topics: ['ORDER_*'],
        handle: (event, view) => view.notice('order.seen', { id: event.eventId }),
      },
    ]);
    await lane.apply('ORDER_UPDATED', {}, { eventId: 'e-1' });
    expect(lane.report?.notices).toEqual([{ kind: 'order.seen', data: { id: 'e-1' } }]);
    expect(lane.appended).toEqual([]);
  });
});

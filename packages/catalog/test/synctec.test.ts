import * as fc from 'fast-check';
import { isoOf } from '../src/dates';
import { MerchantLane, SECOND, T0 } from './merchant-lane';

const source = 'synctec';
const at = (second: number): string => isoOf(T0 + second * SECOND);
const received = { source, receivedAt: T0 + 100 * SECOND };
const product = { id: 'p-1', title: 'Blue shoe', sku: 'SHOE-1' };

/** An event of the item at a second of the sender's clock. */
const item = (event: string, second: number, fields: object = { product }): object => ({
  event,
  timestamp: at(second),
  source_store: 'origin',
  destination_store: 'outlet',
  ...fields,
});

async function laneAfter(...events: [topic: string, second: number, fields?: object][]): Promise<MerchantLane> {
  const lane = new MerchantLane();
  for (const [topic, second, fields] of events) await lane.apply(topic, item(topic, second, fields), received);
  return lane;
}

describe("SyncTec's events", () => {
  it('count items and no runs', async () => {
    const lane = await laneAfter(['product.synced', 1], ['product.synced', 2], ['sync.failed', 3]);
    expect(lane.status()).toMatchObject({
      catalogReady: true,
      tracks: {
        product: { state: 'failed', runs: 0, completed: 2, failed: 1, startedAt: null, finishedAt: at(3), durationMs: null },
        collection: { state: 'never' },
      },
    });
  });

  it("are ordered by the sender's time, whatever the order in which they come", async () => {
    const lane = await laneAfter(['product.synced', 9], ['sync.failed', 5]);
    expect(lane.status()).toMatchObject({
      catalogStaleSince: null,
      tracks: { product: { state: 'synced', finishedAt: at(9), completed: 1, failed: 1, consecutiveFailures: 0 } },
    });
    await lane.apply('sync.failed', item('sync.failed', 9), received);
    expect(lane.status().tracks.product).toMatchObject({ state: 'failed', consecutiveFailures: 1 });
  });

  it('of failures alone are as many in a row in any order, and the first of them says since when', async () => {
    const failures = [4, 9, 2, 7].map((second): [string, number] => ['sync.failed', second]);
    const lane = await laneAfter(['product.synced', 1], ...failures);
    expect(lane.status()).toMatchObject({
      catalogStaleSince: at(2),
      tracks: { product: { state: 'failed', finishedAt: at(9), consecutiveFailures: 4, failingRepeatedlySince: at(9) } },
    });
    await lane.apply('sync.failed', item('sync.failed', 0), received);
    expect(lane.status().tracks.product).toMatchObject({ failed: 5, consecutiveFailures: 4 });
    await lane.apply('product.synced', item('product.synced', 10), received);
    expect(lane.status()).toMatchObject({ catalogStaleSince: null, tracks: { product: { consecutiveFailures: 0 } } });
  });

  it('end in the same state in any order of arrival', async () => {
    const events = fc.uniqueArray(
      fc.record({ topic: fc.constantFrom('product.synced', 'sync.failed'), second: fc.integer({ min: 1, max: 50 }) }),
      {
        selector: ({ second }) => second,
        minLength: 1,
        maxLength: 12,
      },
    );
    const arrivals = events.chain((some) =>
      fc.tuple(fc.constant(some.toSorted((a, b) => a.second - b.second)), fc.shuffledSubarray(some, { minLength: some.length })),
    );
    await fc.assert(
      fc.asyncProperty(arrivals, async ([inOrder, arriving]) => {
        const [expected, got] = await Promise.all(
          [inOrder, arriving].map(async (some) =>
            (await laneAfter(...some.map(({ topic, second }): [string, number] => [topic, second]))).status(),
          ),
        );
        const settled = (status: typeof got) => {
          const { state, runs, completed, failed, finishedAt, firstCompletedAt } = status?.tracks.product ?? {};
          return { ready: status?.catalogReady, state, runs, completed, failed, finishedAt, firstCompletedAt };
        };
        expect(settled(got)).toEqual(settled(expected));
        // Failures in a row are never fewer than there are, so that whoever is to be told of them is.
        const [counted = 0, inARow = 0] = [got, expected].map((status) => status?.tracks.product.consecutiveFailures);
        expect(counted).toBeGreaterThanOrEqual(inARow);
        expect(counted > 0).toBe(inARow > 0);
      }),
    );
  });

  it('of collections go to the collection track', async () => {
    const collection = { id: 'c-1', title: 'Shoes' };
    const lane = await laneAfter(['collection.synced', 1, { collection }], ['sync.failed', 2, { collection }]);
    expect(lane.status()).toMatchObject({
      catalogReady: false,
      tracks: { product: { state: 'never' }, collection: { state: 'failed', completed: 1, failed: 1, runs: 0 } },
    });
  });

  it('of stock say that data changed, and nothing of a sync', async () => {
    const lane = await laneAfter(['inventory.updated', 4]);
    expect(lane.status().tracks.product).toMatchObject({ state: 'never', completed: 0 });
    expect(lane.document('merchant', 'status')).toMatchObject({ tracks: { product: { changedAt: T0 + 4 * SECOND } } });
    expect(lane.report?.notices).toMatchObject([{ kind: 'inventory.updated', data: { product, destinationStore: 'outlet' } }]);
  });

  it('take their receipt for their time when they have none, or one far ahead', async () => {
    for (const timestamp of [undefined, 'soon', '2099-01-01T00:00:00Z']) {
      const lane = new MerchantLane();
      await lane.apply('product.synced', { event: 'product.synced', timestamp, product }, received);
      expect(lane.status().tracks.product.finishedAt).toBe(at(100));
    }
  });

  it('tell of each product and each failure in the words of the sender', async () => {
    const lane = await laneAfter(['product.synced', 1]);
    const said = { product, sourceStore: 'origin', destinationStore: 'outlet', timestamp: at(1) };
    expect(lane.report?.notices).toMatchObject([{ kind: 'catalog.ready' }, { kind: 'product.synced', data: said }]);
    await lane.apply('sync.failed', { ...item('sync.failed', 2), error: 'no such variant' }, received);
    expect(lane.report?.notices).toMatchObject([
      {
        kind: 'sync.failed',
        data: { ...said, timestamp: at(2), track: 'product', error: 'no such variant', consecutiveFailures: 1 },
      },
    ]);
  });

  it.each([{ product: 'Blue shoe' }, { product: null, status: 7 }, {}])(
    'are taken with whatever they hold: %j',
    async (fields) => {
      const lane = await laneAfter(['sync.failed', 1, fields]);
      expect(lane.status().tracks.product).toMatchObject({ state: 'failed', failed: 1 });
    },
  );
});

import { isoOf } from '../src/dates';
import { MerchantLane, SECOND, T0 } from './merchant-lane';

const sync = { merchant_id: 10042 };
const merchant = { id: 10042 };
const HOUR = 3_600 * SECOND;
const KEY = 'missing.product';

async function laneAfter(...topics: string[]): Promise<MerchantLane> {
  const lane = new MerchantLane([], { expectedMs: (source) => (source === 'violet' ? 30 * HOUR : undefined) });
  for (const topic of topics) await lane.apply(topic, topic.startsWith('MERCHANT') ? merchant : sync);
  return lane;
}

const kindsOf = (lane: MerchantLane): string[] => (lane.report?.notices ?? []).map(({ kind }) => kind);

describe('a sync that comes regularly', () => {
  it('is missing when the next one has not ended in time, which is told once, until one begins', async () => {
    const lane = await laneAfter('PRODUCT_SYNC_STARTED', 'PRODUCT_SYNC_COMPLETED');
    const dueAt = T0 + 2 * SECOND + 30 * HOUR;
    expect(lane.timers.get(KEY)?.dueAt).toBe(dueAt);
    await expect(lane.fire(KEY)).resolves.toBe('processed');
    expect(lane.report?.notices).toEqual([
      { kind: 'sync.missing', data: { track: 'product', lastEndedAt: isoOf(T0 + 2 * SECOND) } },
    ]);
    expect(lane.status().tracks.product).toMatchObject({ state: 'synced', missingSince: isoOf(dueAt) });
    await lane.apply('PRODUCT_SYNC_STARTED', sync, { receivedAt: dueAt + HOUR });
    expect(lane.status().tracks.product).not.toHaveProperty('missingSince');
  });

  it('is waited for anew after each end, also one that failed', async () => {
    const lane = await laneAfter('PRODUCT_SYNC_FAILED');
    await lane.apply('PRODUCT_SYNC_COMPLETED', sync, { receivedAt: T0 + 10 * HOUR });
    expect(lane.timers.get(KEY)?.dueAt).toBe(T0 + 40 * HOUR);
    await lane.fire(KEY);
    await lane.apply('PRODUCT_SYNC_COMPLETED', sync, { receivedAt: T0 + 41 * HOUR });
    expect(lane.status().tracks.product).not.toHaveProperty('missingSince');
    expect(lane.timers.get(KEY)?.dueAt).toBe(T0 + 71 * HOUR);
  });

  it('is not missing while it is under way, and a timer of an earlier end says nothing', async () => {
    const lane = await laneAfter('PRODUCT_SYNC_COMPLETED');
    const timer = lane.timers.get(KEY);
    await lane.apply('PRODUCT_SYNC_STARTED', sync);
    await expect(lane.fire(KEY)).resolves.toBe('superseded');
    await lane.apply('PRODUCT_SYNC_COMPLETED', sync);
    await expect(lane.apply('syncline.sync-missing', timer?.followUp.payload)).resolves.toBe('superseded');
    expect(lane.status().tracks.product).not.toHaveProperty('missingSince');
  });

  it('is expected of collections only where there ever was one', async () => {
    const lane = await laneAfter('PRODUCT_SYNC_COMPLETED');
    expect([...lane.timers.keys()]).toEqual([KEY]);
    await lane.apply('COLLECTION_SYNC_STARTED', sync);
    expect([...lane.timers.keys()]).toEqual([KEY, 'overdue.collection']);
    await lane.apply('COLLECTION_SYNC_COMPLETED', sync);
    expect([...lane.timers.keys()]).toEqual([KEY, 'missing.collection']);
  });

  it.each(['MERCHANT_DISCONNECTED', 'MERCHANT_DISABLED'])(
    'is not expected after %s, and is again once that is undone',
    async (topic) => {
      const lane = await laneAfter('PRODUCT_SYNC_COMPLETED', topic);
      expect([...lane.timers.keys()]).toEqual([]);
      await expect(lane.apply('syncline.sync-missing', { track: 'product', ends: 1 })).resolves.toBe('superseded');
      await lane.apply('MERCHANT_ENABLED', merchant);
      expect([...lane.timers.keys()]).toEqual([KEY]);
    },
  );

  it('is not expected of a source whose syncs come at no fixed time', async () => {
    const lane = new MerchantLane();
    await lane.apply('PRODUCT_SYNC_COMPLETED', sync);
    expect([...lane.timers.keys()]).toEqual([]);
  });
});

describe('a completion without a start', () => {
  it('is told of, and one with a start is not', async () => {
    const lane = await laneAfter('PRODUCT_SYNC_COMPLETED');
    expect(kindsOf(lane)).toContain('sync.orphaned');
    await lane.apply('PRODUCT_SYNC_STARTED', sync);
    await lane.apply('PRODUCT_SYNC_COMPLETED', sync);
    expect(kindsOf(lane)).not.toContain('sync.orphaned');
  });
});

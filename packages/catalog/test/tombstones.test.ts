import { defineHandler } from '../src/index';
import { MerchantLane, SECOND, T0, violetDate } from './merchant-lane';

const KEY = 'tombstones';
const KEPT = 1_000 * SECOND;
const settings = { tombstoneMs: (source: string) => (source === 'violet' ? KEPT : 0) };

async function remove(lane: MerchantLane, id: number, receivedAt: number): Promise<void> {
  await lane.apply('OFFER_DELETED', { id, merchant_id: 1, date_last_modified: violetDate(receivedAt) }, { receivedAt });
}

const numbersTo = (count: number): number[] => Array.from({ length: count }, (_, index) => index + 1);

describe('tombstones', () => {
  it('go when they have been kept as long as their source may repeat what came before, and nothing of them is left', async () => {
    const lane = new MerchantLane([], settings);
    await remove(lane, 7, T0);
    await lane.apply('COLLECTION_REMOVED', { id: 8 }, { receivedAt: T0 });
    expect([lane.ids('offers-removed'), lane.ids('collections-removed')]).toEqual([['7'], ['8']]);
    expect(lane.timers.get(KEY)?.dueAt).toBe(T0 + KEPT);
    await lane.fire(KEY);
    expect([lane.ids('offers-removed'), lane.ids('collections-removed'), lane.ids('tombstones')]).toEqual([[], [], []]);
    expect([...lane.timers]).toEqual([]);
  });

  it('share one timer, which waits for the oldest and then for the next', async () => {
    const lane = new MerchantLane([], settings);
    for (const id of numbersTo(200)) await remove(lane, id, T0 + id * SECOND);
    expect([...lane.timers].map(([key, { dueAt }]) => [key, dueAt])).toEqual([[KEY, T0 + SECOND + KEPT]]);
    const left: number[] = [];
    const times: number[] = [];
    while (lane.timers.size > 0) {
      times.push(lane.timers.get(KEY)?.dueAt ?? 0);
      await lane.fire(KEY);
      left.push(lane.ids('offers-removed').length);
    }
    expect(left.at(-1)).toBe(0);
    expect(left).toEqual(left.toSorted((a, b) => b - a));
    expect(times.at(-1)).toBe(T0 + 200 * SECOND + KEPT);
    expect(lane.ids('tombstones')).toEqual([]);
    expect(left.length).toBeLessThan(10);
  });

  it('of a merchant that loses everything at once go in several steps, none of them long', async () => {
    const lane = new MerchantLane([], settings);
    for (const id of numbersTo(4_000)) await remove(lane, id, T0);
    await lane.fire(KEY);
    expect(lane.ids('offers-removed')).toHaveLength(4_000 - 50 * 64);
    await lane.fire(KEY);
    expect(lane.ids('offers-removed')).toEqual([]);
  });

  it('of an entity that came back are gone before, and one that was removed again is kept for its own time', async () => {
    const lane = new MerchantLane([], settings);
    await remove(lane, 7, T0);
    await lane.apply(
      'OFFER_ADDED',
      { id: 7, merchant_id: 1, name: 'a', date_last_modified: violetDate(T0 + 5 * SECOND) },
      { receivedAt: T0 + 5 * SECOND },
    );
    expect(lane.ids('offers-removed')).toEqual([]);
    await remove(lane, 7, T0 + 10 * SECOND);
    await lane.fire(KEY, { receivedAt: T0 + KEPT });
    expect(lane.ids('offers-removed')).toEqual(['7']);
    await lane.fire(KEY);
    expect(lane.ids('offers-removed')).toEqual([]);
  });

  it('are set again by a removal after the last one has gone', async () => {
    const lane = new MerchantLane([], settings);
    await remove(lane, 7, T0);
    await lane.fire(KEY);
    await remove(lane, 8, T0 + 2 * KEPT);
    expect(lane.timers.get(KEY)?.dueAt).toBe(T0 + 3 * KEPT);
  });

  it('are all remembered when one handler removes several entities without waiting', async () => {
    const removing = defineHandler({
      source: 'violet',
      topics: ['ORDER_UPDATED'],
      handle(_event, { offers }) {
        for (const id of numbersTo(100)) offers.remove(id);
      },
    });
    const lane = new MerchantLane([removing], settings);
    await lane.apply('ORDER_UPDATED', {}, { receivedAt: T0 });
    expect(lane.ids('offers-removed')).toHaveLength(100);
    await lane.fire(KEY);
    expect([lane.ids('offers-removed'), lane.ids('tombstones')]).toEqual([[], []]);
  });
});

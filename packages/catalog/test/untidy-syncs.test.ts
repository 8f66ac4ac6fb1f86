import { isoOf } from '../src/dates';
import { type Given, MerchantLane, SECOND, T0, violetDate } from './merchant-lane';

const at = (second: number): string => isoOf(T0 + second * SECOND);
const sync = { merchant_id: 10042 };

/** A sync's body whose `date_last_synced` is a second of the sender's clock. */
const dated = (second: number): object => ({ ...sync, date_last_synced: violetDate(T0 + second * SECOND) });
/** A merchant's body, last modified at a second of the sender's clock. */
const modified = (second: number): object => ({ id: 10042, date_last_modified: violetDate(T0 + second * SECOND) });

async function laneAfter(...events: [topic: string, body: object, given?: Given][]): Promise<MerchantLane> {
  const lane = new MerchantLane();
  for (const [topic, body, given] of events) await lane.apply(topic, body, given);
  return lane;
}

describe('a start that comes late', () => {
  it.each(['COMPLETED', 'FAILED'])(
    'is superseded when its date is older than that of the end %s that came before it',
    async (end) => {
      const lane = await laneAfter([`PRODUCT_SYNC_${end}`, dated(10)]);
      const before = lane.status();
      await expect(lane.apply('PRODUCT_SYNC_STARTED', dated(9))).resolves.toBe('superseded');
      expect(lane.status()).toEqual(before);
      expect([...lane.timers]).toEqual([]);
    },
  );

  it.each([
    ['has the date of the sync before, as a start may', dated(10)],
    ['has a newer date', dated(11)],
    ['has no date', sync],
    ['has a date that cannot be read', { ...sync, date_last_synced: 'yesterday' }],
  ])('is no late one when it %s', async (_, body) => {
    const lane = await laneAfter(['PRODUCT_SYNC_COMPLETED', dated(10)]);
    await expect(lane.apply('PRODUCT_SYNC_STARTED', body)).resolves.toBe('processed');
    expect(lane.status().tracks.product).toMatchObject({ state: 'syncing', runs: 2 });
  });

  it('is told from its own track only', async () => {
    const lane = await laneAfter(['PRODUCT_SYNC_COMPLETED', dated(10)], ['COLLECTION_SYNC_STARTED', dated(9)]);
    expect(lane.status().tracks.collection.state).toBe('syncing');
  });

  it('is told also behind an end without a date', async () => {
    const lane = await laneAfter(
      ['PRODUCT_SYNC_COMPLETED', dated(10)],
      ['PRODUCT_SYNC_FAILED', sync],
      ['PRODUCT_SYNC_STARTED', dated(9)],
    );
    expect(lane.status().tracks.product.state).toBe('failed');
    await lane.apply('PRODUCT_SYNC_STARTED', sync);
    expect(lane.status().tracks.product.state).toBe('syncing');
  });
});

describe('an untidy sequence', () => {
  it('of a completion without a start is a run of unknown length', async () => {
    const lane = await laneAfter(['PRODUCT_SYNC_COMPLETED', sync]);
    expect(lane.status()).toMatchObject({
      catalogReady: true,
      tracks: { product: { state: 'synced', runs: 1, completed: 1, startedAt: null, finishedAt: at(1), durationMs: null } },
    });
  });

  it('of two starts is two runs, of which the second is timed', async () => {
    const lane = await laneAfter(
      ['PRODUCT_SYNC_STARTED', sync],
      ['PRODUCT_SYNC_STARTED', sync],
      ['PRODUCT_SYNC_COMPLETED', sync],
    );
    expect(lane.status().tracks.product).toMatchObject({ state: 'synced', runs: 2, completed: 1, durationMs: SECOND });
  });

  it('of a failure after a completion is a failed run of its own, and the catalogue stays, stale', async () => {
    const lane = await laneAfter(['PRODUCT_SYNC_STARTED', sync], ['PRODUCT_SYNC_COMPLETED', sync], ['PRODUCT_SYNC_FAILED', sync]);
    expect(lane.status()).toMatchObject({
      catalogReady: true,
      catalogStaleSince: at(3),
      tracks: { product: { state: 'failed', runs: 2, completed: 1, failed: 1 } },
    });
  });

  it('of any events after a disconnect is recorded, and does not make the catalogue ready', async () => {
    const lane = await laneAfter(
      ['MERCHANT_DISCONNECTED', { id: 10042 }],
      ['PRODUCT_SYNC_STARTED', sync],
      ['OFFER_ADDED', { id: 1, merchant_id: 10042, name: 'a' }],
      ['PRODUCT_SYNC_COMPLETED', sync],
    );
    expect(lane.ids('offers')).toEqual(['1']);
    expect(lane.status()).toMatchObject({
      connection: 'disconnected',
      catalogReady: false,
      tracks: { product: { state: 'synced', completed: 1 } },
    });
  });
});

describe('by the dates of the sender', () => {
  it('a merchant event that is older than the one before it came late, and changes nothing', async () => {
    const lane = await laneAfter(['MERCHANT_CONNECTED', modified(1)], ['MERCHANT_DISCONNECTED', modified(5)]);
    await expect(lane.apply('MERCHANT_ENABLED', modified(3))).resolves.toBe('superseded');
    expect(lane.status().connection).toBe('disconnected');
    await expect(lane.apply('MERCHANT_CONNECTED', modified(5))).resolves.toBe('processed');
    expect(lane.status().connection).toBe('connected');
  });

  it('a disconnect that comes after the next connect takes the catalogue back, and leaves the merchant connected', async () => {
    const lane = await laneAfter(
      ['PRODUCT_SYNC_COMPLETED', dated(1)],
      ['MERCHANT_CONNECTED', modified(3)],
      ['MERCHANT_DISCONNECTED', modified(2)],
    );
    expect(lane.status()).toMatchObject({ connection: 'connected', catalogReady: false });
    await lane.apply('PRODUCT_SYNC_COMPLETED', dated(4));
    expect(lane.status().catalogReady).toBe(true);
    await expect(lane.apply('MERCHANT_DISCONNECTED', modified(1))).resolves.toBe('superseded');
    expect(lane.status().catalogReady).toBe(true);
  });

  it('a late disconnect takes nothing back that a newer connect and a newer completion have established', async () => {
    const lane = await laneAfter(
      ['MERCHANT_CONNECTED', modified(3)],
      ['PRODUCT_SYNC_COMPLETED', dated(4)],
      ['MERCHANT_DISCONNECTED', modified(2)],
    );
    expect(lane.status()).toMatchObject({ connection: 'connected', catalogReady: true });
  });

  it('a late disconnect of a merchant disabled since still calls for a connect', async () => {
    const lane = await laneAfter(
      ['MERCHANT_DISABLED', modified(3)],
      ['MERCHANT_DISCONNECTED', modified(2)],
      ['PRODUCT_SYNC_COMPLETED', dated(4)],
    );
    expect(lane.status()).toMatchObject({ connection: 'disabled', catalogReady: false });
  });

  it('a completion that is older than the last disconnect does not make the catalogue ready, though it counts', async () => {
    const lane = await laneAfter(
      ['MERCHANT_DISCONNECTED', modified(5)],
      ['MERCHANT_CONNECTED', modified(6)],
      ['PRODUCT_SYNC_COMPLETED', dated(4)],
    );
    expect(lane.status()).toMatchObject({ catalogReady: false, tracks: { product: { state: 'synced', completed: 1 } } });
    await lane.apply('PRODUCT_SYNC_COMPLETED', dated(7));
    expect(lane.status()).toMatchObject({ catalogReady: true, catalogReadyAt: at(4) });
  });

  it.each([
    [{ id: 10042 }, dated(4)],
    [modified(5), sync],
  ])('nothing is held against a completion when one of the two has none: %j, %j', async (disconnect, completion) => {
    const lane = await laneAfter(
      ['MERCHANT_DISCONNECTED', disconnect],
      ['MERCHANT_CONNECTED', { id: 10042 }],
      ['PRODUCT_SYNC_COMPLETED', completion],
    );
    expect(lane.status().catalogReady).toBe(true);
  });
});

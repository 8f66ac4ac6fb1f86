import { isoOf } from '../src/dates';
import { MerchantLane, rejectionOf, SECOND, T0 } from './merchant-lane';

const at = (second: number): string => isoOf(T0 + second * SECOND);

describe('sync events of Violet', () => {
  it('give the whole status of a first product sync', async () => {
    const lane = new MerchantLane();
    await lane.apply('PRODUCT_SYNC_STARTED', {
      id: 1,
      merchant_id: 10042,
      status: 'IN_PROGRESS',
      total_products: 12,
      total_products_synced: 0,
    });
    expect(lane.status()).toMatchObject({
      catalogReady: false,
      tracks: { product: { state: 'syncing', startedAt: at(1), total: 12, synced: 0 } },
    });
    await lane.apply('PRODUCT_SYNC_COMPLETED', {
      id: 1,
      merchant_id: 10042,
      status: 'COMPLETED',
      total_products: 12,
      total_products_synced: 11,
    });
    const never = {
      state: 'never',
      startedAt: null,
      finishedAt: null,
      durationMs: null,
      runs: 0,
      completed: 0,
      failed: 0,
      consecutiveFailures: 0,
      firstCompletedAt: null,
      total: null,
      synced: null,
      lastError: null,
    };
    expect(lane.status()).toEqual({
      connection: 'unknown',
      catalogReady: true,
      catalogReadyAt: at(2),
      catalogStaleSince: null,
      tracks: {
        product: {
          ...never,
          state: 'synced',
          startedAt: at(1),
          finishedAt: at(2),
          durationMs: SECOND,
          runs: 1,
          completed: 1,
          firstCompletedAt: at(2),
          total: 12,
          synced: 11,
        },
        collection: never,
      },
    });
  });

  it('keep the product and the collection track apart', async () => {
    const lane = new MerchantLane();
    await lane.apply('COLLECTION_SYNC_STARTED', { merchant_id: 10042 });
    await lane.apply('PRODUCT_SYNC_FAILED', { merchant_id: 10042 });
    expect(lane.status().tracks).toMatchObject({
      product: { state: 'failed', runs: 1 },
      collection: { state: 'syncing', runs: 1 },
    });
    await lane.apply('COLLECTION_SYNC_COMPLETED', { merchant_id: 10042, total_collections: 3, total_collections_synced: 2 });
    expect(lane.status()).toMatchObject({
      catalogReady: false,
      tracks: { collection: { state: 'synced', total: 3, synced: 2 } },
    });
  });

  it('are timed by their receipt, never by dates in the body', async () => {
    const lane = new MerchantLane();
    await lane.apply('PRODUCT_SYNC_COMPLETED', { merchant_id: 1, date_last_synced: '2019-01-01T00:00:00+0000' });
    expect(lane.status().tracks.product.finishedAt).toBe(at(1));
  });

  it('leave a ready catalogue ready when a later sync starts or fails, and make it stale until one completes', async () => {
    const lane = new MerchantLane();
    const body = { merchant_id: 10042 };
    await lane.apply('PRODUCT_SYNC_COMPLETED', body);
    await lane.apply('PRODUCT_SYNC_STARTED', body);
    expect(lane.status()).toMatchObject({ catalogReady: true, catalogReadyAt: at(1), catalogStaleSince: null });
    await lane.apply('PRODUCT_SYNC_FAILED', body);
    await lane.apply('PRODUCT_SYNC_FAILED', body);
    expect(lane.status()).toMatchObject({
      catalogReady: true,
      catalogReadyAt: at(1),
      catalogStaleSince: at(3),
      tracks: { product: { consecutiveFailures: 2 } },
    });
    await lane.apply('PRODUCT_SYNC_COMPLETED', body);
    expect(lane.status()).toMatchObject({
      catalogReady: true,
      catalogReadyAt: at(1),
      catalogStaleSince: null,
      tracks: { product: { consecutiveFailures: 0, lastError: null } },
    });
  });

  it('keep the catalogue stale while the other track still fails', async () => {
    const lane = new MerchantLane();
    await lane.apply('PRODUCT_SYNC_FAILED', { merchant_id: 1 });
    await lane.apply('COLLECTION_SYNC_FAILED', { merchant_id: 1 });
    await lane.apply('PRODUCT_SYNC_COMPLETED', { merchant_id: 1 });
    expect(lane.status().catalogStaleSince).toBe(at(2));
    await lane.apply('COLLECTION_SYNC_COMPLETED', { merchant_id: 1 });
    expect(lane.status().catalogStaleSince).toBeNull();
  });

  it.each([
    [{ error_message: 'rate limited' }, 'rate limited'],
    [{ errorMessage: ' rate limited ' }, 'rate limited'],
    [{ error: 'boom' }, 'boom'],
    [{ error: { code: 42, message: 'boom' } }, 'boom'],
    [{ error: { kind: 'odd' } }, '{"kind":"odd"}'],
    [{ errors: ['one', { message: 'two' }, null, ''] }, 'one; two'],
    [{ failure_reason: 'scopes' }, 'scopes'],
    [{ reason: 'scopes' }, 'scopes'],
    [{ message: 'see reason', error_code: 9_000 }, '9000'],
    [{ error: null, errors: [], message: '', status: 'ABORTED' }, 'ABORTED'],
    [{ error: {}, errors: [[], {}] }, null],
    [{ error: true, message: false }, null],
    [{}, null],
  ])('say why a sync failed wherever the body says it: %j', async (fields, expected) => {
    const lane = new MerchantLane();
    await lane.apply('PRODUCT_SYNC_FAILED', { merchant_id: 10042, ...fields });
    expect(lane.status().tracks.product).toMatchObject({ state: 'failed', lastError: expected });
  });

  it('keep at most 1,000 characters of an error', async () => {
    const lane = new MerchantLane();
    await lane.apply('COLLECTION_SYNC_FAILED', { merchant_id: 1, error: 'x'.repeat(5_000) });
    expect(lane.status().tracks.collection.lastError).toHaveLength(1_000);
  });

  it.each([null, '12', 1.5, -1, 1e300, {}, true])('take a count of %j as unknown', async (count) => {
    const lane = new MerchantLane();
    await lane.apply('PRODUCT_SYNC_COMPLETED', { merchant_id: 1, total_products: count, total_products_synced: count });
    expect(lane.status().tracks.product).toMatchObject({ state: 'synced', total: null, synced: null });
  });

  it.each([{}, { merchant_id: null }, { merchant_id: '' }, { merchant_id: 1.5 }, { merchant_id: [1] }, [], null, 'text', 7])(
    'are refused for good without a merchant: %j',
    async (body) => {
      const lane = new MerchantLane();
      for (const topic of ['PRODUCT_SYNC_STARTED', 'COLLECTION_SYNC_FAILED']) {
        const rejection = await rejectionOf(lane.apply(topic, JSON.stringify(body)));
        expect(rejection).toMatchObject({ code: 'PERMANENT', reason: 'invalid' });
      }
      expect(lane.ids('merchant')).toEqual([]);
    },
  );
});

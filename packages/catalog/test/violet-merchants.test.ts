import { isoOf } from '../src/dates';
import { documentCollections, STATUS_DOCUMENT_ID } from '../src/index';
import { MerchantLane, rejectionOf, SECOND, T0, violetDate } from './merchant-lane';

const at = (second: number): string => isoOf(T0 + second * SECOND);
const merchant = { id: 10042, merchant_name: 'Foot Locker', platform: 'SHOPIFY' };
const sync = { merchant_id: 10042 };

async function laneAfter(...topics: string[]): Promise<MerchantLane> {
  const lane = new MerchantLane();
  for (const topic of topics) await lane.apply(topic, topic.startsWith('MERCHANT') ? merchant : sync);
  return lane;
}

function stored(lane: MerchantLane): unknown {
  return lane.document(documentCollections.merchant, STATUS_DOCUMENT_ID);
}

describe('merchant events of Violet', () => {
  it.each([
    ['MERCHANT_CONNECTED', 'connected'],
    ['MERCHANT_ENABLED', 'connected'],
    ['MERCHANT_COMPLETE', 'connected'],
    ['MERCHANT_DISABLED', 'disabled'],
    ['MERCHANT_DISCONNECTED', 'disconnected'],
    ['MERCHANT_NEEDS_ATTENTION', 'unknown'],
  ])('%s makes a merchant never seen before %s', async (topic, connection) => {
    expect((await laneAfter(topic)).status().connection).toBe(connection);
  });

  it.each([
    [['MERCHANT_CONNECTED', 'MERCHANT_DISABLED'], 'disabled'],
    [['MERCHANT_DISABLED', 'MERCHANT_ENABLED'], 'connected'],
    [['MERCHANT_DISCONNECTED', 'MERCHANT_CONNECTED'], 'connected'],
    [['MERCHANT_DISCONNECTED', 'MERCHANT_COMPLETE'], 'disconnected'],
    [['MERCHANT_DISABLED', 'MERCHANT_COMPLETE'], 'disabled'],
    [['MERCHANT_CONNECTED', 'MERCHANT_NEEDS_ATTENTION'], 'connected'],
    [['MERCHANT_DISABLED', 'MERCHANT_NEEDS_ATTENTION'], 'disabled'],
    [['MERCHANT_CONNECTED', 'PRODUCT_SYNC_FAILED'], 'connected'],
  ])('after %j the merchant is %s', async (topics, connection) => {
    expect((await laneAfter(...topics)).status().connection).toBe(connection);
  });

  it('a disconnected merchant is not ready, also after a completion that comes before the next connect', async () => {
    const lane = await laneAfter('MERCHANT_CONNECTED', 'PRODUCT_SYNC_COMPLETED', 'MERCHANT_DISCONNECTED');
    expect(lane.status()).toMatchObject({ catalogReady: false, catalogReadyAt: null });
    await lane.apply('PRODUCT_SYNC_COMPLETED', sync);
    expect(lane.status()).toMatchObject({ connection: 'disconnected', catalogReady: false });
    await lane.apply('MERCHANT_CONNECTED', merchant);
    expect(lane.status()).toMatchObject({ connection: 'connected', catalogReady: false });
    await lane.apply('PRODUCT_SYNC_COMPLETED', sync);
    expect(lane.status()).toMatchObject({
      catalogReady: true,
      catalogReadyAt: at(6),
      tracks: { product: { firstCompletedAt: at(2), completed: 3 } },
    });
  });

  it('disabling a disconnected merchant is no connect', async () => {
    const lane = await laneAfter('MERCHANT_DISCONNECTED', 'MERCHANT_DISABLED', 'MERCHANT_COMPLETE', 'PRODUCT_SYNC_COMPLETED');
    expect(lane.status()).toMatchObject({ connection: 'disabled', catalogReady: false });
  });

  it('enabling a merchant after a disconnect counts as its connect', async () => {
    const lane = await laneAfter('MERCHANT_DISCONNECTED', 'MERCHANT_ENABLED', 'PRODUCT_SYNC_COMPLETED');
    expect(lane.status()).toMatchObject({ connection: 'connected', catalogReady: true });
  });

  it('disabling leaves a ready catalogue ready', async () => {
    const lane = await laneAfter('MERCHANT_CONNECTED', 'PRODUCT_SYNC_COMPLETED', 'MERCHANT_DISABLED');
    expect(lane.status()).toMatchObject({ connection: 'disabled', catalogReady: true, catalogReadyAt: at(2) });
  });

  it('a sync can complete before the merchant is known to be connected', async () => {
    expect((await laneAfter('PRODUCT_SYNC_COMPLETED')).status()).toMatchObject({ connection: 'unknown', catalogReady: true });
  });

  it("keep Violet's reason for enabling and disabling", async () => {
    const lane = new MerchantLane();
    await lane.apply('MERCHANT_DISABLED', merchant, { headers: { 'x-violet-reason': ' CURRENCY_CHANGED ' } });
    expect(stored(lane)).toMatchObject({ connection: 'disabled', connectionReason: 'CURRENCY_CHANGED' });
    await lane.apply('MERCHANT_ENABLED', merchant, { headers: { 'x-violet-reason': '' } });
    expect(stored(lane)).toMatchObject({ connection: 'connected', connectionReason: null });
  });

  it('keep since when and why attention is needed, until the merchant is connected or complete', async () => {
    const lane = await laneAfter('MERCHANT_NEEDS_ATTENTION');
    await lane.apply('MERCHANT_NEEDS_ATTENTION', { ...merchant, reason: 'scopes' });
    expect(stored(lane)).toMatchObject({ attention: { since: T0 + SECOND, reason: 'scopes' } });
    await lane.apply('MERCHANT_COMPLETE', merchant);
    expect(stored(lane)).toMatchObject({ attention: null });
  });

  const readyAfter = (lane: MerchantLane): unknown =>
    lane.report?.notices.find(({ kind }) => kind === 'catalog.ready')?.data.readyAfterMs;

  it('begin the time to a ready catalogue with the connect, of several the first, and anew after a disconnect', async () => {
    const lane = await laneAfter(
      'PRODUCT_SYNC_STARTED',
      'MERCHANT_CONNECTED',
      'MERCHANT_ENABLED',
      'PRODUCT_SYNC_FAILED',
      'PRODUCT_SYNC_COMPLETED',
    );
    expect(readyAfter(lane)).toBe(3 * SECOND);
    await lane.apply('MERCHANT_DISCONNECTED', merchant);
    await lane.apply('MERCHANT_CONNECTED', merchant);
    await lane.apply('PRODUCT_SYNC_COMPLETED', sync);
    expect(readyAfter(lane)).toBe(SECOND);
  });

  it('leave the time to a ready catalogue unknown where no connect was seen, or only one that a late disconnect undid', async () => {
    expect(readyAfter(await laneAfter('PRODUCT_SYNC_STARTED', 'PRODUCT_SYNC_COMPLETED'))).toBeNull();
    const lane = new MerchantLane();
    const dated = (second: number) => ({ ...merchant, date_last_modified: violetDate(T0 + second * SECOND) });
    await lane.apply('MERCHANT_CONNECTED', dated(1));
    await lane.apply('MERCHANT_DISABLED', dated(5));
    await lane.apply('MERCHANT_DISCONNECTED', dated(3));
    expect(stored(lane)).toMatchObject({ awaitedSince: null, mustReconnect: true });
  });

  it('of ingresses that disagree on the time never make that time less than nothing', async () => {
    const lane = new MerchantLane();
    await lane.apply('MERCHANT_CONNECTED', merchant, { receivedAt: T0 + SECOND });
    await lane.apply('PRODUCT_SYNC_COMPLETED', sync, { receivedAt: T0 });
    expect(readyAfter(lane)).toBe(0);
  });

  it('tell the platform, which stays known when a later one does not say it', async () => {
    const lane = await laneAfter('MERCHANT_CONNECTED');
    for (const platform of [null, 7, '', ' ']) await lane.apply('MERCHANT_COMPLETE', { id: 10042, platform });
    expect(stored(lane)).toMatchObject({ platform: 'SHOPIFY' });
    await lane.apply('MERCHANT_ENABLED', { id: 10042, platform: 'X'.repeat(500) });
    expect(stored(lane)).toMatchObject({ platform: 'X'.repeat(64) });
  });

  it('accept any merchant that has an id', async () => {
    const lane = new MerchantLane();
    await expect(lane.apply('MERCHANT_CONNECTED', { id: '10042', merchant_name: null, status: 'NOT_LISTED' })).resolves.toBe(
      'processed',
    );
  });

  it.each([{}, { id: null }, { id: '' }, { merchant_id: 10042 }, { id: {} }, []])(
    'are refused for good without an id: %j',
    async (body) => {
      const rejection = await rejectionOf(new MerchantLane().apply('MERCHANT_CONNECTED', body));
      expect(rejection).toMatchObject({ code: 'PERMANENT', reason: 'invalid' });
    },
  );
});

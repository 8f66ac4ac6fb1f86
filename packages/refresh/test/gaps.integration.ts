import { startTestRedis, startVioletApi, type TestRedis, type VioletApiServer, violetOfferOf, waitFor } from '@syncline/testkit';
import { GAPS_LANE, gapsEvent, violetDate } from '../src/index';
import { Refreshed } from './worker';

const MERCHANT = 10_042;
const MINUTE_MS = 60_000;

let redis: TestRedis;
let server: VioletApiServer;
let refreshed: Refreshed;
let events: number;

beforeAll(async () => {
  redis = await startTestRedis();
});
afterAll(() => redis.stop());
beforeEach(async () => {
  server = await startVioletApi();
  refreshed = new Refreshed(redis, server);
  events = 0;
});
afterEach(async () => {
  await refreshed.close();
  await server.stop();
});

/** An event that the sender knows of, created so many minutes ago. */
function created(topic: string, minutesAgo: number, fields: object = {}): number {
  events += 1;
  const id = 5_000 + events;
  server.holdings.events.set(id, {
    id,
    webhook_id: 9,
    entity_id: 700 + events,
    event_type: topic,
    status: 'FAILED',
    date_created: violetDate(Date.now() - minutesAgo * MINUTE_MS),
    body: topic.startsWith('MERCHANT') ? { id: MERCHANT, ...fields } : { merchant_id: MERCHANT, ...fields },
  });
  return id;
}

const delivered = (id: number, topic: string, body: object) => refreshed.send(topic, body, {}, String(id));
const applied = async (): Promise<string[]> => (await refreshed.topics()).filter((topic) => !topic.startsWith('syncline.'));

describe('events that never arrived', () => {
  it('are brought in, in the order in which they happened, and bring the refresh that was missed', async () => {
    server.holdings.offers.set(1, violetOfferOf(1, MERCHANT));
    created('PRODUCT_SYNC_COMPLETED', 20);
    created('PRODUCT_SYNC_STARTED', 30);
    created('MERCHANT_CONNECTED', 40);
    await refreshed.startWorker();
    await refreshed.lookForGaps();
    await refreshed.settled();
    expect(await applied()).toEqual(['MERCHANT_CONNECTED', 'PRODUCT_SYNC_STARTED', 'PRODUCT_SYNC_COMPLETED']);
    expect(await refreshed.status()).toMatchObject({ connection: 'connected', catalogReady: true });
    expect(await refreshed.held('offers')).toEqual(refreshed.served('offers'));
    expect(refreshed.notices.map(({ kind }) => kind)).not.toContain('sync.orphaned');
  });

  it('are told from those that did: no body is fetched of an event that is known, and one that arrives after all is a duplicate', async () => {
    const known = created('PRODUCT_SYNC_STARTED', 40);
    const missed = created('PRODUCT_SYNC_COMPLETED', 30);
    await refreshed.startWorker();
    await delivered(known, 'PRODUCT_SYNC_STARTED', { merchant_id: MERCHANT });
    await waitFor(async () => (await applied()).length === 1);
    await refreshed.lookForGaps();
    await waitFor(async () => (await applied()).length === 2);
    await expect(delivered(missed, 'PRODUCT_SYNC_COMPLETED', { merchant_id: MERCHANT })).rejects.toThrow('got duplicate');
    expect(server.seen.filter(({ url }) => url.endsWith('/body'))).toHaveLength(1);
    await refreshed.lookForGaps();
    expect(server.seen.filter(({ url }) => url.endsWith('/body'))).toHaveLength(1);
    expect((await refreshed.status()).tracks.product).toMatchObject({ state: 'synced', runs: 1 });
  });

  it('are left out when a later sync has followed, when they may still be on their way, and when nobody can read them', async () => {
    created('PRODUCT_SYNC_FAILED', 60);
    created('PRODUCT_SYNC_STARTED', 5);
    created('COLLECTION_SYNC_COMPLETED', 60, { merchant_id: undefined });
    const gone = created('COLLECTION_SYNC_FAILED', 60);
    server.fail(new RegExp(`events/${gone}/body`), { kind: 'status', status: 404 });
    created('OFFER_UPDATED', 60, { id: 1, name: 'that the refresh brings' });
    await refreshed.startWorker();
    await refreshed.complete();
    await refreshed.settled();
    await refreshed.lookForGaps();
    expect(await applied()).toEqual(['PRODUCT_SYNC_COMPLETED']);
    expect((await refreshed.status()).tracks).toMatchObject({ product: { state: 'synced' }, collection: { state: 'never' } });
    expect(await refreshed.inspector.countDocuments(GAPS_LANE, 'gaps-found')).toBe(0);
  });

  it('are found on every page, and although a look was cut off by failures', async () => {
    for (let index = 0; index < 8; index += 1) created('PRODUCT_SYNC_STARTED', 50 - index, { merchant_id: index + 1 });
    // A list that does not say which page is its last has one more, that is empty.
    server.pageShape = { last: false };
    server.fail(/search/, { kind: 'status', status: 500 }, 3);
    await refreshed.startWorker({ maxAttempts: 1 });
    await refreshed.lookForGaps(Date.now() - 10);
    expect(server.seen.filter(({ url }) => url.includes('/body'))).toEqual([]);
    await refreshed.lookForGaps();
    expect(server.seen.filter(({ url }) => url.endsWith('/body'))).toHaveLength(8);
    expect((await refreshed.inspector.overview()).deadLetters).toBe(0);
  });
});

describe('a webhook that is switched off', () => {
  const webhook = (id: number, status: string, pausedMs?: number) =>
    server.holdings.webhooks.set(id, {
      id,
      event: 'OFFER_UPDATED',
      remote_endpoint: 'https://example.com/webhooks/violet',
      status,
      ...(pausedMs !== undefined && { temp_disable_ms: pausedMs }),
    });
  const told = () => refreshed.notices.filter(({ kind }) => kind === 'webhook.disabled').map(({ data }) => data);

  it('is told of once, until it is on again; one that is inactive on purpose is not', async () => {
    webhook(1, 'ACTIVE', 0);
    webhook(2, 'DISABLED');
    webhook(3, 'ACTIVE', 3_600_000);
    webhook(4, 'INACTIVE');
    await refreshed.startWorker();
    await refreshed.lookForGaps(1);
    await refreshed.lookForGaps(2);
    expect(told()).toEqual([
      { webhookId: 2, topic: 'OFFER_UPDATED', status: 'DISABLED' },
      { webhookId: 3, topic: 'OFFER_UPDATED', status: 'PAUSED' },
    ]);
    webhook(2, 'ACTIVE');
    await refreshed.lookForGaps(3);
    webhook(2, 'DISABLED');
    await refreshed.lookForGaps(4);
    expect(told()).toHaveLength(3);
  });
});

test('of all who look for gaps in the same stretch of time, one does', async () => {
  const accept = (now: number) => refreshed.acceptor.accept({ event: gapsEvent(now, 1_000), aliases: [] });
  expect([await accept(5_000), await accept(5_999), await accept(6_000)]).toEqual([
    { status: 'accepted' },
    { status: 'duplicate' },
    { status: 'accepted' },
  ]);
});

test('a worker without credentials takes the look for gaps of one that had them, and does nothing', async () => {
  created('PRODUCT_SYNC_STARTED', 60);
  await refreshed.startWorker({ hasApi: false });
  await refreshed.lookForGaps();
  expect(server.seen).toEqual([]);
});

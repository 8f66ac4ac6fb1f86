import { merchantStatusOf, statusRef } from '@syncline/catalog';
import { laneOf } from '@syncline/events';
import { type Acceptor, createAcceptor, createInspector, type Inspector } from '@syncline/lanes';
import {
  type SpawnedApp,
  spawnApp,
  startTestRedis,
  startVioletApi,
  type TestRedis,
  type VioletApiServer,
  violetCollectionOf,
  violetOfferOf,
  waitFor,
} from '@syncline/testkit';

const HOUR_MS = 3_600_000;
const MERCHANT = 10_042;
const OFFERS = 350;
const lane = laneOf('violet', String(MERCHANT));

let redis: TestRedis;
let server: VioletApiServer;
let acceptor: Acceptor;
let inspector: Inspector;
let env: Record<string, string>;
const workers: SpawnedApp[] = [];

beforeAll(async () => {
  [redis, server] = await Promise.all([startTestRedis({ appendfsync: 'always' }), startVioletApi()]);
  const silent = { debug() {}, info() {}, warn() {}, error() {} };
  const store = { redisUrl: redis.url, prefix: 'syncline', shards: 1, dedupWindowMs: () => HOUR_MS, log: silent };
  acceptor = createAcceptor({
    ...store,
    acceptTimeoutMs: 8_000,
    tryTimeoutMs: 4_000,
    waitReplicas: 0,
    onMismatch: (error) => {
      throw error;
    },
  });
  acceptor.start();
  inspector = createInspector(store);
  const { appId, appSecret, username, password } = server.credentials;
  env = {
    REDIS_URL: redis.url,
    VIOLET_API_URL: server.url,
    VIOLET_API_APP_ID: appId,
    VIOLET_API_APP_SECRET: appSecret,
    VIOLET_API_USERNAME: username,
    VIOLET_API_PASSWORD: password,
    VIOLET_API_PER_SECOND: '200',
    VIOLET_API_GAPS_EVERY_MS: '1000',
    RETRY_BASE_MS: '20',
  };
});
afterAll(async () => {
  await Promise.all(workers.map((worker) => worker.stop()));
  await acceptor.stop(1_000);
  await inspector.stop();
  await redis.stop();
  await server.stop();
});

let sent = 0;

async function send(topic: string, body: object): Promise<void> {
  sent += 1;
  const event = { source: 'violet', eventId: `sent-${sent}`, topic, lane, receivedAt: Date.now(), headers: {} };
  await acceptor.accept({ event: { ...event, body: JSON.stringify(body), bodyEncoding: 'utf8' }, aliases: [] });
}

async function held(kind: string): Promise<Map<string, unknown>> {
  const { items } = await inspector.documents(lane, kind, { limit: 1_000 });
  return new Map(items.map(({ id, value }) => [id, value]));
}

async function startWorker(): Promise<SpawnedApp> {
  const worker = await spawnApp('worker', env);
  workers.push(worker);
  return worker;
}

const served = (kind: 'offers' | 'collections') =>
  new Map([...server.holdings[kind].values()].map((entity) => [String(entity.id), entity]));

test('onboarding ends with the catalogue that the API has, also when the worker is killed while it reads a page', async () => {
  for (let id = 1; id <= OFFERS; id += 1) server.holdings.offers.set(id, violetOfferOf(id, MERCHANT));
  for (const id of [1, 2]) server.holdings.collections.set(id, violetCollectionOf(id, MERCHANT));
  server.holdings.members.set(1, [1, 2, 3]);
  let release: () => void = () => undefined;
  const until = new Promise<void>((resolve) => {
    release = resolve;
  });
  server.afterAnswer = ({ url }) => {
    if (!url.includes('?page=1&size=100')) return;
    server.afterAnswer = undefined;
    server.fail(/offers\/merchants\/\d+$/, { kind: 'hold', until });
  };
  const first = await startWorker();
  await send('MERCHANT_CONNECTED', { id: MERCHANT });
  await send('PRODUCT_SYNC_STARTED', { merchant_id: MERCHANT });
  await send('OFFER_ADDED', {
    ...violetOfferOf(1, MERCHANT),
    name: 'as the event had it',
    date_last_modified: '2024-01-01T00:00:00+0000',
  });
  await send('OFFER_ADDED', violetOfferOf(9_999, MERCHANT));
  await send('PRODUCT_SYNC_COMPLETED', { merchant_id: MERCHANT });
  await waitFor(() => server.held === 1);
  await first.kill();
  release();
  const second = await startWorker();

  const ended = async () => {
    const state = (await inspector.document(lane, 'refresh', 'state')) as { running: unknown; endedAt: unknown } | undefined;
    return state?.running === null && state.endedAt !== null;
  };
  await waitFor(ended);
  expect(await held('offers')).toEqual(served('offers'));
  expect(await held('collections')).toEqual(served('collections'));
  expect((await held('collection-offers')).get('1')).toMatchObject({ offerIds: [1, 2, 3], unknownSince: null });
  expect(merchantStatusOf(await inspector.document(lane, statusRef.collection, statusRef.id))).toMatchObject({
    catalogReady: true,
    catalogStaleSince: null,
  });
  expect((await inspector.overview()).deadLetters).toBe(0);

  const metrics = async () => (await fetch(`${second.url}/metrics`)).text();
  await waitFor(async () => (await metrics()).includes('syncline_refreshes_total{source="violet",outcome="completed"} 1'));
  const text = await metrics();
  expect(text).toMatch(/^syncline_refresh_seconds_count\{source="violet",mode="full"\} 1$/m);
  expect(text).toMatch(/^syncline_refresh_pages_total\{source="violet"\} \d+$/m);
  expect(text).toMatch(/^syncline_invariant_violations_total\{kind="duplicate"\} 0$/m);
  for (const worker of workers) {
    for (const secret of [env.VIOLET_API_PASSWORD, env.VIOLET_API_APP_SECRET, 'token-1'])
      expect(worker.output()).not.toContain(secret);
  }
});

test('a sync of which nothing ever arrived is found at the sender, and brought in', async () => {
  const hourAgo = `${new Date(Date.now() - HOUR_MS).toISOString().slice(0, 19)}+0000`;
  const described = { webhook_id: 5, entity_id: 1, status: 'FAILED', date_created: hourAgo, body: { merchant_id: 77 } };
  server.holdings.events.set(1, { ...described, id: 1, event_type: 'PRODUCT_SYNC_STARTED' });
  server.holdings.events.set(2, { ...described, id: 2, event_type: 'PRODUCT_SYNC_COMPLETED' });
  server.holdings.webhooks.set(5, {
    id: 5,
    event: 'PRODUCT_SYNC_STARTED',
    remote_endpoint: 'https://example.com/',
    status: 'DISABLED',
  });
  const statusOf = async () =>
    merchantStatusOf(await inspector.document(laneOf('violet', '77'), statusRef.collection, statusRef.id));
  await waitFor(async () => (await statusOf()).catalogReady);
  expect((await statusOf()).tracks.product).toMatchObject({ state: 'synced', runs: 1, completed: 1 });
  const scrape = async () => (await fetch(`${workers.at(-1)?.url}/metrics`)).text();
  // The look that heals ends after what it brought in may have been handled: only then does it tell of the webhooks.
  await waitFor(async () => (await scrape()).includes('syncline_webhooks_disabled{source="violet"} 1'));
  const metrics = await scrape();
  expect(metrics).toContain('syncline_healed_events_total{source="violet"} 2');
  expect(metrics).toMatch(/^syncline_last_received_timestamp_seconds\{source="violet"\} \d+/m);
});

test('a worker with half of the credentials does not start, and says what is missing', async () => {
  const { VIOLET_API_PASSWORD: _password, VIOLET_API_URL: _url, ...half } = env;
  await expect(spawnApp('worker', half)).rejects.toThrow(
    /VIOLET_API_URL: Expected a value[^]*VIOLET_API_PASSWORD: Expected a value/,
  );
});

test('a worker does not send credentials in the open', async () => {
  await expect(spawnApp('worker', { ...env, VIOLET_API_URL: 'http://example.com/v1' })).rejects.toThrow(
    /VIOLET_API_URL: Expected an https URL/,
  );
});

import {
  type CatalogSettings,
  createDecider,
  documentCollections,
  merchantStatusOf,
  readStatusDocument,
  statusRef,
} from '@syncline/catalog';
import { defaultRetryPolicy, laneOf } from '@syncline/events';
import {
  type Acceptor,
  createAcceptor,
  createInspector,
  createTurnWorker,
  type Inspector,
  type Logger,
  type TurnWorker,
} from '@syncline/lanes';
import { createRegistry } from '@syncline/runtime';
import { startTestRedis, type TestRedis, waitFor } from '@syncline/testkit';
import { createTurnMetrics } from '../src/metrics';
import { MerchantStandings } from '../src/standings';
import { createSyncMetrics, registerSyncGauges } from '../src/sync-metrics';

const HOUR_MS = 3_600_000;
const MIB = 1024 * 1024;
const ROUND_REST_MS = 50;

let redis: TestRedis;
let acceptor: Acceptor;
let inspector: Inspector;
let prefix: string;
let tests = 0;
const ends: (() => Promise<void>)[] = [];

beforeAll(async () => {
  redis = await startTestRedis();
});
afterAll(() => redis.stop());
beforeEach(() => {
  tests += 1;
  prefix = `syncs-${tests}`;
  const store = { redisUrl: redis.url, prefix, shards: 1, dedupWindowMs: () => HOUR_MS, log: silent };
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
  ends.push(
    () => acceptor.stop(1_000),
    () => inspector.stop(),
  );
});
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

const silent: Logger = { debug() {}, info() {}, warn() {}, error() {} };

/** A worker as the app puts it together, with what it logs as warnings. */
async function startWorker(settings: Partial<CatalogSettings> = {}) {
  const warnings: object[] = [];
  const log: Logger = { ...silent, warn: (fields) => void warnings.push(fields) };
  const registry = createRegistry();
  const decider = createDecider([], settings);
  const standings = new MerchantStandings(inspector, silent, { roundRestMs: ROUND_REST_MS });
  const turns = createTurnMetrics(registry);
  const syncs = createSyncMetrics(registry, decider, standings, log);
  registerSyncGauges(registry, standings);
  const worker: TurnWorker = createTurnWorker({
    redisUrl: redis.url,
    prefix,
    shards: 1,
    decider,
    retry: defaultRetryPolicy,
    failurePolicy: () => 'park',
    handlerTimeoutMs: 5_000,
    turnMaxEvents: 100,
    turnMaxBytes: MIB / 2,
    historyMaxItems: 10_000,
    historyMaxAgeMs: HOUR_MS,
    concurrency: 10,
    observer: {
      ...turns,
      committed: (...commit) => {
        turns.committed(...commit);
        syncs.committed(...commit);
      },
    },
    log: silent,
  });
  standings.start();
  await worker.start();
  const stop = async (): Promise<void> => {
    await worker.stop(1_000);
    await standings.stop();
  };
  ends.push(stop);
  return { warnings, stop, metrics: () => registry.metrics() };
}

let sent = 0;

async function send(topic: string, body: object, { merchantId = '10042', source = 'violet' } = {}): Promise<void> {
  sent += 1;
  const event = {
    source,
    eventId: `event-${sent}`,
    topic,
    lane: laneOf(source, merchantId),
    receivedAt: Date.now(),
    headers: {},
    body: JSON.stringify(body),
    bodyEncoding: 'utf8' as const,
  };
  await expect(acceptor.accept({ event, aliases: [] })).resolves.toMatchObject({ status: 'accepted' });
}

const statusOf = async (merchantId = '10042') =>
  merchantStatusOf(await inspector.document(laneOf('violet', merchantId), statusRef.collection, statusRef.id));
const sync = { merchant_id: 10042 };
const overdueLine = (count: number): string => `syncline_syncs_overdue{source="violet",track="product"} ${count}`;

test('a sync that never ends becomes overdue by its timer; every worker knows, also one that was started later, until it ends', async () => {
  const first = await startWorker({ overdueMs: () => 200 });
  const second = await startWorker({ overdueMs: () => 200 });
  await send('PRODUCT_SYNC_STARTED', sync);
  await waitFor(async () => (await statusOf()).tracks.product.state === 'overdue');
  for (const { metrics } of [first, second]) {
    await waitFor(async () => (await metrics()).includes(overdueLine(1)));
  }
  // The round of the other worker may see the commit before the one that made it has been answered.
  await waitFor(() => first.warnings.length + second.warnings.length > 0);
  expect([...first.warnings, ...second.warnings]).toMatchObject([
    { lane: 'violet:10042', kind: 'sync.overdue', track: 'product' },
  ]);

  await Promise.all([first.stop(), second.stop()]);
  const third = await startWorker();
  await waitFor(async () => (await third.metrics()).includes(overdueLine(1)));
  await send('PRODUCT_SYNC_COMPLETED', sync);
  await waitFor(async () => (await third.metrics()).includes(overdueLine(0)));
  expect((await statusOf()).tracks.product).toMatchObject({ state: 'synced', runs: 1 });
  expect((await statusOf()).tracks.product).not.toHaveProperty('overdueSince');
  const counted = 'syncline_sync_seconds_count{source="violet",track="product",outcome="completed"} 1';
  await waitFor(async () => (await third.metrics()).includes(counted), { message: counted });
});

test('syncs are counted by source, track and outcome, and repeated failures are seen until a sync completes', async () => {
  const { metrics, warnings } = await startWorker({ failuresAlertAfter: 2 });
  await send('PRODUCT_SYNC_FAILED', sync);
  await send('PRODUCT_SYNC_FAILED', { ...sync, error: 'scopes' });
  const failing = (count: number): string => `syncline_syncs_failing_repeatedly{source="violet",track="product"} ${count}`;
  await waitFor(async () => (await metrics()).includes(failing(1)));
  await waitFor(() => warnings.length > 0);
  expect(warnings).toMatchObject([{ kind: 'sync.failing-repeatedly', error: 'scopes', consecutiveFailures: 2 }]);
  await send('PRODUCT_SYNC_COMPLETED', sync);
  await waitFor(async () => (await metrics()).includes(failing(0)));
  const unknown = 'platform="unknown"';
  const completed = `syncline_syncs_total{source="violet",track="product",outcome="completed",${unknown}} 1`;
  // A round may see the commit before the worker has been answered.
  await waitFor(async () => (await metrics()).includes(completed), { message: completed });
  const text = await metrics();
  expect(text).toContain(`syncline_syncs_total{source="violet",track="product",outcome="failed",${unknown}} 2`);
  // None of these had a start, so none has a length.
  expect(text).not.toMatch(/^syncline_sync_seconds_count/m);
});

test('ended syncs are counted by platform, of which there are few, and the time to a ready catalogue from the connect', async () => {
  const { metrics } = await startWorker();
  const platforms = ['SHOPIFY', 'shopify', 'OTHER', 'A platform of tomorrow', undefined];
  for (const [index, platform] of platforms.entries()) {
    const merchantId = String(500 + index);
    await send('MERCHANT_CONNECTED', { id: 500 + index, platform }, { merchantId });
    await send('PRODUCT_SYNC_COMPLETED', { merchant_id: 500 + index }, { merchantId });
  }
  // One that was connected before anything was received of it.
  await send('PRODUCT_SYNC_COMPLETED', { merchant_id: 600 }, { merchantId: '600' });
  const count = /^syncline_syncs_total\{source="violet",track="product",outcome="completed",platform="(\w+)"\} (\d+)$/gm;
  const counted = async () => [...(await metrics()).matchAll(count)].map(([, platform, total]) => `${platform} ${total}`);
  await waitFor(async () => (await counted()).toSorted().join() === 'other 2,shopify 2,unknown 2');
  expect(await metrics()).toContain('syncline_time_to_ready_seconds_count{source="violet"} 5');
});

test('what a round read before a commit does not undo what the commit said', async () => {
  const worker = await startWorker({ overdueMs: () => 1 });
  await send('PRODUCT_SYNC_STARTED', sync);
  await waitFor(async () => (await statusOf()).tracks.product.state === 'overdue');
  await worker.stop();
  const overdue = await inspector.document(laneOf('violet', '10042'), statusRef.collection, statusRef.id);

  // A round of which each read takes until it is let go.
  let letGo = (): void => {};
  let rounds = 0;
  const standings = new MerchantStandings(
    {
      lanes: (page) => inspector.lanes(page),
      documentsOf: async (requests) => {
        const documents = await inspector.documentsOf(requests);
        await new Promise<void>((resolve) => {
          letGo = resolve;
          rounds += 1;
        });
        return documents;
      },
    },
    silent,
    { roundRestMs: 1 },
  );
  const overdueNow = () => standings.counts().find(({ track }) => track === 'product')?.overdue;
  const nextRound = async (): Promise<void> => {
    const before = rounds;
    letGo();
    await waitFor(() => rounds > before);
  };
  standings.start();
  await nextRound();
  await nextRound();
  expect(overdueNow()).toBe(1);
  // The page under way was read while the sync was overdue; its end is committed before the page is taken over.
  const status = readStatusDocument(overdue);
  const product = { ...status.tracks.product, state: 'synced' as const, overdueSince: null };
  standings.learn(laneOf('violet', '10042'), { ...status, tracks: { ...status.tracks, product } });
  await nextRound();
  expect(overdueNow()).toBe(0);
  // The store still says otherwise: the next page tells.
  await nextRound();
  expect(overdueNow()).toBe(1);
  const stopped = standings.stop();
  letGo();
  await stopped;
});

test('a merchant that was disconnected is in no trouble', async () => {
  const { metrics } = await startWorker({ overdueMs: () => 1 });
  await send('PRODUCT_SYNC_STARTED', sync);
  await waitFor(async () => (await metrics()).includes(overdueLine(1)));
  await send('MERCHANT_DISCONNECTED', { id: 10042 });
  await waitFor(async () => (await metrics()).includes(overdueLine(0)));
  expect((await statusOf()).tracks.product.state).toBe('overdue');
});

test('offers of a megabyte are applied in order among small ones, and held as they were sent', async () => {
  const large = (name: string) => ({ id: 1, merchant_id: 10042, name, description: 'ö'.repeat(MIB / 2), album: [name] });
  const small = { id: 2, merchant_id: 10042, name: 'small' };
  await send('OFFER_ADDED', large('first'));
  await send('OFFER_ADDED', small);
  await send('OFFER_UPDATED', large('second'));
  await send('PRODUCT_SYNC_COMPLETED', sync);
  await startWorker();
  await waitFor(async () => (await statusOf()).catalogReady);

  const lane = laneOf('violet', '10042');
  await expect(inspector.document(lane, documentCollections.offers, '1')).resolves.toEqual(large('second'));
  await expect(inspector.document(lane, documentCollections.offers, '2')).resolves.toEqual(small);
  const { items } = await inspector.history(lane, { limit: 10 });
  expect(items.map(({ topic, outcome }) => `${topic} ${outcome}`)).toEqual([
    'OFFER_ADDED processed',
    'OFFER_ADDED processed',
    'OFFER_UPDATED processed',
    'PRODUCT_SYNC_COMPLETED processed',
  ]);
});

test('tombstones are gone from the store once their time is over', async () => {
  await startWorker({ tombstoneMs: () => 300 });
  await send('OFFER_DELETED', { id: 7, merchant_id: 10042 });
  const lane = laneOf('violet', '10042');
  await waitFor(async () => (await inspector.history(lane, { limit: 10 })).items.length === 2);
  const { items } = await inspector.history(lane, { limit: 10 });
  expect(items.map(({ topic }) => topic)).toEqual(['OFFER_DELETED', 'syncline.tombstones-expired']);
  const { offersRemoved, tombstones } = documentCollections;
  await expect(inspector.countDocuments(lane, offersRemoved)).resolves.toBe(0);
  await expect(inspector.countDocuments(lane, tombstones)).resolves.toBe(0);
});

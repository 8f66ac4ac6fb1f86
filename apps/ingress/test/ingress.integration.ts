import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { createAcceptor } from '@syncline/lanes';
import { createOperations, listen } from '@syncline/runtime';
import { senders } from '@syncline/senders';
import { startTestRedis, type TestRedis, waitFor } from '@syncline/testkit';
import { Registry } from 'prom-client';
import { createIngress } from '../src/app';
import { createMetrics } from '../src/metrics';
import { SECRET, signed } from './serve';

const OFFER = '{"id":1,"merchant_id":10042,"name":"Wool"}';
const silent = { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined };

interface DurableIngress {
  readonly deliver: (
    body: string,
    eventId: string,
    headers?: Record<string, string>,
  ) => Promise<{ status: number; retryAfter: string | null; body: unknown }>;
  readonly ready: () => Promise<boolean>;
  stop(): Promise<void>;
}

async function serve(redisUrl: string, acceptTimeoutMs: number): Promise<DurableIngress> {
  const acceptor = createAcceptor({
    redisUrl,
    prefix: 'syncline',
    shards: 1,
    acceptTimeoutMs,
    tryTimeoutMs: Math.min(1_500, acceptTimeoutMs),
    dedupWindowMs: () => 3_600_000,
    waitReplicas: 0,
    log: silent,
    onMismatch: (error) => {
      throw error;
    },
  });
  const registry = new Registry();
  const app = createIngress({
    acceptor,
    sources: [{ sender: senders.violet, settings: { secrets: [SECRET] } }],
    isHandled: (_source, topic) => topic === 'OFFER_ADDED',
    bodyLimitBytes: 64 * 1024,
    log: silent,
    metrics: createMetrics(registry, ['violet'], () => acceptor.waiting),
    operations: createOperations({ registry, ready: () => acceptor.ready }),
  });
  const server = await listen(app, { port: 0, host: '127.0.0.1', variable: 'INGRESS_PORT' });
  acceptor.start();
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    deliver: async (body, eventId, headers = {}) => {
      const response = await fetch(`${url}/webhooks/violet`, { method: 'POST', body, headers: signed(body, headers, eventId) });
      return { status: response.status, retryAfter: response.headers.get('retry-after'), body: await response.json() };
    },
    ready: async () => (await fetch(`${url}/readyz`)).ok,
    stop: async () => {
      server.close();
      server.closeAllConnections();
      if (server.listening) await once(server, 'close');
      await acceptor.stop(1_000);
    },
  };
}

let redis: TestRedis;
let ingress: DurableIngress | undefined;
beforeEach(async () => {
  redis = await startTestRedis({ appendfsync: 'always' });
});
afterEach(async () => {
  await ingress?.stop();
  ingress = undefined;
  await redis.stop();
});

test('each genuine delivery is durable once: new ones 202, repeated and resent ones 200, unreadable ones quarantined once', async () => {
  ingress = await serve(redis.url, 8_000);
  expect(await ingress.deliver(OFFER, '1')).toMatchObject({
    status: 202,
    body: { status: 'accepted', eventId: '1', lane: 'violet:10042' },
  });
  expect(await ingress.deliver(OFFER, '1')).toMatchObject({ status: 200, body: { status: 'duplicate', eventId: '1' } });
  expect(await ingress.deliver(OFFER, '2', { 'X-Violet-Event-Id-Source': '1' })).toMatchObject({
    status: 200,
    body: { eventId: '1' },
  });
  expect(await ingress.deliver(OFFER, '4', { 'X-Violet-Event-Id-Source': '3' })).toMatchObject({
    status: 202,
    body: { eventId: '3' },
  });
  expect(await ingress.deliver(OFFER, '4')).toMatchObject({ status: 200, body: { status: 'duplicate' } });
  expect(await ingress.deliver('nonsense', '5')).toMatchObject({
    status: 202,
    body: { status: 'quarantined', reason: 'unparseable' },
  });
  expect(await ingress.deliver('nonsense', '5')).toMatchObject({ status: 200, body: { status: 'duplicate' } });
  expect(await ingress.ready()).toBe(true);
});

test('of many deliveries of one event at once, exactly one is accepted', async () => {
  const { deliver } = (ingress = await serve(redis.url, 8_000));
  const answers = await Promise.all(Array.from({ length: 50 }, () => deliver(OFFER, '1')));
  expect(answers.filter(({ status }) => status === 202)).toHaveLength(1);
  expect(answers.filter(({ status }) => status === 200)).toHaveLength(49);
});

test.each<[string, (server: TestRedis) => Promise<void>, (server: TestRedis) => Promise<void>]>([
  ['stopped', (server) => server.stop(), (server) => server.restart()],
  ['killed', (server) => server.kill(), (server) => server.restart()],
  ['frozen', async (server) => server.freeze(), async (server) => server.thaw()],
])(
  'with Redis %s a delivery is answered 503 with Retry-After, and accepted by itself once it is back',
  async (_claim, fail, recover) => {
    ingress = await serve(redis.url, 2_500);
    const { deliver, ready } = ingress;
    expect(await deliver(OFFER, '1')).toMatchObject({ status: 202 });
    await fail(redis);
    const answers = await Promise.all(['2', '3', '4'].map((eventId) => deliver(OFFER, eventId)));
    for (const answer of answers) {
      expect(answer).toMatchObject({ status: 503, retryAfter: '5', body: { error: { code: 'store_timeout' } } });
    }
    await waitFor(async () => !(await ready()), { message: 'the ingress to say that it is not ready' });
    await recover(redis);
    await waitFor(ready, { message: 'the ingress to be ready again' });
    expect(await deliver(OFFER, '5')).toMatchObject({ status: 202 });
    expect(await deliver(OFFER, '1')).toMatchObject({ status: 200 });
  },
);

test('started while Redis is down, it refuses, and accepts by itself once Redis is there', async () => {
  await redis.stop();
  ingress = await serve(redis.url, 2_500);
  expect(await ingress.ready()).toBe(false);
  expect(await ingress.deliver(OFFER, '1')).toMatchObject({ status: 503, retryAfter: '5' });
  await redis.restart();
  await waitFor(ingress.ready, { message: 'the ingress to be ready' });
  expect(await ingress.deliver(OFFER, '1')).toMatchObject({ status: 202 });
});

test.each<[string, (server: TestRedis) => Promise<void>, (server: TestRedis) => Promise<void>]>([
  ['killed', (server) => server.kill(), (server) => server.restart()],
  ['frozen', async (server) => server.freeze(), async (server) => server.thaw()],
])('an outage of 3 s under load, Redis %s, gives slow 202s only, and nothing accepted is lost', async (_claim, fail, recover) => {
  const OUTAGE_MS = 3_000;
  // Longer than the outage and the start of a server on a machine under load.
  const { deliver } = (ingress = await serve(redis.url, 20_000));
  const statuses = new Map<string, number>();
  const load = new AbortController();
  const clients = Promise.all(
    Array.from({ length: 16 }, async (_, client) => {
      for (let count = 0; !load.signal.aborted; count += 1) {
        const eventId = `${client}-${count}`;
        const { status } = await deliver(OFFER, eventId);
        statuses.set(eventId, status);
      }
    }),
  );
  await waitFor(() => statuses.size >= 100);
  await fail(redis);
  await new Promise((resolve) => {
    setTimeout(resolve, OUTAGE_MS);
  });
  const during = statuses.size;
  await recover(redis);
  await waitFor(() => statuses.size >= during + 100);
  load.abort();
  await clients;
  expect([...new Set(statuses.values())]).toEqual([202]);
  const again = new Set<number>();
  const eventIds = statuses.keys();
  await Promise.all(
    Array.from({ length: 16 }, async () => {
      for (const eventId of eventIds) again.add((await deliver(OFFER, eventId)).status);
    }),
  );
  expect([...again]).toEqual([200]);
});

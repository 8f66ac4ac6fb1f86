import { createHmac } from 'node:crypto';
import { type SpawnedApp, spawnApp, startTestRedis, temporaryFolder, type TestRedis, waitFor } from '@syncline/testkit';

const SECRET = 'secret-of-the-tests';
const TOKEN = 'token-of-the-tests';
const OFFERS = 45;

let redis: TestRedis;
let ingress: SpawnedApp;
let worker: SpawnedApp;
let served: SpawnedApp;

async function send(topic: string, eventId: string, entity: object): Promise<void> {
  const body = JSON.stringify(entity);
  const response = await fetch(`${ingress.url}/webhooks/violet`, {
    method: 'POST',
    body,
    headers: {
      'X-Violet-Hmac': createHmac('sha256', SECRET).update(body).digest('base64'),
      'X-Violet-Topic': topic,
      'X-Violet-Event-Id': eventId,
    },
  });
  expect(response.status).toBe(202);
}

const get = (path: string): Promise<Response> =>
  fetch(`${served.url}/api/v1${path}`, { headers: { Authorization: `Bearer ${TOKEN}` } });

interface Listing {
  readonly items: Record<string, unknown>[];
  readonly nextCursor: string | null;
}

async function read<T = Record<string, unknown>>(path: string): Promise<T> {
  const response = await get(path);
  if (response.status !== 200) throw new Error(`Expected 200 from ${path}, got ${response.status}: ${await response.text()}`);
  return (await response.json()) as T;
}

async function walk(path: string, limit: number): Promise<Record<string, unknown>[]> {
  const items: Record<string, unknown>[] = [];
  let page = await read<Listing>(`${path}limit=${limit}`);
  items.push(...page.items);
  while (page.nextCursor !== null) {
    expect(page.items.length).toBeLessThanOrEqual(limit);
    page = await read<Listing>(`${path}limit=${limit}&cursor=${encodeURIComponent(page.nextCursor)}`);
    items.push(...page.items);
  }
  return items;
}

beforeAll(async () => {
  redis = await startTestRedis();
  const env = { REDIS_URL: redis.url, SYNCLINE_DATA_DIR: temporaryFolder(), VIOLET_APP_SECRET: SECRET, CONSOLE_TOKEN: TOKEN };
  [ingress, worker, served] = await Promise.all([spawnApp('ingress', env), spawnApp('worker', env), spawnApp('console', env)]);
  await Promise.all([ingress, worker, served].map((app) => app.ready()));

  await send('MERCHANT_CONNECTED', 'm-1', { id: 10_042 });
  for (let id = 1; id <= OFFERS; id += 1) await send('OFFER_ADDED', `o-${id}`, { id, merchant_id: 10_042, name: `Offer ${id}` });
  await send('PRODUCT_SYNC_COMPLETED', 's-1', { merchant_id: 10_042, total_products: OFFERS, total_products_synced: OFFERS });
  await send('OFFER_ADDED', 'bad-1', { id: 'no integer', merchant_id: 10_042, name: 'Offer' });
  await send('COLLECTION_CREATED', 'c-1', { id: 5, merchant_id: 10_042 });
  await send('TRANSFER_SENT', 't-1', { id: 9 });
  await send('MERCHANT_DISABLED', 'm-2', { id: 77 });
  await waitFor(
    async () => {
      const { events, lanes } = await read<Record<'events' | 'lanes', Record<string, number>>>('/overview');
      return events.waiting === 0 && lanes.idle === 3;
    },
    { message: 'all events to be applied' },
  );
});
afterAll(async () => {
  await Promise.all([ingress.stop(), worker.stop(), served.stop()]);
  await redis.stop();
});

test('a merchant shows what its events came to', async () => {
  expect(await read('/merchants/violet/10042')).toMatchObject({
    source: 'violet',
    merchantId: '10042',
    connection: 'connected',
    catalogReady: true,
    tracks: { product: { state: 'synced', runs: 1, completed: 1, total: OFFERS, synced: OFFERS } },
    offers: { count: OFFERS },
    collections: { count: 1 },
    lane: { state: 'idle', depth: 0, oldestAgeMs: null, headAttempts: 0, nextAttemptAt: null },
  });
});

test('merchants are found by state, and events without a merchant are none', async () => {
  expect((await walk('/merchants?', 1)).map(({ merchantId }) => merchantId)).toEqual(['10042', '77']);
  expect((await walk('/merchants?state=disabled&', 10)).map(({ merchantId }) => merchantId)).toEqual(['77']);
  expect((await walk('/merchants?state=synced&', 10)).map(({ merchantId }) => merchantId)).toEqual(['10042']);
  expect(await walk('/merchants?state=overdue&', 10)).toEqual([]);
});

test('history is oldest first, without gaps, over pages of any size', async () => {
  const whole = await walk('/merchants/violet/10042/history?', 1_000);
  expect(whole.map(({ position }) => position)).toEqual(Array.from({ length: OFFERS + 4 }, (_item, index) => index + 1));
  expect(whole[0]).toMatchObject({ eventId: 'm-1', outcome: 'processed', attempt: 1, seq: 1, replayed: false });
  expect(whole.find(({ eventId }) => eventId === 'bad-1')).toMatchObject({ outcome: 'dead' });
  expect(await walk('/merchants/violet/10042/history?', 7)).toEqual(whole);
});

test('offers are each given once, as last applied', async () => {
  const offers = await walk('/merchants/violet/10042/offers?', 10);
  expect(offers.map(({ id }) => Number(id)).toSorted((left, right) => left - right)).toEqual(
    Array.from({ length: OFFERS }, (_item, index) => index + 1),
  );
  expect(offers).toContainEqual({ id: 7, merchant_id: 10_042, name: 'Offer 7' });
  expect(await walk('/merchants/violet/10042/collections?', 10)).toEqual([{ id: 5, merchant_id: 10_042 }]);
});

test('events are newest first, filtered by state and topic, and found by id', async () => {
  const all = await walk('/events?', 9);
  expect(all.at(0)?.eventId).toBe('m-2');
  expect(all.at(-1)?.eventId).toBe('m-1');
  expect(new Set(all.map(({ eventId }) => eventId)).size).toBe(OFFERS + 6);
  expect((await walk('/events?state=unhandled&', 3)).map(({ eventId, lane }) => [eventId, lane])).toEqual([['t-1', 'violet:_']]);
  expect(await walk('/events?state=processed&topic=OFFER_ADDED&', 4)).toHaveLength(OFFERS);
  expect(await read('/events/violet/o-3')).toMatchObject({
    source: 'violet',
    eventId: 'o-3',
    topic: 'OFFER_ADDED',
    lane: 'violet:10042',
    state: 'processed',
    attempts: 1,
    receivedAt: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
    committedAt: expect.stringMatching(/Z$/),
    error: null,
  });
});

test('a dead letter is listed without and read with its payload', async () => {
  const [letter, ...others] = await walk('/dead-letters?', 10);
  expect(others).toEqual([]);
  expect(letter).toMatchObject({
    source: 'violet',
    eventId: 'bad-1',
    topic: 'OFFER_ADDED',
    lane: 'violet:10042',
    reason: 'invalid',
  });
  expect(letter).not.toHaveProperty('payload');
  expect(await read(`/dead-letters/${encodeURIComponent(String(letter?.id))}`)).toMatchObject({
    ...letter,
    payload: { id: 'no integer', merchant_id: 10_042, name: 'Offer' },
  });
  expect(await walk('/dead-letters?reason=exhausted&', 10)).toEqual([]);
});

test('the overview counts what there is', async () => {
  expect(await read('/overview')).toMatchObject({
    lanes: { idle: 3, ready: 0, running: 0 },
    events: { waiting: 0, processed: OFFERS + 4, unhandled: 1, dead: 1 },
    deadLetters: 1,
    lag: { oldestWaitingMs: 0, oldestRetryingMs: 0, oldestHeldMs: 0 },
  });
});

test('metrics are served without a token', async () => {
  const response = await fetch(`${served.url}/metrics`);
  expect(response.status).toBe(200);
  expect(await response.text()).toContain('syncline_console_request_seconds_bucket');
});

test.each(['freeze', 'stop'] as const)(
  'while Redis is gone (%s) every read is 503 and the process alive; then it recovers',
  async (how) => {
    if (how === 'freeze') redis.freeze();
    else await redis.stop();
    const paths = ['/overview', '/merchants', '/merchants/violet/10042', '/events', '/dead-letters'];
    const answers = await Promise.all(paths.map(get));
    expect(answers.map(({ status }) => status)).toEqual(paths.map(() => 503));
    expect(await answers[0]?.json()).toMatchObject({ error: { code: 'unavailable' } });
    expect((await fetch(`${served.url}/healthz`)).status).toBe(200);
    expect((await fetch(`${served.url}/readyz`)).status).toBe(503);
    if (how === 'freeze') redis.thaw();
    else await redis.restart();
    await waitFor(async () => (await get('/merchants/violet/10042')).status === 200, {
      message: 'the console to recover',
    });
    await waitFor(async () => (await fetch(`${served.url}/readyz`)).status === 200, {
      message: 'the console to say that it is ready',
    });
  },
);

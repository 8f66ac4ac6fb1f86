import http from 'node:http';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { repositoryRoot } from '@syncline/runtime';
import { senders } from '@syncline/senders';
import { type SpawnedApp, spawnApp, startTestRedis, type TestRedis, waitFor } from '@syncline/testkit';

const SECRET = 'search-secret';
const TOKEN = 'search-token';

interface Call {
  readonly method: string;
  readonly id: string;
  readonly key: unknown;
  readonly authorization: unknown;
}

/** A search engine: documents by id. What the fault of an offer says comes before it does as it is told. */
const documents = new Map<string, unknown>();
const calls: Call[] = [];
const faults = new Map<string, ((response: http.ServerResponse) => void)[]>();
const engine = http.createServer((request, response) => {
  let body = '';
  request.on('data', (chunk: Buffer) => {
    body += chunk.toString();
  });
  request.on('end', () => {
    const id = request.url?.split('/').at(-1) ?? '';
    const { 'idempotency-key': key, authorization } = request.headers;
    calls.push({ method: request.method ?? '', id, key, authorization });
    const fault = faults.get(id)?.shift();
    if (fault !== undefined) return fault(response);
    const isKnown = documents.has(id);
    if (request.method === 'PUT') documents.set(id, JSON.parse(body));
    else documents.delete(id);
    response.writeHead(request.method === 'PUT' || isKnown ? 200 : 404).end('{}');
  });
});
const answers =
  (status: number, headers: Record<string, string> = {}) =>
  (response: http.ServerResponse): void =>
    void response.writeHead(status, headers).end('{}');
const never = (): void => undefined;

let redis: TestRedis;
let env: Record<string, string>;
let ingress: SpawnedApp;
let consoleApp: SpawnedApp;
const apps: SpawnedApp[] = [];

beforeAll(async () => {
  await new Promise<void>((resolve) => {
    engine.listen(0, '127.0.0.1', resolve);
  });
  redis = await startTestRedis();
  env = {
    REDIS_URL: redis.url,
    VIOLET_APP_SECRET: SECRET,
    CONSOLE_TOKEN: TOKEN,
    HANDLERS: path.join(repositoryRoot, 'examples/search-index.mjs'),
    SEARCH_URL: `http://127.0.0.1:${(engine.address() as AddressInfo).port}/offers`,
    SEARCH_AUTHORIZATION: 'ApiKey of-the-index',
    // Longer than a call takes on a machine under load: only the one that is never answered reaches it.
    HANDLER_TIMEOUT_MS: '4000',
    RETRY_BASE_MS: '20',
  };
  [ingress, consoleApp] = await Promise.all([spawnApp('ingress', env), spawnApp('console', env)]);
  apps.push(ingress, consoleApp);
  await Promise.all(apps.map((app) => app.ready()));
});

afterAll(async () => {
  await Promise.all(apps.map((app) => app.stop()));
  engine.closeAllConnections();
  engine.close();
  await redis.stop();
});

async function send(topic: string, merchantId: number, id: number, name = 'Shoe', second = 0): Promise<void> {
  const date_last_modified = new Date(Date.UTC(2026, 0, 1, 0, 0, second)).toISOString();
  const body = JSON.stringify({ id, merchant_id: merchantId, name, min_price: 995, currency: 'USD', date_last_modified });
  const headers = senders.violet.sign({ eventId: `${topic}-${id}-${second}`, topic, body }, { secrets: [SECRET] });
  await waitFor(async () => {
    const response = await fetch(`${ingress.url}/webhooks/violet`, { method: 'POST', headers, body });
    return response.status < 300;
  });
}

async function read<T>(where: string): Promise<T> {
  const response = await fetch(`${consoleApp.url}/api/v1${where}`, { headers: { Authorization: `Bearer ${TOKEN}` } });
  return (await response.json()) as T;
}

async function historyOf(merchantId: number): Promise<string[]> {
  const { items } = await read<{ items: { topic: string; outcome: string; attempt: number }[] }>(
    `/merchants/violet/${merchantId}/history`,
  );
  return items.map(({ topic, outcome, attempt }) => `${topic} ${outcome} ${attempt}`);
}

const callsFor = (id: string): Call[] => calls.filter((call) => call.id === id);

test('the example keeps the index in step, whatever the search engine answers', async () => {
  faults.set('1', [answers(500)]);
  faults.set('2', [never]);
  faults.set('3', [answers(400)]);
  faults.set('4', [answers(429, { 'retry-after': '1' })]);
  apps.push(await spawnApp('worker', env));
  await send('OFFER_ADDED', 10042, 1);
  await send('OFFER_ADDED', 10042, 2);
  await send('OFFER_ADDED', 10042, 3);
  await send('OFFER_ADDED', 10042, 4);
  await send('OFFER_UPDATED', 10042, 2, 'Boot', 5);
  await send('OFFER_UPDATED', 10042, 2, 'Too late', 1);
  await send('OFFER_REMOVED', 10042, 1, 'Shoe', 6);
  await send('OFFER_DELETED', 10042, 99, 'Never seen', 6);
  await waitFor(async () => (await historyOf(10042)).length === 8);

  expect(await historyOf(10042)).toEqual([
    'OFFER_ADDED processed 2',
    'OFFER_ADDED processed 2',
    'OFFER_ADDED dead 1',
    'OFFER_ADDED processed 2',
    'OFFER_UPDATED processed 1',
    'OFFER_UPDATED superseded 1',
    'OFFER_REMOVED processed 1',
    'OFFER_DELETED processed 1',
  ]);
  expect([...documents.keys()].sort()).toEqual(['2', '4']);
  expect(documents.get('2')).toEqual({ merchantId: '10042', name: 'Boot', price: 995, currency: 'USD' });
  expect(calls.map(({ method, id }) => `${method} ${id}`)).toEqual([
    'PUT 1',
    'PUT 1',
    'PUT 2',
    'PUT 2',
    'PUT 3',
    'PUT 4',
    'PUT 4',
    'PUT 2',
    'DELETE 1',
    'DELETE 99',
  ]);
  const [first, again, update] = callsFor('2');
  expect(again?.key).toBe(first?.key);
  expect(update?.key).not.toBe(first?.key);
  expect(new Set(calls.map(({ authorization }) => authorization))).toEqual(new Set(['ApiKey of-the-index']));
  const { items } = await read<{ items: unknown[] }>('/dead-letters');
  expect(items).toMatchObject([{ topic: 'OFFER_ADDED', reason: 'permanent', message: 'Expected 2xx for the offer 3, got 400' }]);
});

test('a call whose worker is killed is made again by another, under the same key', async () => {
  faults.set('7', [never]);
  await send('OFFER_ADDED', 7, 7);
  await waitFor(() => callsFor('7').length === 1, { intervalMs: 2 });
  const [, , worker] = apps;
  await worker?.kill();
  apps.push(await spawnApp('worker', env));
  await waitFor(() => documents.has('7'));
  const keys = callsFor('7').map(({ key }) => key);
  expect(keys).toHaveLength(2);
  expect(keys[0]).toBe(keys[1]);
});

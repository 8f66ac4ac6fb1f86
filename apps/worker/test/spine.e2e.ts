import { createHmac } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { type SpawnedApp, spawnApp, startTestRedis, type TestRedis, temporaryFolder, waitFor } from '@syncline/testkit';

const SECRET = 'spine-secret';
const TOKEN = 'spine-token';

let redis: TestRedis;
let env: Record<string, string>;
let ingress: SpawnedApp;
let consoleApp: SpawnedApp;
const apps: SpawnedApp[] = [];
const folder = temporaryFolder();
const seen = path.join(folder, 'seen.log');
const handlers = path.join(folder, 'handlers.cjs');

beforeAll(async () => {
  redis = await startTestRedis({ appendfsync: 'always' });
  // Fails three times on the event named `stubborn`, for good on `hopeless`, and hangs once on `deadly`.
  fs.writeFileSync(
    handlers,
    `const fs = require('node:fs');
     const say = (text) => fs.appendFileSync(${JSON.stringify(seen)}, text + '\\n');
     exports.handlers = [{ source: 'violet', topics: ['ORDER_*'], external: true, async handle(event, merchant, { attempt, idempotencyKey }) {
       say([event.eventId, attempt, idempotencyKey.slice(0, 8)].join(' '));
       if (event.eventId === 'stubborn' && attempt <= 3) throw new Error('not yet');
       if (event.eventId === 'hopeless') throw Object.assign(new Error('never'), { code: 'PERMANENT' });
       if (event.eventId === 'deadly' && !fs.existsSync(${JSON.stringify(`${seen}.died`)})) {
         fs.writeFileSync(${JSON.stringify(`${seen}.died`)}, '');
         await new Promise(() => setInterval(() => undefined, 1_000));
       }
     } }];`,
  );
  fs.writeFileSync(seen, '');
  env = {
    REDIS_URL: redis.url,
    VIOLET_APP_SECRET: SECRET,
    CONSOLE_TOKEN: TOKEN,
    HANDLERS: handlers,
    RETRY_BASE_MS: '20',
    RETRY_CAP_MS: '50',
  };
  [ingress, consoleApp] = await Promise.all([spawnApp('ingress', env), spawnApp('console', env)]);
  apps.push(ingress, consoleApp);
  await Promise.all(apps.map((app) => app.ready()));
});
afterAll(async () => {
  await Promise.all(apps.map((app) => app.stop()));
  await redis.stop();
});

async function send(eventId: string): Promise<number> {
  const body = JSON.stringify({ id: 1, bags: [{ merchant_id: 10042 }] });
  const response = await fetch(`${ingress.url}/webhooks/violet`, {
    method: 'POST',
    headers: {
      'X-Violet-Hmac': createHmac('sha256', SECRET).update(body).digest('base64'),
      'X-Violet-Topic': 'ORDER_UPDATED',
      'X-Violet-Event-Id': eventId,
    },
    body,
  });
  return response.status;
}

interface Listing {
  items: { eventId: string; outcome: string; attempt: number }[];
}

async function read(apiPath: string): Promise<Listing> {
  const response = await fetch(`${consoleApp.url}/api/v1${apiPath}`, { headers: { Authorization: `Bearer ${TOKEN}` } });
  if (response.status !== 200) throw new Error(`${apiPath} answered ${response.status}`);
  return (await response.json()) as Listing;
}

const historyOf = async () =>
  (await read('/merchants/violet/10042/history')).items.map(
    ({ eventId, outcome, attempt }) => `${eventId} ${outcome} ${attempt}`,
  );

test("a user's handler that fails is retried in place, a permanent failure is set aside, a killed worker's event is taken over", async () => {
  const first = await spawnApp('worker', env);
  apps.push(first);
  for (const eventId of ['first', 'stubborn', 'hopeless', 'deadly', 'last']) {
    await waitFor(async () => (await send(eventId)) < 300);
  }
  await waitFor(() => fs.existsSync(`${seen}.died`));
  await first.kill();
  const second = await spawnApp('worker', env);
  apps.push(second);
  await waitFor(async () => (await historyOf()).length === 5);

  expect(await historyOf()).toEqual([
    'first processed 1',
    'stubborn processed 4',
    'hopeless dead 1',
    'deadly processed 1',
    'last processed 1',
  ]);
  const calls = fs.readFileSync(seen, 'utf8').trim().split('\n');
  expect(calls.map((line) => line.split(' ').slice(0, 2).join(' '))).toEqual([
    'first 1',
    'stubborn 1',
    'stubborn 2',
    'stubborn 3',
    'stubborn 4',
    'hopeless 1',
    'deadly 1',
    'deadly 1',
    'last 1',
  ]);
  const keysOfStubborn = new Set(calls.filter((line) => line.startsWith('stubborn')).map((line) => line.split(' ')[2]));
  expect(keysOfStubborn.size).toBe(1);
  expect((await read('/dead-letters')).items).toMatchObject([{ eventId: 'hopeless', reason: 'permanent', attempts: 1 }]);
  const metrics = await (await fetch(`${second.url}/metrics`)).text();
  expect(metrics).toMatch(/^syncline_rescued_lanes_total\{cause="lease"\} 1$/m);
  expect(metrics).toMatch(/^syncline_invariant_violations_total\{kind="order"\} 0$/m);
});

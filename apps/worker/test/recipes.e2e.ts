import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { repositoryRoot } from '@syncline/runtime';
import { senders } from '@syncline/senders';
import { freePort, type SpawnedApp, spawnApp, startTestRedis, type TestRedis, temporaryFolder, waitFor } from '@syncline/testkit';

const SENDER_SECRET = 'recipes-secret';
const STOCK_SECRET = `whsec_${Buffer.alloc(32, 5).toString('base64')}`;

const page = fs.readFileSync(path.join(repositoryRoot, 'docs/recipes.md'), 'utf8');
const blocks = (language: string): string[] =>
  [...page.matchAll(new RegExp(`^\`\`\`${language}\\n(.*?)^\`\`\``, 'gms'))].map(([, text = '']) => text);

interface Received {
  readonly path: string;
  readonly body: Record<string, unknown>;
}

/** Stands for Slack and for the automation. */
const received: Received[] = [];
const receiver = http.createServer((request, response) => {
  let body = '';
  request.on('data', (chunk: Buffer) => {
    body += chunk.toString();
  });
  request.on('end', () => {
    received.push({ path: request.url ?? '', body: JSON.parse(body) as Record<string, unknown> });
    response.end('ok');
  });
});

const folder = temporaryFolder();
let redis: TestRedis;
let stockServer: ChildProcess;
let stockPort: number;
let stockOutput = '';
const apps: SpawnedApp[] = [];

beforeAll(async () => {
  await new Promise<void>((resolve) => {
    receiver.listen(0, '127.0.0.1', resolve);
  });
  const { port } = receiver.address() as AddressInfo;
  stockPort = await freePort();
  fs.writeFileSync(path.join(folder, 'stock-server.mjs'), blocks('js')[0] ?? '');
  stockServer = spawn(process.execPath, [path.join(folder, 'stock-server.mjs')], {
    env: { PATH: process.env.PATH, STOCK_HOOK_SECRET: STOCK_SECRET, PORT: String(stockPort) },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  stockServer.stdout?.on('data', (chunk: Buffer) => {
    stockOutput += chunk.toString();
  });
  redis = await startTestRedis();
  const recipes = blocks('json').map(
    (text) => JSON.parse(text.replaceAll('/var/lib/syncline', folder)) as { destinations: object },
  );
  const notices = path.join(folder, 'notices.json');
  fs.writeFileSync(
    notices,
    JSON.stringify({
      allowPrivateHosts: ['localhost'],
      destinations: Object.assign({}, ...recipes.map(({ destinations }) => destinations)) as object,
    }),
  );
  const env = {
    REDIS_URL: redis.url,
    SYNCTEC_WEBHOOK_SECRET: SENDER_SECRET,
    NOTICES_FILE: notices,
    SLACK_SYNC_URL: `http://localhost:${port}/slack`,
    AUTOMATION_URL: `http://localhost:${port}/automation`,
    STOCK_HOOK_URL: `http://localhost:${stockPort}/hooks/stock`,
    STOCK_HOOK_SECRET: STOCK_SECRET,
  };
  apps.push(...(await Promise.all([spawnApp('ingress', env), spawnApp('worker', env)])));
  await Promise.all(apps.map((app) => app.ready()));
  await waitFor(() => stockOutput.includes('listening'));

  const common = {
    source_store: 'Main',
    destination_store: 'outlet',
    product: { id: 7, title: 'Shoe <red> "42"', sku: '=SHOE' },
  };
  await send({ event: 'product.synced', timestamp: '2026-01-01T00:00:01Z', status: 'success', ...common });
  await send({ event: 'sync.failed', timestamp: '2026-01-01T00:00:02Z', error: 'price is missing', ...common });
  await send({ event: 'inventory.updated', timestamp: '2026-01-01T00:00:03Z', ...common });
});

afterAll(async () => {
  await Promise.all(apps.map((app) => app.stop()));
  const gone = once(stockServer, 'exit');
  stockServer.kill();
  await gone;
  receiver.closeAllConnections();
  receiver.close();
  await redis.stop();
});

async function send(payload: Record<string, unknown>): Promise<void> {
  const body = JSON.stringify(payload);
  const headers = senders.synctec.sign({ eventId: '', topic: '', body }, { secrets: [SENDER_SECRET] });
  const [ingress] = apps;
  await waitFor(async () => {
    const response = await fetch(`${ingress?.url}/webhooks/synctec`, { method: 'POST', headers, body });
    return response.status < 300;
  });
}

const sentTo = (where: string): Record<string, unknown>[] => received.filter((one) => one.path === where).map(({ body }) => body);

test('the page has a configuration for each of its four recipes', () => {
  expect(page.match(/^## \d/gm)).toHaveLength(4);
  expect(blocks('json')).toHaveLength(4);
});

test('recipe 1: a product that was synced is a row of a spreadsheet, and its cells are text', async () => {
  const file = path.join(folder, 'products.csv');
  await waitFor(() => fs.existsSync(file) && fs.readFileSync(file, 'utf8').split('\n').length === 3);
  const [header, row] = fs.readFileSync(file, 'utf8').split('\n');
  expect(header).toBe('\uFEFFTime,Product,SKU,From,To,Status,Delivery');
  expect(row).toMatch(/^2026-01-01T00:00:01Z,"Shoe <red> ""42""",'=SHOE,Main,outlet,success,[0-9a-f]{64}$/);
});

test('recipe 2: a product that could not be synced is a message in Slack, with its title, its store and why', async () => {
  await waitFor(() => sentTo('/slack').length > 0);
  const text = ':warning: *Shoe &lt;red&gt; "42"* could not be synced to *outlet*: price is missing';
  expect(sentTo('/slack')).toMatchObject([
    { text, blocks: [{ type: 'section', text: { type: 'mrkdwn', text } }, { type: 'context' }] },
  ]);
});

test('recipe 3: an automation is given every event in the form of the template, in order', async () => {
  await waitFor(() => sentTo('/automation').length === 3);
  const product = { id: '7', title: 'Shoe <red> "42"', sku: '=SHOE' };
  expect(sentTo('/automation')).toMatchObject([
    { event: 'product.synced', store: 'outlet', product, error: '' },
    { event: 'sync.failed', store: 'outlet', product, error: 'price is missing' },
    { event: 'inventory.updated', store: 'outlet', product, error: '' },
  ]);
  expect(new Set(sentTo('/automation').map((body) => body.idempotency_key)).size).toBe(3);
});

test('recipe 4: an own server takes what is signed, and refuses what is not', async () => {
  await waitFor(() => stockOutput.includes('inventory.updated'));
  expect(stockOutput.split('\n').slice(1, 3)).toEqual(['product.synced =SHOE in outlet', 'inventory.updated =SHOE in outlet']);
  const body = '{"id":"x","type":"forged","data":{}}';
  const genuine = senders.standard.sign({ eventId: 'x', topic: '', body }, { secrets: [STOCK_SECRET] });
  const forged = senders.standard.sign({ eventId: 'x', topic: '', body: `${body} ` }, { secrets: [STOCK_SECRET] });
  const old = senders.standard.sign(
    { eventId: 'x', topic: '', body, sentAtMs: Date.now() - 400_000 },
    { secrets: [STOCK_SECRET] },
  );
  const statuses: number[] = [];
  for (const headers of [forged, old, {}, genuine]) {
    const response = await fetch(`http://localhost:${stockPort}/hooks/stock`, { method: 'POST', headers, body });
    statuses.push(response.status);
  }
  expect(statuses).toEqual([401, 401, 401, 204]);
});

test('what was delivered is counted by destination', async () => {
  for (const [destination, count] of [
    ['product-log', 1],
    ['sync-alerts', 1],
    ['automation', 3],
    ['stock-service', 2],
  ] as const) {
    // A delivery is counted once its answer has come back, which is after its destination has it.
    const counted = `syncline_notice_deliveries_total{destination="${destination}",outcome="delivered"} ${count}`;
    await waitFor(async () => (await (await fetch(`${apps[1]?.url}/metrics`)).text()).includes(counted), { message: counted });
  }
});

test('an operator can hold what goes to one destination of one merchant, by the name that the documents give its lane', async () => {
  const [, documented = ''] =
    /`POST (\/api\/v1\/lanes\/violet\/10042%09ops-chat\/pause)`/.exec(
      fs.readFileSync(path.join(repositoryRoot, 'docs/notices.md'), 'utf8'),
    ) ?? [];
  const where = documented.replace('violet/10042%09ops-chat', 'synctec/outlet%09automation');
  const token = 'recipes-token';
  const consoleApp = await spawnApp('console', {
    REDIS_URL: redis.url,
    CONSOLE_TOKEN: token,
    SYNCTEC_WEBHOOK_SECRET: SENDER_SECRET,
  });
  apps.push(consoleApp);
  await consoleApp.ready();
  const act = (verb: string): Promise<Response> =>
    fetch(`${consoleApp.url}${where.replace(/pause$/, verb)}`, { method: 'POST', headers: { Authorization: `Bearer ${token}` } });
  expect(await (await act('pause')).json()).toMatchObject({ lane: { state: 'paused' } });
  const product = { id: 8, sku: 'HELD' };
  await send({ event: 'inventory.updated', timestamp: '2026-01-01T00:00:09Z', destination_store: 'outlet', product });
  await waitFor(() => stockOutput.includes('HELD'));
  expect(sentTo('/automation')).toHaveLength(3);
  expect((await act('resume')).status).toBe(200);
  await waitFor(() => sentTo('/automation').length === 4);
});

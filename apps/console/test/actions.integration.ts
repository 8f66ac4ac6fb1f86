import type { AddressInfo } from 'node:net';
import type { Server } from 'node:http';
import { laneOf } from '@syncline/events';
import { createAcceptor, createInspector, createOperator } from '@syncline/lanes';
import { closeServer, listen } from '@syncline/runtime';
import { startTestRedis, type TestRedis, waitFor } from '@syncline/testkit';
import { createConsole } from '../src/app';

const silent = { debug() {}, info() {}, warn() {}, error() {} };
let redis: TestRedis;
let server: Server;
let origin: string;
const stops: (() => Promise<void>)[] = [];

beforeAll(async () => {
  redis = await startTestRedis();
  const store = { redisUrl: redis.url, prefix: 'actions', shards: 1, dedupWindowMs: () => 3_600_000, log: silent };
  const inspector = createInspector(store);
  const operator = createOperator(store);
  const acceptor = createAcceptor({
    ...store,
    acceptTimeoutMs: 8_000,
    tryTimeoutMs: 1_500,
    waitReplicas: 0,
    onMismatch: (error) => {
      throw error;
    },
  });
  acceptor.start();
  stops.push(
    () => acceptor.stop(1_000),
    () => operator.stop(),
    () => inspector.stop(),
  );
  const event = (merchantId: string, eventId: string) => ({
    source: 'violet',
    eventId,
    topic: 'OFFER_ADDED',
    lane: laneOf('violet', merchantId),
    receivedAt: Date.now(),
    headers: {},
    body: '{}',
    bodyEncoding: 'utf8' as const,
  });
  await acceptor.accept({ event: event('1', 'a'), aliases: [] });
  const quarantine = { reason: 'unparseable', message: 'no' };
  for (const eventId of ['b', 'c']) await acceptor.accept({ event: event('_', eventId), aliases: [], quarantine });
  const app = createConsole({
    inspector,
    operator,
    token: 'token',
    log: silent,
    operations: (_request, _response, next) => next(),
  });
  server = await listen(app, { port: 0, host: '127.0.0.1', variable: 'CONSOLE_PORT' });
  origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}/api/v1`;
  await waitFor(async () => (await call('GET', '/overview')).status === 200);
});
afterAll(async () => {
  await closeServer(server, 1_000);
  for (const stop of stops) await stop();
  await redis.stop();
});

async function call(method: string, path: string, body?: string) {
  const response = await fetch(`${origin}${path}`, {
    method,
    headers: { Authorization: 'Bearer token' },
    ...(body !== undefined && { body }),
  });
  return {
    status: response.status,
    json: (await response.json()) as Record<string, unknown>,
    allow: response.headers.get('allow'),
  };
}

test('a lane is paused and resumed, and the answer says how it stands', async () => {
  expect(await call('POST', '/lanes/violet/1/pause')).toMatchObject({
    status: 200,
    json: { lane: { state: 'paused', depth: 1 } },
  });
  expect(await call('POST', '/lanes/violet/1/resume')).toMatchObject({
    status: 200,
    json: { lane: { state: 'ready', depth: 1 } },
  });
});

test('a skipped head leaves an idle lane, which has nothing more to skip', async () => {
  expect(await call('POST', '/lanes/violet/1/skip-head')).toMatchObject({
    status: 200,
    json: { lane: { state: 'idle', depth: 0 } },
  });
  expect(await call('POST', '/lanes/violet/1/skip-head')).toMatchObject({ status: 409, json: { error: { code: 'conflict' } } });
});

test('an unknown lane, another verb and another method are refused', async () => {
  expect(await call('POST', '/lanes/violet/none/pause')).toMatchObject({ status: 404 });
  expect(await call('POST', '/lanes/violet/1/explode')).toMatchObject({ status: 404 });
  expect(await call('GET', '/lanes/violet/1/pause')).toMatchObject({ status: 405, allow: 'POST' });
  expect(await call('POST', '/lanes/violet/1/pause?force=maybe')).toMatchObject({ status: 400 });
});

test('dead letters are counted before they are replayed, and a quarantined one has no place to go back to', async () => {
  const dryRun = JSON.stringify({ filter: { reason: 'unparseable' }, dryRun: true });
  expect(await call('POST', '/dead-letters/replay', dryRun)).toMatchObject({
    status: 200,
    json: { matched: 2, replayed: 0, dryRun: true },
  });
  const { json } = await call('GET', '/dead-letters');
  const [letter] = json.items as { id: string }[];
  expect(await call('POST', `/dead-letters/${letter?.id}/replay`)).toMatchObject({
    status: 409,
    json: { error: { code: 'conflict' } },
  });
  expect(await call('POST', `/dead-letters/${letter?.id}/discard`)).toMatchObject({ status: 200, json: { status: 'discarded' } });
  expect(await call('POST', `/dead-letters/${letter?.id}/discard`)).toMatchObject({ status: 404 });
  expect(await call('POST', '/dead-letters/9.9.9/replay')).toMatchObject({ status: 404 });
});

test('a malformed request to replay says what was expected', async () => {
  for (const body of [
    '',
    'nonsense',
    '[]',
    '{}',
    '{"dryRun":"yes"}',
    '{"dryRun":true,"limit":0}',
    '{"dryRun":true,"filter":{"id":"1"}}',
  ]) {
    expect(await call('POST', '/dead-letters/replay', body)).toMatchObject({
      status: 400,
      json: { error: { code: 'invalid_request' } },
    });
  }
  const huge = JSON.stringify({ dryRun: true, filter: { topic: 'x'.repeat(100_000) } });
  expect(await call('POST', '/dead-letters/replay', huge)).toMatchObject({ status: 400 });
});

import { laneOf, PermanentError, sideLaneOf } from '@syncline/events';
import { startTestRedis, type TestRedis, waitFor } from '@syncline/testkit';
import { createInspector, type Inspector } from '../src/inspector';
import { deciderOf, Engine, request, silent, type TestHandler } from './harness';

const SHARDS = 3;
const lane = laneOf('violet', '1');

let redis: TestRedis;
let engine: Engine;
let inspector: Inspector;

beforeAll(async () => {
  redis = await startTestRedis();
});
afterAll(() => redis.stop());
beforeEach(() => {
  engine = new Engine(redis.url);
  inspector = createInspector({
    redisUrl: engine.url,
    prefix: engine.prefix,
    shards: SHARDS,
    dedupWindowMs: () => 3_600_000,
    log: silent,
  });
  engine.onClose(() => inspector.stop());
});
afterEach(() => engine.close());

const worker = (handler: TestHandler, overrides = {}) => engine.worker(deciderOf(handler), { shards: SHARDS, ...overrides });

test('an appended event comes to the end of its lane, in order, with a topic and payload of its own', async () => {
  const acceptor = engine.acceptor({ shards: SHARDS });
  for (let index = 0; index < 2; index++) await acceptor.accept(request('1'));
  const decided: unknown[] = [];
  const { counts } = await worker((event, unit) => {
    decided.push(event.topic === 'syncline.page' ? JSON.parse(event.body) : event.seq);
    if (event.seq > 2) return;
    unit.append({ topic: 'syncline.page', payload: { of: event.seq, page: 1 } });
    unit.append({ topic: 'syncline.page', payload: { of: event.seq, page: 2 } });
  });
  await waitFor(() => counts.commits.length === 6);
  expect(decided).toEqual([1, 2, { of: 1, page: 1 }, { of: 1, page: 2 }, { of: 2, page: 1 }, { of: 2, page: 2 }]);
  expect((await inspector.lane(lane))?.state).toBe('idle');
  expect((await inspector.overview()).events).toMatchObject({ waiting: 0, processed: 6 });
  expect((await inspector.events({ topic: 'syncline.page' }, { limit: 10 })).items).toHaveLength(4);
});

test('a lane beside the merchant’s is ordered apart: one that is blocked does not hold up the merchant', async () => {
  const acceptor = engine.acceptor({ shards: SHARDS });
  const { counts } = await worker(
    (event, unit) => {
      if (event.topic === 'syncline.delivery') throw new PermanentError('the destination refuses');
      unit.append({ topic: 'syncline.delivery', payload: event.seq }, { sideLane: 'chat' });
    },
    { failurePolicy: (topic: string) => (topic === 'syncline.delivery' ? 'block' : 'park') },
  );
  for (let index = 0; index < 3; index++) await acceptor.accept(request('1'));
  const side = sideLaneOf(lane, 'chat');
  await waitFor(async () => (await inspector.lane(side))?.state === 'blocked');
  await waitFor(() => counts.commits.length === 3);
  expect(await inspector.lane(side)).toMatchObject({ depth: 3, state: 'blocked' });
  expect(await inspector.lane(lane)).toMatchObject({ depth: 0, state: 'idle' });
});

test('an event that fails appends nothing, and one that is retried appends once', async () => {
  const acceptor = engine.acceptor({ shards: SHARDS });
  const eventIds: string[] = [];
  const { counts } = await worker((event, unit, { attempt }) => {
    if (event.topic === 'syncline.page') eventIds.push(event.eventId);
    else unit.append({ topic: 'syncline.page' });
    if (event.seq === 1 && attempt < 3) throw new Error('again');
    if (event.topic !== 'syncline.page' && event.seq === 3) throw new PermanentError('never');
  });
  await acceptor.accept(request('1'));
  await waitFor(() => counts.commits.length === 2);
  await acceptor.accept(request('1'));
  await waitFor(() => counts.commits.length === 3);
  expect(counts.commits.map(({ seq, outcome }) => `${seq} ${outcome}`)).toEqual(['1 processed', '2 processed', '3 dead']);
  expect(new Set(eventIds).size).toBe(1);
});

test('an appended event keeps a large payload apart, and nothing of it stays once it is committed', async () => {
  const payload = { text: 'x'.repeat(200_000) };
  let seen: unknown;
  const { counts } = await worker((event, unit) => {
    if (event.topic === 'syncline.page') seen = JSON.parse(event.body);
    else unit.append({ topic: 'syncline.page', payload });
  });
  await engine.acceptor({ shards: SHARDS }).accept(request('1'));
  await waitFor(() => counts.commits.length === 2);
  expect(seen).toEqual(payload);
  expect(await engine.redis().keys(`{${engine.prefix}:*:body:*`)).toEqual([]);
});

test('follow-ups of different merchants never share an event id, those of one event neither', async () => {
  const ids: string[] = [];
  const { counts } = await worker((event, unit) => {
    if (event.topic.startsWith('syncline.')) ids.push(event.eventId);
    else {
      unit.append({ topic: 'syncline.page' });
      unit.append({ topic: 'syncline.page' });
      unit.after(0, 'check', { topic: 'syncline.check' });
    }
  });
  const acceptor = engine.acceptor({ shards: SHARDS });
  for (const merchant of ['1', '2', '3']) await acceptor.accept(request(merchant));
  await waitFor(() => counts.commits.length === 12);
  expect(new Set(ids).size).toBe(9);
});

test('an event appended from a side lane to its merchant’s own lane comes behind all that waits there', async () => {
  const acceptor = engine.acceptor({ shards: SHARDS });
  const decided: string[] = [];
  const { counts } = await worker((event, unit) => {
    decided.push(`${event.lane === lane ? 'own' : 'side'} ${event.topic}`);
    if (event.topic === 'syncline.fetch') unit.append({ topic: 'syncline.page' }, { merchantLane: true });
    else if (event.seq === 1) unit.append({ topic: 'syncline.fetch' }, { sideLane: 'refresh' });
  });
  await acceptor.accept(request('1'));
  await waitFor(() => counts.commits.length === 3);
  expect(decided).toEqual(['own OFFER_UPDATED', 'side syncline.fetch', 'own syncline.page']);
  expect((await inspector.lane(lane))?.state).toBe('idle');
});

test('the ids of a collection’s documents are those stored, with what the run and the event itself have changed', async () => {
  const acceptor = engine.acceptor({ shards: SHARDS });
  const seen: string[][] = [];
  const { counts } = await worker(async (event, unit) => {
    if (event.seq === 1) unit.put('offers', 'a', 1);
    if (event.seq === 2) unit.put('offers', 'b', 1);
    if (event.seq === 3) unit.delete('offers', 'a');
    if (event.seq === 3) unit.put('offers', 'c', 1);
    seen.push((await unit.ids('offers')).sort());
  });
  await acceptor.accept(request('1'));
  await waitFor(() => counts.commits.length === 1);
  await Promise.all([acceptor.accept(request('1')), acceptor.accept(request('1'))]);
  await waitFor(() => counts.commits.length === 3);
  expect(seen).toEqual([['a'], ['a', 'b'], ['b', 'c']]);
});

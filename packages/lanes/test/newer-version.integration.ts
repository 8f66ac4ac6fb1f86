import { startTestRedis, type TestRedis, waitFor } from '@syncline/testkit';
import type { Redis } from 'ioredis';
import { DataSetMismatchError } from '../src/data-set';
import { dataSetKey, ShardKeys } from '../src/keys';
import { decodeRecord } from '../src/record';
import { createInspector } from '../src/inspector';
import { deciderOf, Engine, request, silent } from './harness';

const lane = 'violet:1';

let redis: TestRedis;
let engine: Engine;
let store: Redis;
let keys: ShardKeys;

beforeAll(async () => {
  redis = await startTestRedis();
});
afterAll(() => redis.stop());
beforeEach(() => {
  engine = new Engine(redis.url);
  store = engine.redis();
  keys = new ShardKeys(engine.prefix, 0);
});
afterEach(() => engine.close());

/** Accepts events, one of which only a newer version of Syncline can read. */
async function acceptAsOfNewerVersion(events: number, newer: number): Promise<string> {
  const acceptor = engine.acceptor();
  for (let index = 0; index < events; index++) await acceptor.accept(request('1'));
  const written = (await store.lindex(keys.queue(lane), newer - 1)) ?? '';
  await store.lset(keys.queue(lane), newer - 1, written.replace('{"v":1,', '{"v":2,"new":{"form":true},'));
  return written;
}

test('an event that a newer version wrote is left as it is, and what came before it is applied', async () => {
  await acceptAsOfNewerVersion(3, 2);
  const stored = await store.lrange(keys.queue(lane), 1, 2);
  const decided: number[] = [];
  const worker = await engine.worker(deciderOf((event) => void decided.push(event.seq)));
  await waitFor(async () => (await store.zscore(keys.retrying, lane)) !== null);
  expect(decided).toEqual([1]);
  expect(await store.lrange(keys.queue(lane), 0, -1)).toEqual(stored);
  expect(await store.hmget(keys.lane(lane), 'attempts', 'crashes')).toEqual(['0', null]);
  expect(await store.exists(keys.dead)).toBe(0);
  expect(worker.counts.commits).toEqual([{ seq: 1, outcome: 'processed' }]);
});

test('an event that waited for a worker of a newer version is applied by it in its place, at its first attempt', async () => {
  const written = await acceptAsOfNewerVersion(2, 1);
  const older = await engine.worker(deciderOf(() => undefined));
  await waitFor(async () => (await store.zscore(keys.retrying, lane)) !== null);
  await older.stop(1_000);

  // What the newer worker reads is, to this one, a record that it can read.
  await store.lset(keys.queue(lane), 0, written);
  await store.hdel(keys.lane(lane), 'notbefore');
  await store.zadd(keys.retrying, 0, lane);
  const attempts: [number, number][] = [];
  await engine.worker(deciderOf((event, _unit, { attempt }) => void attempts.push([event.seq, attempt])));
  await waitFor(() => attempts.length === 2);
  expect(attempts).toEqual([
    [1, 1],
    [2, 1],
  ]);
});

test('an event that cannot be read is not shown, and the others of its page are', async () => {
  const acceptor = engine.acceptor();
  const [readable, newer] = [request('1'), request('1')];
  for (const one of [readable, newer]) await acceptor.accept(one);
  const written = (await store.lindex(keys.queue(lane), 1)) ?? '';
  await store.lset(keys.queue(lane), 1, written.replace('{"v":1,', '{"v":2,"new":{"form":true},'));
  const inspector = createInspector({
    redisUrl: engine.url,
    prefix: engine.prefix,
    shards: 1,
    dedupWindowMs: () => 3_600_000,
    log: silent,
  });
  engine.onClose(() => inspector.stop());
  await waitFor(async () => await inspector.overview());
  expect(await inspector.events({}, { limit: 10 })).toMatchObject({
    items: [{ eventId: readable.event.eventId }],
    nextCursor: null,
  });
  expect(await inspector.event('violet', newer.event.eventId)).toBeUndefined();
});

test('a record says its version, and one of an unknown version is refused with what to do', async () => {
  const written = await acceptAsOfNewerVersion(1, 1);
  expect(decodeRecord(written)).toMatchObject({ seq: 1, lane });
  const newer = (await store.lindex(keys.queue(lane), 0)) ?? '';
  expect(() => decodeRecord(newer)).toThrow('a newer Syncline wrote it, run that version');
});

test('data of a format that this version does not know is refused, and nothing in it is changed', async () => {
  const key = dataSetKey(engine.prefix);
  const dataSet = { format: '2', shards: '1', 'dedup-key': '00' };
  await store.hset(key, dataSet);
  await expect(engine.worker(deciderOf(() => undefined))).rejects.toThrow(DataSetMismatchError);
  expect(await store.hgetall(key)).toEqual(dataSet);
});

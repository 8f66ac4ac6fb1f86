import { startTestRedis, type TestRedis, waitFor } from '@syncline/testkit';
import type { Redis } from 'ioredis';
import { ShardKeys } from '../src/keys';
import { deciderOf, Engine, request } from './harness';

let redis: TestRedis;
let engine: Engine;
let store: Redis;
let keys: ShardKeys;

const lane = 'violet:1';
const apply = deciderOf(() => {});

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

/** A worker that has committed one event of the lane. */
async function workerAfterOneEvent() {
  const acceptor = engine.acceptor();
  const worker = await engine.worker(apply);
  await acceptor.accept(request('1'));
  await waitFor(() => worker.counts.commits.length === 1);
  return { acceptor, worker };
}

test('a lane that holds events and has no turn coming is found, told as a violation, and its events are applied', async () => {
  engine.expectedViolations = ['unarmed'];
  await engine.acceptor().accept(request('1'));
  await waitFor(async () => (await store.llen(`${keys.base}:turns:wait`)) === 1);
  await store.del(`${keys.base}:turns:wait`);
  await store.zrem(keys.ready, lane);
  await store.hdel(keys.lane(lane), 'armed');

  const worker = await engine.worker(apply);
  await waitFor(() => worker.counts.commits.length === 1);
  expect(worker.counts.rescues).toEqual({ lease: 0, arming: 0 });
});

test('a lane that is armed but stands in none of the sets is found as well', async () => {
  engine.expectedViolations = ['unarmed'];
  await engine.acceptor().accept(request('1'));
  await waitFor(async () => (await store.llen(`${keys.base}:turns:wait`)) === 1);
  await store.del(`${keys.base}:turns:wait`);
  await store.zrem(keys.ready, lane);

  const worker = await engine.worker(apply);
  await waitFor(() => worker.counts.commits.length === 1);
});

test('an un-armed lane is found behind more lanes than one round looks at', async () => {
  engine.expectedViolations = ['unarmed'];
  const acceptor = engine.acceptor();
  for (let merchant = 0; merchant < 150; merchant++) await acceptor.accept(request(`held-${merchant}`));
  await acceptor.accept(request('1'));
  await waitFor(async () => (await store.zcard(keys.ready)) === 151);
  for (let merchant = 0; merchant < 150; merchant++) {
    const held = `violet:held-${merchant}`;
    await store.hset(keys.lane(held), 'paused', 1);
    await store.hset(keys.held, held, 'paused');
  }
  await store.del(`${keys.base}:turns:wait`, keys.ready);
  await store.hdel(keys.lane(lane), 'armed');

  const worker = await engine.worker(apply);
  await waitFor(() => worker.counts.commits.length === 1);
});

test('paused, blocked, running and retrying lanes are no violation', async () => {
  const acceptor = engine.acceptor();
  const worker = await engine.worker(
    deciderOf(({ lane: own }) => {
      if (own === 'violet:retrying') throw Object.assign(new Error('later'), { retryAfterMs: 60_000 });
      if (own === 'violet:blocked') throw Object.assign(new Error('never'), { code: 'PERMANENT' });
    }),
    { failurePolicy: () => 'block' },
  );
  for (const merchant of ['retrying', 'blocked', '1']) await acceptor.accept(request(merchant));
  await waitFor(async () => (await store.hget(keys.held, 'violet:blocked')) === 'blocked');
  await waitFor(async () => (await store.zscore(keys.retrying, 'violet:retrying')) !== null);
  const rounds = await watched();
  await waitFor(async () => (await watched()) >= rounds + 3);
  expect(worker.counts.violations).toEqual([]);
});

test('an event that is committed a second time is told as a duplicate', async () => {
  engine.expectedViolations = ['duplicate'];
  const { acceptor, worker } = await workerAfterOneEvent();
  // As if the lane had forgotten what it did.
  await store.hset(keys.lane(lane), 'done', 0, 'seq', 0);
  await acceptor.accept(request('1'));
  await waitFor(() => worker.counts.commits.length === 2);
});

test('an event that vanished before it was committed is told as a violation of the order', async () => {
  engine.expectedViolations = ['order'];
  const { acceptor, worker } = await workerAfterOneEvent();
  await store.hset(keys.lane(lane), 'done', 4, 'seq', 4);
  await acceptor.accept(request('1'));
  await waitFor(() => worker.counts.commits.length === 2);
});

/** How often the watch looked: its script is the only one that reads the timers' set. */
async function watched(): Promise<number> {
  const calls = /cmdstat_evalsha:calls=(\d+)/.exec(await store.info('commandstats'));
  return Number(calls?.[1] ?? 0);
}

import { startTestRedis, type TestRedis } from '@syncline/testkit';
import type { Redis } from 'ioredis';
import { ShardKeys } from '../src/keys';
import { LaneProtocol, newFence } from '../src/protocol';
import { decodeRecord, encodeRecord } from '../src/record';
import { commitOf, Engine, request, claimAndRead } from './harness';

const lane = 'violet:1';
const limits = { leaseMs: 10_000, maxEvents: 10, maxBytes: 1_000_000 };

let redis: TestRedis;
let engine: Engine;
let keys: ShardKeys;
let now = 0;
let protocol: LaneProtocol;

beforeAll(async () => {
  redis = await startTestRedis();
});
afterAll(() => redis.stop());
beforeEach(() => {
  engine = new Engine(redis.url);
  keys = new ShardKeys(engine.prefix, 0);
  now = Date.now();
  protocol = new LaneProtocol(engine.redis(), keys, { now: () => String(now) });
});
afterEach(() => engine.close());

async function accepted(events: number): Promise<void> {
  const acceptor = engine.acceptor();
  for (let index = 0; index < events; index++) expect(await acceptor.accept(request('1'))).toEqual({ status: 'accepted' });
}

async function claimed(turn: number, fence: string) {
  const claim = await claimAndRead(protocol, lane, turn, fence, limits);
  if (claim.status !== 'run') throw new Error(`Expected a run, got ${claim.status}`);
  return { ...claim, events: claim.elements.map(decodeRecord) };
}

test('a lane has one owner: while a lease lives, another claim finds it busy', async () => {
  await accepted(1);
  await claimed(1, newFence());
  expect(await claimAndRead(protocol, lane, 1, newFence(), limits)).toEqual({ status: 'busy' });
});

test('a claim of a turn that is over is stale', async () => {
  await accepted(2);
  const fence = newFence();
  const { events } = await claimed(1, fence);
  expect(await protocol.commit(lane, commitOf(events.slice(0, 1), fence))).toEqual({ status: 'yielded', turnToArm: 2 });
  expect(await claimAndRead(protocol, lane, 1, newFence(), limits)).toEqual({ status: 'stale' });
  expect((await claimed(2, newFence())).events.map(({ seq }) => seq)).toEqual([2]);
});

test('a run that lost its lane commits nothing', async () => {
  await accepted(1);
  const frozen = newFence();
  const { events } = await claimed(1, frozen);
  now += 10_001;
  expect(await protocol.rescue(lane, now)).toEqual({ status: 'rescued', turnToArm: 2, lost: 'lease' });
  const effects = [{ command: 'HSET' as const, key: keys.documents(lane, 'offers'), args: ['1', '{}'] }];
  expect(await protocol.commit(lane, commitOf(events, frozen, { effects }))).toEqual({ status: 'fenced' });

  const heir = newFence();
  const again = await claimed(2, heir);
  expect(again.events).toEqual(events);
  expect(await protocol.commit(lane, commitOf(events, frozen, { effects }))).toEqual({ status: 'fenced' });
  expect(await engine.redis().exists(keys.documents(lane, 'offers'))).toBe(0);
  expect(await protocol.commit(lane, commitOf(again.events, heir, { effects }))).toEqual({ status: 'idle' });
});

test('a commit that is sent twice is done once, also when the lane went idle or yielded by it', async () => {
  await accepted(2);
  const fence = newFence();
  const { events } = await claimed(1, fence);
  const first = commitOf(events.slice(0, 1), fence);
  expect(await protocol.commit(lane, first)).toEqual({ status: 'yielded', turnToArm: 2 });
  expect(await protocol.commit(lane, first)).toEqual({ status: 'already', turnToArm: 2 });

  const second = newFence();
  await claimed(2, second);
  const last = commitOf(events.slice(1), second);
  expect(await protocol.commit(lane, last)).toEqual({ status: 'idle' });
  expect(await protocol.commit(lane, last)).toEqual({ status: 'already', turnToArm: 0 });
  expect(await engine.redis().llen(keys.history(lane))).toBe(2);
});

test('a failure that is recorded twice counts once', async () => {
  await accepted(1);
  const fence = newFence();
  await claimed(1, fence);
  const failure = { fence, seq: 1, attempt: 1, mode: 'retry' as const, delayMs: 500, error: 'no' };
  expect(await protocol.fail(lane, failure)).toEqual({ status: 'retry', turnToArm: 2, delayMs: 500 });
  expect(await protocol.fail(lane, failure)).toEqual({ status: 'retry', turnToArm: 2, delayMs: 500 });
});

test('a head that may not be attempted yet is armed again for its time, and is not rescued in between', async () => {
  await accepted(1);
  const fence = newFence();
  await claimed(1, fence);
  await protocol.fail(lane, { fence, seq: 1, attempt: 1, mode: 'retry', delayMs: 500, error: 'no' });
  expect(await claimAndRead(protocol, lane, 2, newFence(), limits)).toEqual({ status: 'wait', turnToArm: 3, delayMs: 500 });
  expect(await protocol.rescue(lane, now + 1)).toEqual({ status: 'well' });
  now += 500;
  expect(await claimAndRead(protocol, lane, 2, newFence(), limits)).toEqual({ status: 'stale' });
  expect((await claimed(3, newFence())).failedAttempts).toBe(1);
});

test('a commit that kept the lane and is sent again finds the lane still its own', async () => {
  await accepted(2);
  const fence = newFence();
  const { events } = await claimed(1, fence);
  const first = commitOf(events.slice(0, 1), fence, { ending: 'keep' });
  expect(await protocol.commit(lane, first)).toEqual({ status: 'kept' });
  expect(await protocol.commit(lane, first)).toEqual({ status: 'kept' });
  expect(await protocol.commit(lane, commitOf(events.slice(1), fence))).toEqual({ status: 'idle' });
});

test('a release without events that is sent twice names the same turn', async () => {
  await accepted(1);
  const fence = newFence();
  await claimed(1, fence);
  const release = commitOf([], fence);
  expect(await protocol.commit(lane, release)).toEqual({ status: 'yielded', turnToArm: 2 });
  expect(await protocol.commit(lane, release)).toEqual({ status: 'already', turnToArm: 2 });
});

test('a run that ended without a word counts as a crash, whoever finds the lane first', async () => {
  await accepted(1);
  await claimed(1, newFence());
  now += 10_001;
  expect(await claimed(1, newFence())).toMatchObject({ crashes: 1 });
});

test('a replay that comes while its lane runs gets a turn when the run ends', async () => {
  await accepted(1);
  const fence = newFence();
  const { events, elements } = await claimed(1, fence);
  await engine.redis().zadd(keys.replays(lane), 1, elements[0] ?? '');
  expect(await protocol.commit(lane, commitOf(events, fence))).toEqual({ status: 'yielded', turnToArm: 2 });
  const next = newFence();
  expect(await claimAndRead(protocol, lane, 2, next, limits)).toMatchObject({ status: 'replay', elements });
  expect(await protocol.commit(lane, commitOf(events, next, { ending: 'replay' }))).toEqual({ status: 'idle' });
});

test('a commit whose first event is not the head is refused', async () => {
  await accepted(2);
  const fence = newFence();
  const { events } = await claimed(1, fence);
  expect(await protocol.commit(lane, commitOf(events.slice(1), fence))).toEqual({ status: 'fenced' });
});

test.each([
  ['a list', (client: Redis, key: string) => client.rpush(key, 'not a hash')],
  ['a sorted set', (client: Redis, key: string) => client.zadd(key, 1, 'not a hash')],
])('a commit with an effect on a key of another kind changes nothing at all: %s', async (_kind, fill) => {
  await accepted(1);
  const client = engine.redis();
  await fill(client, keys.documents(lane, 'offers'));
  const before = await client.hgetall(keys.lane(lane));
  const fence = newFence();
  const { events } = await claimed(1, fence);
  const effects = [
    { command: 'HSET' as const, key: keys.documents(lane, 'merchant'), args: ['status', '{}'] },
    { command: 'HSET' as const, key: keys.documents(lane, 'offers'), args: ['1', '{}'] },
  ];
  await expect(protocol.commit(lane, commitOf(events, fence, { effects }))).rejects.toThrow(/Expected a hash/);
  expect(await client.exists(keys.documents(lane, 'merchant'), keys.history(lane))).toBe(0);
  expect(await client.llen(keys.queue(lane))).toBe(1);
  expect((await client.hgetall(keys.lane(lane))).seq).toBe(before.seq);
});

test('a lane is rescued when its lease has passed, and not before', async () => {
  await accepted(1);
  await claimed(1, newFence());
  now += 9_999;
  expect(await protocol.rescue(lane, now)).toEqual({ status: 'well' });
  now += 2;
  expect(await protocol.rescue(lane, now)).toEqual({ status: 'rescued', turnToArm: 2, lost: 'lease' });
  expect(await protocol.rescue(lane, now)).toEqual({ status: 'well' });
});

test('a lane whose arming was lost is rescued once the queue is past it, and not for its age', async () => {
  await accepted(1);
  const armedAt = Number(await engine.redis().zscore(keys.ready, lane));
  now = armedAt + 60_000;
  expect(await protocol.rescue(lane, armedAt)).toEqual({ status: 'well' });
  expect(await protocol.rescue(lane, armedAt + 1)).toEqual({ status: 'rescued', turnToArm: 2, lost: 'arming' });
});

test('a commit of what the store has lost since it was read is refused, and the lane goes on with what it holds', async () => {
  await accepted(2);
  const client = engine.redis();
  const fence = newFence();
  const { events } = await claimed(1, fence);
  expect(await protocol.commit(lane, commitOf(events.slice(0, 1), fence, { ending: 'keep' }))).toEqual({ status: 'kept' });
  // Accepted, read by the turn that goes on, and not with the replica that then becomes the master.
  await accepted(1);
  const read = await protocol.read(lane, fence, { events: 10, bytes: 1_000_000 });
  expect(read).toHaveLength(2);
  await client.rpop(keys.queue(lane));
  await client.hset(keys.lane(lane), 'seq', '2');

  const lost = (read ?? []).map(decodeRecord);
  expect(await protocol.commit(lane, commitOf(lost, fence))).toEqual({ status: 'fenced' });
  expect(await protocol.commit(lane, commitOf(lost.slice(0, 1), fence))).toEqual({ status: 'idle' });
});

test('a turn that goes on with what waits ends for a replay, and one that has more of its own does not', async () => {
  await accepted(3);
  const client = engine.redis();
  const fence = newFence();
  const { events } = await claimed(1, fence);
  expect(await protocol.commit(lane, commitOf(events.slice(0, 1), fence, { ending: 'more' }))).toEqual({ status: 'kept' });
  await client.zadd(keys.replays(lane), '1', `1 ${encodeRecord(request('1').event).record}`);
  expect(await protocol.commit(lane, commitOf(events.slice(1, 2), fence, { ending: 'keep' }))).toEqual({ status: 'kept' });
  expect(await protocol.commit(lane, commitOf([], fence, { ending: 'more', firstSeq: 3 }))).toEqual({
    status: 'yielded',
    turnToArm: 2,
  });
});

test('a claim takes no more than its events and bytes, but always one event', async () => {
  const acceptor = engine.acceptor();
  for (let index = 0; index < 40; index++) await acceptor.accept(request('1', { body: 'x'.repeat(1_000) }));
  const byCount = await claimAndRead(protocol, lane, 1, newFence(), { ...limits, maxEvents: 33 });
  expect(byCount).toMatchObject({ status: 'run', elements: { length: 33 } });
  now += 10_001;
  await protocol.rescue(lane, now);
  const byBytes = await claimAndRead(protocol, lane, 2, newFence(), { ...limits, maxEvents: 40, maxBytes: 5_000 });
  expect(byBytes).toMatchObject({ status: 'run', elements: { length: 4 } });
  now += 10_001;
  await protocol.rescue(lane, now);
  expect(await claimAndRead(protocol, lane, 3, newFence(), { ...limits, maxBytes: 1 })).toMatchObject({
    status: 'run',
    elements: { length: 1 },
  });
});

test('claims, commits, failures and rescues work when memory is full, so that the store can drain', async () => {
  await accepted(3);
  const client = engine.redis();
  const used = Number(/used_memory:(\d+)/.exec(await client.info('memory'))?.[1]);
  await client.config('SET', 'maxmemory', String(Math.floor(used / 2)));
  try {
    await expect(client.set(`${keys.base}:any`, 'x')).rejects.toThrow(/OOM/);
    const first = newFence();
    const { events } = await claimed(1, first);
    const effects = [{ command: 'HSET' as const, key: keys.documents(lane, 'offers'), args: ['1', '1 {}'] }];
    expect(await protocol.commit(lane, commitOf(events.slice(0, 1), first, { effects, ending: 'keep' }))).toEqual({
      status: 'kept',
    });
    const failure = { fence: first, seq: 2, attempt: 1, mode: 'retry' as const, delayMs: 0, error: 'no' };
    expect(await protocol.fail(lane, failure)).toMatchObject({ status: 'retry', turnToArm: 2 });
    await claimed(2, newFence());
    now += 10_001;
    expect(await protocol.rescue(lane, now)).toMatchObject({ status: 'rescued', turnToArm: 3 });
  } finally {
    await client.config('SET', 'maxmemory', '0');
  }
});

test('a lane number, a seq and a turn never go back, also when the lane is empty', async () => {
  await accepted(1);
  const fence = newFence();
  const { events } = await claimed(1, fence);
  await protocol.commit(lane, commitOf(events, fence));
  await accepted(1);
  const again = await claimed(2, newFence());
  expect(again.events.map(({ seq }) => seq)).toEqual([2]);
  expect(again.laneNumber).toBe(1);
});

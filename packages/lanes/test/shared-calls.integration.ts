import { laneOf } from '@syncline/events';
import { startTestRedis, type TestRedis } from '@syncline/testkit';
import type { Redis } from 'ioredis';
import { ShardKeys } from '../src/keys';
import { LaneProtocol, newFence } from '../src/protocol';
import { decodeRecord, encodeRecord } from '../src/record';
import { commitOf, Engine, request, claimAndRead } from './harness';

const limits = { leaseMs: 10_000, maxEvents: 100, maxBytes: 512 * 1024 };

let redis: TestRedis;
let engine: Engine;
let client: Redis;
let keys: ShardKeys;
let protocol: LaneProtocol;

beforeAll(async () => {
  redis = await startTestRedis();
});
afterAll(() => redis.stop());
beforeEach(() => {
  engine = new Engine(redis.url);
  client = engine.redis();
  keys = new ShardKeys(engine.prefix, 0);
  protocol = new LaneProtocol(client, keys);
});
afterEach(() => engine.close());

const lanesTo = (count: number): string[] => Array.from({ length: count }, (_, index) => laneOf('violet', String(index + 1)));

async function accepted(lanes: readonly string[], body = '{}'): Promise<void> {
  const acceptor = engine.acceptor();
  const answers = await Promise.all(lanes.map((lane) => acceptor.accept(request('1', { lane, body }))));
  for (const answer of answers) expect(answer).toEqual({ status: 'accepted' });
}

async function claimed(lane: string, fence: string) {
  const claim = await claimAndRead(protocol, lane, 1, fence, limits);
  if (claim.status !== 'run') throw new Error(`Expected a run, got ${claim.status}`);
  return claim.elements.map(decodeRecord);
}

async function scriptCalls(): Promise<number> {
  const stats = await client.info('commandstats');
  return Number(/cmdstat_evalsha:calls=(\d+)/.exec(stats)?.[1] ?? 0) + Number(/cmdstat_eval:calls=(\d+)/.exec(stats)?.[1] ?? 0);
}

test('lanes that are claimed and committed at once share calls, and each gets its own answer', async () => {
  const lanes = lanesTo(64);
  await accepted(lanes);
  const fences = lanes.map(newFence);
  // The first call teaches the script to the server.
  await claimAndRead(protocol, 'violet:unknown', 1, newFence(), limits);
  await protocol.commit('violet:unknown', commitOf([], newFence()));

  let before = await scriptCalls();
  const runs = await Promise.all(lanes.map((lane, index) => claimed(lane, fences[index] ?? '')));
  expect((await scriptCalls()) - before).toBe(2);
  expect(runs.map((events) => events.map(({ lane, seq }) => [lane, seq]))).toEqual(lanes.map((lane) => [[lane, 1]]));

  before = await scriptCalls();
  const answers = await Promise.all(
    lanes.map((lane, index) => protocol.commit(lane, commitOf(runs[index] ?? [], fences[index] ?? ''))),
  );
  expect((await scriptCalls()) - before).toBe(2);
  expect(answers).toEqual(lanes.map(() => ({ status: 'idle' })));
  for (const lane of lanes) expect(await client.llen(keys.history(lane))).toBe(1);
  expect(await client.zcard(keys.running)).toBe(0);
  expect(await client.zcard(keys.heads)).toBe(0);
  expect(await client.hgetall(keys.totals)).toMatchObject({ accepted: '64', processed: '64', recent: '64' });
});

test('a lane that is asked for twice at once has one owner', async () => {
  const [lane = ''] = lanesTo(1);
  await accepted([lane]);
  const claims = await Promise.all([newFence(), newFence()].map((fence) => claimAndRead(protocol, lane, 1, fence, limits)));
  expect(claims.map(({ status }) => status)).toEqual(['run', 'busy']);
});

test('every lane is claimed, however large the heads are in sum', async () => {
  const lanes = lanesTo(40);
  await accepted(lanes, 'x'.repeat(30_000));
  const runs = await Promise.all(lanes.map((lane) => claimed(lane, newFence())));
  expect(runs.map(([head]) => [head?.lane, head?.body.length])).toEqual(lanes.map((lane) => [lane, 30_000]));
});

test('a claim that was lost before the rest of its events was read takes none of them', async () => {
  const [lane = ''] = lanesTo(1);
  await accepted([lane, lane, lane]);
  const losing = Object.create(client, {
    lrange: {
      value: (key: string, from: number, to: number) => {
        void client.hset(keys.lane(lane), 'fence', 'of another run');
        return client.lrange(key, from, to);
      },
    },
  }) as Redis;
  expect(await claimAndRead(new LaneProtocol(losing, keys), lane, 1, newFence(), limits)).toEqual({ status: 'busy' });
});

test('a claim whose further events cannot be read fails alone', async () => {
  const [first = '', unreadable = '', last = ''] = lanesTo(3);
  await accepted([first, first, unreadable, unreadable, last]);
  const broken = Object.create(client, {
    lrange: {
      value: (key: string, from: number, to: number) =>
        key === keys.queue(unreadable) ? Promise.reject(new Error('cut off')) : client.lrange(key, from, to),
    },
  }) as Redis;
  const breaking = new LaneProtocol(broken, keys);
  const claims = await Promise.allSettled(
    [first, unreadable, last].map((lane) => claimAndRead(breaking, lane, 1, newFence(), limits)),
  );
  expect(claims).toMatchObject([
    { value: { status: 'run', elements: { length: 2 } } },
    { reason: { message: 'cut off' } },
    { value: { status: 'run', elements: { length: 1 } } },
  ]);
});

test('what is wrong with one commit fails that one alone', async () => {
  const lanes = lanesTo(4);
  const [first = '', fenced = '', wrong = '', last = ''] = lanes;
  await accepted(lanes);
  await client.rpush(keys.documents(wrong, 'offers'), 'not a hash');
  const fences = new Map(lanes.map((lane) => [lane, newFence()]));
  const runs = new Map<string, Awaited<ReturnType<typeof claimed>>>();
  await Promise.all(lanes.map(async (lane) => runs.set(lane, await claimed(lane, fences.get(lane) ?? ''))));
  const answers = await Promise.allSettled(
    lanes.map((lane) => {
      const effects = [{ command: 'HSET' as const, key: keys.documents(lane, 'offers'), args: ['1', '1 {}'] }];
      const fence = lane === fenced ? newFence() : (fences.get(lane) ?? '');
      return protocol.commit(lane, commitOf(runs.get(lane) ?? [], fence, { effects }));
    }),
  );
  expect(answers).toMatchObject([
    { value: { status: 'idle' } },
    { value: { status: 'fenced' } },
    { reason: { message: expect.stringContaining('Expected a hash') as string } },
    { value: { status: 'idle' } },
  ]);
  for (const lane of [first, last]) expect(await client.hlen(keys.documents(lane, 'offers'))).toBe(1);
  for (const lane of [fenced, wrong]) {
    expect(await client.exists(keys.history(lane))).toBe(0);
    expect(await client.llen(keys.queue(lane))).toBe(1);
  }
});

test.each(['before', 'after'])(
  'a follow-up finds its lane armed, also when that lane was emptied by a commit %s it in the same call',
  async (order) => {
    const [from = '', to = ''] = lanesTo(2);
    await accepted([from, to]);
    const fences = [newFence(), newFence()] as const;
    const [fromRun, toRun] = await Promise.all([claimed(from, fences[0]), claimed(to, fences[1])]);
    const { record } = encodeRecord(request('1', { lane: to }).event);
    const appending = (): Promise<unknown> =>
      protocol.commit(from, commitOf(fromRun, fences[0], { followUps: [{ lane: to, receivedAt: 5, record }] }));
    const emptying = (): Promise<unknown> => protocol.commit(to, commitOf(toRun, fences[1]));
    const both = order === 'before' ? [emptying(), appending()] : [appending(), emptying()];
    expect(await Promise.all(both)).toContainEqual({ status: 'idle', armed: [[to, 2]] });
    expect(await client.hmget(keys.lane(to), 'armed', 'turn', 'seq', 'done')).toEqual(['1', '2', '2', '1']);
    expect(await client.zscore(keys.heads, to)).toBe('5');
    expect(await client.zscore(keys.ready, to)).not.toBeNull();
    expect(await client.zscore(keys.running, to)).toBeNull();
    expect(await claimAndRead(protocol, to, 2, newFence(), limits)).toMatchObject({
      status: 'run',
      elements: [record].map((one) => `2 ${one}`),
    });
  },
);

test('a follow-up to a lane whose commit is still running in the same call stays behind what waits there', async () => {
  const [from = '', to = ''] = lanesTo(2);
  await accepted([from, to, to]);
  const fences = [newFence(), newFence()] as const;
  const [fromRun, toRun] = await Promise.all([claimed(from, fences[0]), claimed(to, fences[1])]);
  const { record } = encodeRecord(request('1', { lane: to }).event);
  const answers = await Promise.all([
    protocol.commit(from, commitOf(fromRun, fences[0], { followUps: [{ lane: to, receivedAt: 5, record }] })),
    protocol.commit(to, commitOf(toRun.slice(0, 1), fences[1], { ending: 'keep' })),
  ]);
  expect(answers).toEqual([{ status: 'idle' }, { status: 'kept' }]);
  expect(await client.lrange(keys.queue(to), 1, -1)).toEqual([`3 ${record}`]);
  expect(await protocol.commit(to, commitOf(toRun.slice(1), fences[1]))).toEqual({ status: 'yielded', turnToArm: 2 });
});

test('the records committed last are kept within their bytes, the newest of them all', async () => {
  const lanes = lanesTo(50);
  await accepted(lanes, 'x'.repeat(1_000));
  const fences = lanes.map(newFence);
  const runs = await Promise.all(lanes.map((lane, index) => claimed(lane, fences[index] ?? '')));
  for (const [index, lane] of lanes.entries()) {
    await protocol.commit(lane, commitOf(runs[index] ?? [], fences[index] ?? '', { recentMaxBytes: 10_000 }));
  }
  const kept = await client.lrange(keys.recent, 0, -1);
  const bytes = kept.reduce((sum, record) => sum + record.length, 0);
  expect(bytes).toBeLessThanOrEqual(10_000);
  expect(kept.length).toBeGreaterThanOrEqual(7);
  expect(kept.map((record) => decodeRecord(record).lane)).toEqual(lanes.slice(-kept.length));
  expect(Math.abs(Number(await client.hget(keys.totals, 'recent-bytes')) - bytes)).toBeLessThan(2_000);
});

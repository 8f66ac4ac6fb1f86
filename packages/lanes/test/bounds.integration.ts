import { startTestRedis, type TestRedis, waitFor } from '@syncline/testkit';
import type { Redis } from 'ioredis';
import { createInspector, type Inspector } from '../src/inspector';
import { ShardKeys } from '../src/keys';
import { LaneProtocol, newFence } from '../src/protocol';
import { decodeRecord } from '../src/record';
import { deciderOf, Engine, request, silent, claimAndRead } from './harness';

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

async function readyInspector(): Promise<Inspector> {
  const { url: redisUrl, prefix } = engine;
  const inspector = createInspector({ redisUrl, prefix, shards: 1, dedupWindowMs: () => 3_600_000, log: silent });
  engine.onClose(() => inspector.stop());
  await waitFor(() => inspector.ping().then(() => true));
  return inspector;
}

/** How many events each accept call brought: a call writes one entry of the log. */
async function acceptCalls(): Promise<number[]> {
  const entries = await store.xrange(keys.log, '-', '+');
  return entries.map(([, fields]) => (fields[1] ?? '').split(',').length);
}

test('one accept call takes at most 32 events', async () => {
  const acceptor = engine.acceptor();
  await Promise.all(Array.from({ length: 100 }, () => acceptor.accept(request('1'))));
  expect(await acceptCalls()).toEqual([32, 32, 32, 4]);
});

test('one accept call takes at most 256 KiB, and a larger event goes alone', async () => {
  const acceptor = engine.acceptor();
  const sizes = [100, 100, 100, 300, 100, 100];
  await Promise.all(sizes.map((kib) => acceptor.accept(request('1', { body: 'x'.repeat(kib * 1_024) }))));
  expect(await acceptCalls()).toEqual([2, 1, 1, 2]);
  const seqs = (await store.lrange(keys.queue(lane), 0, -1)).map((element) => decodeRecord(element).seq);
  expect(seqs).toEqual([1, 2, 3, 4, 5, 6]);
});

test('a commit writes no more than TURN_MAX_BYTES of effects and the one event that went over', async () => {
  const acceptor = engine.acceptor();
  for (let index = 0; index < 7; index++) await acceptor.accept(request('1'));
  const committedBefore: number[] = [];
  const worker = await engine.worker(
    deciderOf(async (event, unit) => {
      committedBefore.push(await store.llen(keys.history(lane)));
      unit.put('offers', String(event.seq), 'x'.repeat(40_000));
    }),
    { turnMaxBytes: 100_000 },
  );
  await waitFor(() => worker.counts.commits.length === 7);
  expect(committedBefore).toEqual([0, 0, 0, 3, 3, 3, 6]);
});

test('history keeps no event that is older than its age, and an event that has left it is no longer found', async () => {
  const acceptor = engine.acceptor();
  const old = request('1');
  const recent = request('1');
  for (const one of [old, recent]) await acceptor.accept(one);
  const inspector = await readyInspector();

  let now = Date.now();
  const protocol = new LaneProtocol(store, keys, { now: () => String(now) });
  const limits = { leaseMs: 10_000, maxEvents: 1, maxBytes: 1_000_000 };
  for (let turn = 1; turn <= 2; turn++) {
    const fence = newFence();
    const claim = await claimAndRead(protocol, lane, turn, fence, limits);
    const [element = ''] = claim.status === 'run' ? claim.elements : [];
    const event = decodeRecord(element);
    await protocol.commit(lane, {
      fence,
      firstSeq: event.seq,
      settled: [{ event, outcome: 'processed', attempt: 1 }],
      effects: [],
      ending: 'yield',
      leaseMs: 10_000,
      historyMaxItems: 100,
      historyMaxAgeMs: 3_600_000,
      recentMaxBytes: 1_000_000,
    });
    if (turn === 1) expect(await inspector.event('violet', old.event.eventId)).toMatchObject({ state: 'processed', seq: 1 });
    now += 3_600_001;
  }
  expect((await inspector.history(lane, { limit: 10 })).items).toMatchObject([{ position: 2, seq: 2 }]);
  expect(await inspector.event('violet', old.event.eventId)).toBeUndefined();
  expect(await inspector.event('violet', recent.event.eventId)).toMatchObject({ state: 'processed', seq: 2 });
});

test('history answers what happened to an event, when, in which order and after how many attempts', async () => {
  const acceptor = engine.acceptor();
  const [first, second] = [request('1'), request('1')];
  for (const one of [first, second]) await acceptor.accept(one);
  const worker = await engine.worker(
    deciderOf((event, _unit, { attempt }) => {
      if (event.seq === 1 && attempt < 3) throw new Error('not yet');
      return event.seq === 2 ? 'superseded' : 'processed';
    }),
  );
  await waitFor(() => worker.counts.commits.length === 2);
  const inspector = await readyInspector();
  const { items } = await inspector.history(lane, { limit: 10 });
  expect(items).toMatchObject([
    { position: 1, seq: 1, eventId: first.event.eventId, outcome: 'processed', attempt: 3, receivedAt: first.event.receivedAt },
    { position: 2, seq: 2, eventId: second.event.eventId, outcome: 'superseded', attempt: 1 },
  ]);
  const [done] = items;
  expect(done?.committedAt).toBeGreaterThanOrEqual(first.event.receivedAt);
  expect(await inspector.event('violet', first.event.eventId)).toMatchObject({
    state: 'processed',
    seq: 1,
    attempts: 3,
    committedAt: done?.committedAt,
  });
});

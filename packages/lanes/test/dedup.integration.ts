import { startTestRedis, type TestRedis } from '@syncline/testkit';
import type { Redis } from 'ioredis';
import { openDataSet } from '../src/data-set';
import { ShardKeys } from '../src/keys';
import { encodeRecord } from '../src/record';
import { ShardAcceptor } from '../src/shard-acceptor';
import { Engine, request, silent } from './harness';

const HOUR_MS = 3_600_000;

let redis: TestRedis;
let engine: Engine;
let store: Redis;
let now = 0;

beforeAll(async () => {
  redis = await startTestRedis();
});
afterAll(() => redis.stop());
beforeEach(() => {
  engine = new Engine(redis.url);
  store = engine.redis();
  now = Date.now();
  jest.spyOn(Date, 'now').mockImplementation(() => now);
});
afterEach(async () => {
  jest.restoreAllMocks();
  await engine.close();
});

/** Accepts at the time of the test; an event comes with as many ids as are given. */
async function accepting(dedupWindowMs: (source: string) => number) {
  const dataSet = await openDataSet(store, engine.prefix, 1);
  const settings = {
    redisUrl: engine.url,
    prefix: engine.prefix,
    shards: 1,
    acceptTimeoutMs: 0,
    tryTimeoutMs: 0,
    dedupWindowMs,
    waitReplicas: 0,
    log: silent,
    onMismatch: (error: Error) => {
      throw error;
    },
  };
  const acceptor = new ShardAcceptor(
    settings,
    0,
    store,
    () => undefined,
    () => Promise.resolve(dataSet),
    () => String(now),
  );
  return (source: string, [eventId = '', ...aliases]: string[]) =>
    new Promise<string>((resolve) => {
      const { event } = request('1', { source, eventId, body: '' });
      acceptor.add({
        request: { event, aliases },
        encoded: encodeRecord(event),
        deadline: Number.POSITIVE_INFINITY,
        arrival: 0,
        uncertain: false,
        settle: ({ status }) => resolve(status),
      });
    });
}

test('an id is remembered for the window of its own source, however the window lies to the slices', async () => {
  const accept = await accepting((source) => (source === 'propexo' ? HOUR_MS : 72 * HOUR_MS));
  const ids = Array.from({ length: 12 }, (_, index) => `id-${index}`);
  const acceptedAt = now;
  for (const id of ids) {
    for (const source of ['propexo', 'violet']) expect(await accept(source, [id])).toBe('accepted');
    now += 7 * 60_000;
  }
  for (const [index, id] of ids.entries()) {
    now = acceptedAt + index * 7 * 60_000 + HOUR_MS - 1_000;
    expect([id, await accept('propexo', [id])]).toEqual([id, 'duplicate']);
    now += 1_000;
    expect([id, await accept('propexo', [id])]).toEqual([id, 'accepted']);
    expect([id, await accept('violet', [id])]).toEqual([id, 'duplicate']);
  }
});

const BUCKETS_A_SLICE = 8_192;

/** Remembers ids as the accept step does: a digest of 8 bytes and a place, in one of some buckets of a slice. */
const FILL = `
  math.randomseed(tonumber(ARGV[3]))
  local remembered = {}
  for id = 1, tonumber(ARGV[2]) do
    local bucket = math.random(tonumber(ARGV[4]), tonumber(ARGV[5]))
    local held = remembered[bucket] or {}
    held[#held + 1] = struct.pack('>I4I4', math.random(0, 2147483647), id)
    held[#held + 1] = ARGV[1]
    remembered[bucket] = held
  end
  for bucket, held in pairs(remembered) do
    redis.call('HSET', KEYS[1] .. bucket, unpack(held))
    redis.call('PEXPIRE', KEYS[1] .. bucket, 400000000)
  end`;

test('a million remembered ids, spread over a window, take at most 32 bytes each', async () => {
  const accept = await accepting(() => 72 * HOUR_MS);
  await accept('violet', ['one']);
  const [key = ''] = await store.keys(`${new ShardKeys(engine.prefix, 0).base}:seen:*`);
  const [place] = await store.hvalsBuffer(key);
  const [digest] = await store.hkeysBuffer(key);
  if (digest === undefined || place === undefined) throw new Error('Expected a remembered id');
  // What is stored beside them has this size: the fill below is as the accept step's.
  expect([digest.length, place.length]).toEqual([8, 12]);

  const IDS = 1_000_000;
  const SLICES = 3;
  const BUCKETS_A_CALL = 512;
  const CALLS = SLICES * (BUCKETS_A_SLICE / BUCKETS_A_CALL);
  const usedMemory = async (): Promise<number> => Number(/used_memory:(\d+)/.exec(await store.info('memory'))?.[1]);
  const before = await usedMemory();
  for (let call = 0; call < CALLS; call++) {
    const slice = key.slice(0, key.lastIndexOf(':')).replace(/\d$/, String(call % SLICES));
    const first = Math.floor(call / SLICES) * BUCKETS_A_CALL;
    await store.eval(FILL, 1, `${slice}:`, place, Math.ceil(IDS / CALLS), call, first, first + BUCKETS_A_CALL - 1);
  }
  const bytesAnId = ((await usedMemory()) - before) / IDS;
  expect(bytesAnId).toBeLessThanOrEqual(32);
  // Less than digest and place it cannot be: the ids are there.
  expect(bytesAnId).toBeGreaterThan(20);
});

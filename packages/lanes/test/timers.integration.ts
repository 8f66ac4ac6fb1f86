import { startTestRedis, type TestRedis, waitFor } from '@syncline/testkit';
import { createInspector, type Inspector } from '../src/inspector';
import { ShardKeys } from '../src/keys';
import { Script } from '../src/script';
import { deciderOf, Engine, request, silent, type TestHandler } from './harness';

let redis: TestRedis;
let engine: Engine;
let inspector: Inspector;
let keys: ShardKeys;

beforeAll(async () => {
  redis = await startTestRedis();
});
afterAll(() => redis.stop());
beforeEach(() => {
  engine = new Engine(redis.url);
  keys = new ShardKeys(engine.prefix, 0);
  inspector = createInspector({
    redisUrl: engine.url,
    prefix: engine.prefix,
    shards: 1,
    dedupWindowMs: () => 3_600_000,
    log: silent,
  });
  engine.onClose(() => inspector.stop());
});
afterEach(() => engine.close());

/** Sends events one after the other, each after the one before was committed. */
async function sendEach(handler: TestHandler, count: number) {
  const acceptor = engine.acceptor();
  const worker = await engine.worker(deciderOf(handler));
  for (let sent = 1; sent <= count; sent++) {
    await acceptor.accept(request('1'));
    await waitFor(() => worker.counts.commits.length >= sent);
  }
  return worker;
}

test('a timer fires once, as an event of its lane with its own topic and payload', async () => {
  const fired: unknown[] = [];
  const worker = await sendEach((event, unit) => {
    if (event.topic === 'syncline.reminder') fired.push([event.seq, event.lane, JSON.parse(event.body)]);
    else unit.after(300, 'reminder', { topic: 'syncline.reminder', payload: { of: event.seq } });
  }, 1);
  await waitFor(() => worker.counts.commits.length === 2);
  expect(fired).toEqual([[2, 'violet:1', { of: 1 }]]);
  expect(await engine.redis().exists(keys.timers, keys.timerEvents)).toBe(0);
  expect((await inspector.overview()).events).toMatchObject({ waiting: 0, processed: 2 });
});

test('a timer is replaced by a later one with its key, and cancelled by its key', async () => {
  await sendEach((event, unit) => {
    if (event.seq === 1) {
      unit.after(3_600_000, 'kept', { topic: 'syncline.a' });
      unit.after(3_600_000, 'cleared', { topic: 'syncline.b' });
    }
    if (event.seq === 2) unit.after(7_200_000, 'kept', { topic: 'syncline.c' });
    if (event.seq === 3) unit.cancel('cleared');
  }, 3);
  const client = engine.redis();
  const timers = await client.zrange(keys.timers, '0', '-1', 'WITHSCORES');
  expect(timers).toHaveLength(2);
  expect(timers[0]).toBe('violet:1\nkept');
  expect(Number(timers[1])).toBeGreaterThan(Date.now() + 7_000_000);
  expect(await client.hgetall(keys.timerEvents)).toMatchObject({
    'violet:1\nkept': expect.stringContaining('syncline.c') as unknown,
  });
});

test('a timer does not fire before its time, whoever asks for it', async () => {
  await sendEach((_event, unit) => unit.after(3_600_000, 'later', { topic: 'syncline.later' }), 1);
  const client = engine.redis();
  const timer = 'violet:1\nlater';
  const due = Number(await client.zscore(keys.timers, timer));
  const fire = (now: number): Promise<unknown> => {
    const shared = [keys.timers, keys.timerEvents, keys.ready, keys.heads, keys.lanes, keys.log, keys.totals, keys.minute(0)];
    const own = [keys.lane('violet:1'), keys.queue('violet:1')];
    return new Script('fire', 'append').run(client, [...shared, ...own], [now, timer, 'violet:1', 100, 100]);
  };
  const look = async (now: number): Promise<unknown> => {
    const watched = [keys.timers, keys.running, keys.ready, keys.retrying, keys.heads, keys.held];
    const found = (await new Script('watch').run(client, watched, [now, 2_000, 10, 0, 10])) as unknown[];
    return found[1];
  };
  expect([await look(due - 1), await fire(due - 1)]).toEqual([[], ['gone']]);
  expect(await client.llen(keys.queue('violet:1'))).toBe(0);
  expect(await look(due)).toEqual([timer]);
  expect(await fire(due)).toEqual(['fired', 2]);
  expect(await fire(due)).toEqual(['gone']);
});

test('a timer that a failed attempt asked for is not set', async () => {
  const acceptor = engine.acceptor();
  await acceptor.accept(request('1'));
  const worker = await engine.worker(
    deciderOf((_event, unit, { attempt }) => {
      if (attempt > 1) return;
      unit.after(3_600_000, 'never', { topic: 'syncline.never' });
      throw new Error('after its effects');
    }),
  );
  await waitFor(() => worker.counts.commits.length === 1);
  expect(await engine.redis().exists(keys.timers)).toBe(0);
});

test('a timer that came due while no worker ran fires when one does', async () => {
  const first = await sendEach((_event, unit) => unit.after(50, 'late', { topic: 'syncline.late' }), 1);
  await first.stop(1_000);
  await waitFor(async () => Number((await engine.redis().zrange(keys.timers, '0', '0', 'WITHSCORES'))[1]) < Date.now());
  const topics: string[] = [];
  await engine.worker(deciderOf((event) => void topics.push(event.topic)));
  await waitFor(() => topics.length === 1);
  expect(topics).toEqual(['syncline.late']);
});

test("an event of Syncline's own that this version does not know waits for a newer worker, uncounted", async () => {
  const worker = await sendEach((event, unit) => {
    if (event.topic === 'syncline.from-the-future') return 'unhandled';
    unit.after(0, 'future', { topic: 'syncline.from-the-future' });
    return 'processed';
  }, 1);
  await waitFor(() => worker.counts.retries === 1);
  expect(await inspector.lane('violet:1')).toMatchObject({ depth: 1, headAttempts: 0 });
  expect(worker.counts.commits).toHaveLength(1);
});

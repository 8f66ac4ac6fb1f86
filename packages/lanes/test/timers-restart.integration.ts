import { startTestRedis, type TestRedis, waitFor } from '@syncline/testkit';
import { createInspector } from '../src/inspector';
import { ShardKeys } from '../src/keys';
import { deciderOf, Engine, request, silent } from './harness';

const LANES = 40;
const TIMERS_A_LANE = 5;

let redis: TestRedis;
let engine: Engine;

beforeAll(async () => {
  redis = await startTestRedis({ appendfsync: 'always' });
});
afterAll(() => redis.stop());
beforeEach(() => {
  engine = new Engine(redis.url);
});
afterEach(() => engine.close());

test('timers that come due before, while and after Redis is killed fire once each, in the order in which they were due', async () => {
  const acceptor = engine.acceptor();
  for (let lane = 0; lane < LANES; lane++) await acceptor.accept(request(String(lane)));
  const worker = await engine.worker(
    deciderOf(async (event, unit) => {
      if (event.topic === 'REMINDER') {
        const before = ((await unit.get('reminders', 'fired')) ?? []) as number[];
        const { timer } = JSON.parse(event.body) as { timer: number };
        unit.put('reminders', 'fired', [...before, timer]);
        return;
      }
      for (let timer = 0; timer < TIMERS_A_LANE; timer++)
        unit.after(timer * 1_000, `reminder-${timer}`, { topic: 'REMINDER', payload: { timer } });
    }),
  );
  await waitFor(() => worker.counts.commits.length >= LANES);
  await redis.kill();
  await redis.restart();

  const store = engine.redis();
  const keys = new ShardKeys(engine.prefix, 0);
  await waitFor(async () => (await store.zcard(keys.timers)) === 0 && (await store.zcard(keys.heads)) === 0, {
    timeoutMs: 40_000,
  });
  const inspector = createInspector({
    redisUrl: engine.url,
    prefix: engine.prefix,
    shards: 1,
    dedupWindowMs: () => 3_600_000,
    log: silent,
  });
  engine.onClose(() => inspector.stop());
  await waitFor(() => inspector.ping().then(() => true));
  for (let lane = 0; lane < LANES; lane++) {
    const fired = await inspector.document(`violet:${lane}`, 'reminders', 'fired');
    expect(fired).toEqual(Array.from({ length: TIMERS_A_LANE }, (_, timer) => timer));
  }
}, 90_000);

test('timers fire while a flood is worked off, and do not wait for its end', async () => {
  const FLOOD = 4_000;
  const acceptor = engine.acceptor();
  const committed: string[] = [];
  await acceptor.accept(request('timed'));
  for (let sent = 0; sent < FLOOD; sent += 2_000) {
    await Promise.all(Array.from({ length: 2_000 }, (_, index) => acceptor.accept(request(`flood-${index % 20}`))));
  }
  const worker = await engine.worker(
    deciderOf((event, unit) => {
      committed.push(event.topic);
      if (event.lane === 'violet:timed' && event.topic !== 'REMINDER')
        for (let timer = 0; timer < 50; timer++) unit.after(0, String(timer), { topic: 'REMINDER' });
    }),
    { concurrency: 2, turnMaxEvents: 20 },
  );
  await waitFor(() => worker.counts.commits.length === FLOOD + 51, { timeoutMs: 60_000 });
  expect(committed.filter((topic) => topic === 'REMINDER')).toHaveLength(50);
  expect(committed.lastIndexOf('REMINDER')).toBeLessThan(FLOOD);
}, 120_000);

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
});

test('the lane of a timer that fires comes before those that wait for their next turn, and the timers after it too', async () => {
  const MERCHANTS = 200;
  const FLOOD = MERCHANTS * 60;
  const acceptor = engine.acceptor();
  await acceptor.accept(request('timed'));
  for (let sent = 0; sent < FLOOD; sent += 2_000) {
    await Promise.all(Array.from({ length: 2_000 }, (_, index) => acceptor.accept(request(`flood-${index % MERCHANTS}`))));
  }
  let floodedWhenFired = 0;
  let flooded = 0;
  const waitedFor: number[] = [];
  const worker = await engine.worker(
    deciderOf((event, unit) => {
      if (event.lane !== 'violet:timed') flooded += 1;
      else if (event.topic === 'REMINDER') waitedFor.push(flooded - floodedWhenFired);
      else for (let timer = 0; timer < 20; timer++) unit.after(timer * 20, String(timer), { topic: 'REMINDER' });
    }),
    {
      concurrency: 10,
      turnMaxEvents: 20,
      log: {
        ...silent,
        debug: (_fields, message) => {
          if (message === 'a timer fired') floodedWhenFired = flooded;
        },
      },
    },
  );
  await waitFor(() => worker.counts.commits.length === FLOOD + 21);
  // Behind the lanes that wait it would be 4,000.
  expect(Math.max(...waitedFor)).toBeLessThan(1_500);
  expect(waitedFor).toHaveLength(20);
  expect(worker.counts.rescues).toEqual({ lease: 0, arming: 0 });
});

test('a timer makes at most two turns of its lane urgent: other merchants do not wait for all that stands before it', async () => {
  const acceptor = engine.acceptor();
  const order: string[] = [];
  const worker = await engine.worker(
    deciderOf(async (event, unit) => {
      order.push(event.lane);
      if (event.topic === 'FIRST') {
        unit.after(0, 'reminder', { topic: 'REMINDER' });
        for (let index = 0; index < 8; index++) await acceptor.accept(request(`other-${index}`));
        for (let index = 0; index < 5; index++) await acceptor.accept(request('timed'));
      }
      // Longer than a turn may take: each event of the lane has a turn of its own.
      await new Promise((resolve) => setTimeout(resolve, event.lane === 'violet:timed' ? 520 : 300));
    }),
    { concurrency: 1 },
  );
  await acceptor.accept(request('timed', { topic: 'FIRST' }));
  await waitFor(() => worker.counts.commits.length === 15);
  const before = order.slice(
    0,
    order.findLastIndex((lane) => lane !== 'violet:timed'),
  );
  expect(before.filter((lane) => lane === 'violet:timed').length).toBeLessThanOrEqual(3);
}, 60_000);

import { PermanentError } from '@syncline/events';
import { startTestRedis, type TestRedis, waitFor } from '@syncline/testkit';
import { createInspector, type Inspector } from '../src/inspector';
import { ShardKeys } from '../src/keys';
import { createOperator, type Operator } from '../src/operator';
import { deciderOf, Engine, request, silent } from './harness';

let redis: TestRedis;
let engine: Engine;
let operator: Operator;
let inspector: Inspector;

beforeAll(async () => {
  redis = await startTestRedis();
});
afterAll(() => redis.stop());
beforeEach(async () => {
  engine = new Engine(redis.url);
  const settings = { redisUrl: engine.url, prefix: engine.prefix, shards: 1, dedupWindowMs: () => 3_600_000, log: silent };
  operator = createOperator(settings);
  inspector = createInspector(settings);
  engine.onClose(() => operator.stop());
  engine.onClose(() => inspector.stop());
  await waitFor(async () => !(await operator.discard('0.1.1')) && (await inspector.lane('violet:1')) === undefined);
});
afterEach(() => engine.close());

async function history() {
  const { items } = await inspector.history('violet:1', { limit: 100 });
  return items.map(({ seq, outcome, replayed }) => `${seq} ${outcome}${replayed ? ' replayed' : ''}`);
}

test('a paused lane keeps what arrives and attempts nothing until it is resumed', async () => {
  const acceptor = engine.acceptor();
  await acceptor.accept(request('1'));
  expect(await operator.act('violet:1', 'pause')).toBe('done');
  const worker = await engine.worker(deciderOf(() => undefined));
  await acceptor.accept(request('1'));
  await acceptor.accept(request('2'));
  await waitFor(() => worker.counts.commits.length === 1);
  expect(await inspector.lane('violet:1')).toMatchObject({ state: 'paused', depth: 2 });
  expect((await inspector.overview()).lanes).toMatchObject({ paused: 1, idle: 1 });

  expect(await operator.act('violet:1', 'resume')).toBe('done');
  await waitFor(() => worker.counts.commits.length === 3);
  expect(await inspector.lane('violet:1')).toMatchObject({ state: 'idle', depth: 0 });
  expect((await inspector.overview()).lanes).toMatchObject({ paused: 0, idle: 2 });
});

test('an empty lane can be paused, and goes on with the first event after it is resumed', async () => {
  const acceptor = engine.acceptor();
  await acceptor.accept(request('1'));
  const worker = await engine.worker(deciderOf(() => undefined));
  await waitFor(() => worker.counts.commits.length === 1);
  expect(await operator.act('violet:1', 'pause')).toBe('done');
  expect(await operator.act('violet:1', 'resume')).toBe('done');
  await acceptor.accept(request('1'));
  await waitFor(() => worker.counts.commits.length === 2);
});

test('a lane that was never seen is unknown to every verb', async () => {
  for (const verb of ['pause', 'resume', 'retry-head', 'skip-head'] as const) {
    expect(await operator.act('violet:never', verb)).toBe('unknown');
  }
});

test('a lane that waits for its retry is attempted at once when it was paused and is resumed', async () => {
  const acceptor = engine.acceptor();
  await acceptor.accept(request('1'));
  let attempts = 0;
  const worker = await engine.worker(
    deciderOf(() => {
      if (++attempts === 1) throw Object.assign(new Error('later'), { retryAfterMs: 3_600_000 });
    }),
  );
  await waitFor(async () => (await inspector.lane('violet:1'))?.state === 'retrying');
  expect(await operator.act('violet:1', 'pause')).toBe('done');
  expect(await operator.act('violet:1', 'resume')).toBe('done');
  await waitFor(() => worker.counts.commits.length === 1);
  expect(worker.counts.rescues).toEqual({ lease: 0, arming: 0 });
});

test('a discarded event says so', async () => {
  const acceptor = engine.acceptor();
  const one = request('1');
  await acceptor.accept(one);
  const worker = await engine.worker(
    deciderOf(() => {
      throw new PermanentError('broken');
    }),
  );
  await waitFor(() => worker.counts.commits.length === 1);
  const [letter] = (await inspector.deadLetters({}, { limit: 1 })).items;
  await operator.discard(letter?.id ?? '');
  expect(await inspector.event('violet', one.event.eventId)).toMatchObject({ state: 'discarded' });
});

test('a blocked head is attempted again when an operator says so, and passes once its cause is gone', async () => {
  const acceptor = engine.acceptor();
  await acceptor.accept(request('1'));
  await acceptor.accept(request('1'));
  let broken = true;
  const worker = await engine.worker(
    deciderOf(() => {
      if (broken) throw new PermanentError('broken');
    }),
    { failurePolicy: () => 'block' },
  );
  await waitFor(async () => (await inspector.lane('violet:1'))?.state === 'blocked');
  expect(await operator.act('violet:1', 'retry-head')).toBe('done');
  await waitFor(async () => (await inspector.lane('violet:1'))?.headAttempts === 2);
  await waitFor(async () => (await inspector.lane('violet:1'))?.state === 'blocked');
  broken = false;
  expect(await operator.act('violet:1', 'retry-head')).toBe('done');
  await waitFor(() => worker.counts.commits.length === 2);
  expect(await history()).toEqual(['1 processed', '2 processed']);
});

test('a skipped head is discarded, and the lane goes on', async () => {
  const acceptor = engine.acceptor();
  for (let index = 0; index < 3; index++) await acceptor.accept(request('1'));
  const worker = await engine.worker(
    deciderOf((event) => {
      if (event.seq === 1) throw new PermanentError('broken');
    }),
    { failurePolicy: () => 'block' },
  );
  await waitFor(async () => (await inspector.lane('violet:1'))?.state === 'blocked');
  expect(await operator.act('violet:1', 'skip-head')).toBe('done');
  await waitFor(() => worker.counts.commits.length === 2);
  expect(await history()).toEqual(['1 discarded', '2 processed', '3 processed']);
  expect(await operator.act('violet:1', 'skip-head')).toBe('empty');
});

test('a skip that names its head leaves any other alone', async () => {
  const acceptor = engine.acceptor();
  await acceptor.accept(request('1'));
  await acceptor.accept(request('1'));
  await operator.act('violet:1', 'pause');
  expect(await operator.act('violet:1', 'skip-head', { seq: 2 })).toBe('moved');
  expect(await operator.act('violet:1', 'skip-head', { seq: 1 })).toBe('done');
  expect(await operator.act('violet:1', 'skip-head', { seq: 1 })).toBe('moved');
  expect(await history()).toEqual(['1 discarded']);
});

test('the ages of events to be taken, retrying and held are told apart', async () => {
  const acceptor = engine.acceptor();
  const ago = (seconds: number) => ({ receivedAt: Date.now() - seconds * 1_000 });
  const overview = async () => {
    const { oldestWaitingMs, oldestRetryingMs, oldestHeldMs } = await inspector.overview();
    return [oldestWaitingMs, oldestRetryingMs, oldestHeldMs].map((ms) => Math.round(ms / 100_000) * 100);
  };
  expect(await overview()).toEqual([0, 0, 0]);
  await acceptor.accept(request('1', ago(300)));
  await operator.act('violet:1', 'pause');
  expect(await overview()).toEqual([0, 0, 300]);

  const worker = await engine.worker(
    deciderOf(() => {
      throw Object.assign(new Error('later'), { retryAfterMs: 60_000 });
    }),
  );
  await acceptor.accept(request('2', ago(200)));
  await waitFor(async () => (await inspector.overview()).lanes.retrying === 1);
  expect(await overview()).toEqual([0, 200, 300]);
  await worker.stop(1_000);
  await acceptor.accept(request('3', ago(100)));
  expect(await overview()).toEqual([100, 200, 300]);
});

test('what is remembered of a replay goes with its item in the bounded history', async () => {
  const acceptor = engine.acceptor();
  const worker = await engine.worker(
    deciderOf((event) => {
      if (event.seq === 1) throw new PermanentError('broken');
    }),
    { historyMaxItems: 3 },
  );
  await acceptor.accept(request('1'));
  await waitFor(() => worker.counts.commits.length === 1);
  expect(await operator.replay('0.1.1')).toBe('replayed');
  await waitFor(() => worker.counts.commits.length === 2);
  expect(await operator.replay('0.1.1')).toBe('replayed');
  await waitFor(() => worker.counts.commits.length === 3);
  const store = engine.redis();
  const replayed = new ShardKeys(engine.prefix, 0).replayed('violet:1');
  for (let index = 0; index < 2; index++) await acceptor.accept(request('1'));
  await waitFor(() => worker.counts.commits.length === 5);
  expect(await history()).toEqual(['1 dead replayed', '2 processed', '3 processed']);
  expect(await store.hgetall(replayed)).toEqual({ 1: '3' });
  await acceptor.accept(request('1'));
  await waitFor(() => worker.counts.commits.length === 6);
  expect(await store.exists(replayed)).toBe(0);
});

test('a running lane is left alone unless forced, and a forced skip fences the turn that runs', async () => {
  const acceptor = engine.acceptor();
  await acceptor.accept(request('1'));
  await acceptor.accept(request('1'));
  let release = (): void => undefined;
  let attempts = 0;
  const worker = await engine.worker(
    deciderOf(async (event) => {
      attempts++;
      if (event.seq === 1) await new Promise<void>((resolve) => (release = resolve));
    }),
  );
  await waitFor(() => attempts === 1);
  for (const verb of ['pause', 'resume', 'retry-head', 'skip-head'] as const)
    expect(await operator.act('violet:1', verb)).toBe('running');
  expect(await operator.act('violet:1', 'skip-head', { force: true })).toBe('done');
  release();
  await waitFor(() => worker.counts.commits.length === 1 && worker.counts.fencedCommits === 1);
  expect(await history()).toEqual(['1 discarded', '2 processed']);
});

test('a replayed dead letter is processed before what waits, keeps its identity, and is marked', async () => {
  const acceptor = engine.acceptor();
  const requests = [request('1'), request('1'), request('1')];
  for (const one of requests) await acceptor.accept(one);
  let broken = true;
  const decided: number[] = [];
  const worker = await engine.worker(
    deciderOf((event, unit) => {
      if (broken && event.seq === 1) throw new PermanentError('broken');
      decided.push(event.seq);
      unit.put('offers', `of-${event.seq}`, {});
    }),
  );
  await waitFor(() => worker.counts.commits.length === 3);
  const [letter] = (await inspector.deadLetters({}, { limit: 1 })).items;
  const id = letter?.id ?? '';
  broken = false;
  await operator.act('violet:1', 'pause');
  expect(await operator.replay(id)).toBe('replayed');
  await acceptor.accept(request('1'));
  expect(await inspector.event('violet', requests[0]?.event.eventId ?? '')).toMatchObject({ state: 'waiting', seq: 1 });
  expect(await inspector.lane('violet:1')).toMatchObject({ depth: 2 });
  await operator.act('violet:1', 'resume');
  await waitFor(() => worker.counts.commits.length === 5);
  expect(decided).toEqual([2, 3, 1, 4]);
  expect(await history()).toEqual(['1 dead', '2 processed', '3 processed', '1 processed replayed', '4 processed']);
  expect(await inspector.event('violet', requests[0]?.event.eventId ?? '')).toMatchObject({ state: 'processed', seq: 1 });
  expect(await inspector.event('violet', requests[2]?.event.eventId ?? '')).toMatchObject({ state: 'processed', seq: 3 });
  expect(await operator.replay(id)).toBe('unknown');
  expect((await inspector.overview()).events).toMatchObject({ waiting: 0, processed: 4 });
  expect(worker.counts.violations).toEqual([]);
});

test('a replay put in while the lane decides its last event comes right after it', async () => {
  const acceptor = engine.acceptor();
  let broken = true;
  let id = '';
  const worker = await engine.worker(
    deciderOf(async (event) => {
      if (broken) throw new PermanentError('broken');
      if (event.seq === 2) expect(await operator.replay(id)).toBe('replayed');
    }),
  );
  await acceptor.accept(request('1'));
  await waitFor(() => worker.counts.commits.length === 1);
  id = (await inspector.deadLetters({}, { limit: 1 })).items[0]?.id ?? '';
  broken = false;
  await acceptor.accept(request('1'));
  await waitFor(() => worker.counts.commits.length === 3);
  expect(await history()).toEqual(['1 dead', '2 processed', '1 processed replayed']);
  expect(worker.counts.rescues).toEqual({ lease: 0, arming: 0 });
});

test('a replay that meets a newer state is superseded and changes nothing', async () => {
  const acceptor = engine.acceptor();
  await acceptor.accept(request('1'));
  await acceptor.accept(request('1'));
  let broken = true;
  const worker = await engine.worker(
    deciderOf((event, unit) => {
      if (broken && event.seq === 1) throw new PermanentError('broken');
      unit.put('offers', 'same', { by: event.seq });
    }),
  );
  await waitFor(() => worker.counts.commits.length === 2);
  broken = false;
  const [letter] = (await inspector.deadLetters({}, { limit: 1 })).items;
  await operator.replay(letter?.id ?? '');
  await waitFor(() => worker.counts.commits.length === 3);
  expect(await history()).toEqual(['1 dead', '2 processed', '1 superseded replayed']);
  expect(await inspector.document('violet:1', 'offers', 'same')).toEqual({ by: 2 });
});

test('a replay does not bring back what was removed meanwhile, as far back as history goes', async () => {
  const acceptor = engine.acceptor();
  await acceptor.accept(request('1'));
  await acceptor.accept(request('1', { topic: 'PUT' }));
  await acceptor.accept(request('1', { topic: 'REMOVE' }));
  let broken = true;
  const worker = await engine.worker(
    deciderOf((event, unit) => {
      if (broken && event.seq === 1) throw new PermanentError('broken');
      if (event.topic === 'REMOVE') unit.delete('offers', 'same');
      else unit.put('offers', 'same', { by: event.seq });
    }),
    { historyMaxItems: 3 },
  );
  await waitFor(() => worker.counts.commits.length === 3);
  broken = false;
  const [letter] = (await inspector.deadLetters({}, { limit: 1 })).items;
  await operator.replay(letter?.id ?? '');
  await waitFor(() => worker.counts.commits.length === 4);
  expect(await history()).toEqual(['2 processed', '3 processed', '1 superseded replayed']);
  expect(await inspector.document('violet:1', 'offers', 'same')).toBeUndefined();

  // A later event may bring it back, and the removals that are remembered are bounded.
  await acceptor.accept(request('1', { topic: 'PUT' }));
  await waitFor(() => worker.counts.commits.length === 5);
  expect(await inspector.document('violet:1', 'offers', 'same')).toEqual({ by: 4 });
  const client = engine.redis();
  const removed = new ShardKeys(engine.prefix, 0).removed('violet:1');
  await client.zadd(removed, ...Array.from({ length: 20 }, (_, index) => [String(-index), `old ${index}`]).flat());
  await acceptor.accept(request('1', { topic: 'REMOVE' }));
  await waitFor(() => worker.counts.commits.length === 6);
  expect(await client.zrange(removed, '0', '-1')).toHaveLength(3);
  expect(await client.pttl(removed)).toBeGreaterThan(0);
});

test('a replay has one attempt: when it fails it is a dead letter again, and holds up nothing', async () => {
  const acceptor = engine.acceptor();
  await acceptor.accept(request('1'));
  const worker = await engine.worker(
    deciderOf(() => {
      throw new Error('still broken');
    }),
    { retry: { maxAttempts: 1, baseMs: 1, factor: 1, capMs: 1, jitter: 0 }, failurePolicy: () => 'park' },
  );
  await waitFor(() => worker.counts.commits.length === 1);
  const [letter] = (await inspector.deadLetters({}, { limit: 1 })).items;
  await operator.replay(letter?.id ?? '');
  await waitFor(() => worker.counts.commits.length === 2);
  expect((await inspector.deadLetters({}, { limit: 10 })).items).toMatchObject([{ id: letter?.id }]);
  expect(await inspector.lane('violet:1')).toMatchObject({ state: 'idle', depth: 0 });
});

test('dead letters are replayed by filter, after a dry run that counts and changes nothing', async () => {
  const acceptor = engine.acceptor();
  for (let index = 0; index < 6; index++) await acceptor.accept(request(String(index), { topic: index % 2 ? 'ODD' : 'EVEN' }));
  let broken = true;
  const worker = await engine.worker(
    deciderOf(() => {
      if (broken) throw new PermanentError('broken');
    }),
  );
  await waitFor(() => worker.counts.commits.length === 6);
  broken = false;
  expect(await operator.replayAll({ topic: 'ODD' }, { limit: 10, dryRun: true })).toEqual({ matched: 3, replayed: 0 });
  expect((await inspector.deadLetters({}, { limit: 10 })).items).toHaveLength(6);
  expect(await operator.replayAll({ topic: 'ODD' }, { limit: 2, dryRun: false })).toEqual({ matched: 2, replayed: 2 });
  await waitFor(() => worker.counts.commits.length === 8);
  expect((await inspector.deadLetters({}, { limit: 10 })).items).toHaveLength(4);
});

test('a discarded dead letter is gone', async () => {
  const acceptor = engine.acceptor();
  await acceptor.accept({ ...request('_'), quarantine: { reason: 'unparseable', message: 'no' } });
  const [letter] = (await inspector.deadLetters({}, { limit: 1 })).items;
  expect(await operator.replay(letter?.id ?? '')).toBe('placeless');
  expect(await operator.discard(letter?.id ?? '')).toBe(true);
  expect(await operator.discard(letter?.id ?? '')).toBe(false);
  expect(await inspector.deadLetter(letter?.id ?? '')).toBeUndefined();
});

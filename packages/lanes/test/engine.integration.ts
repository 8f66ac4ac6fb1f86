import { defaultRetryPolicy, PermanentError, RetryAfterError, type SequencedEvent } from '@syncline/events';
import { startTestRedis, type TestRedis, waitFor } from '@syncline/testkit';
import { createInspector } from '../src/inspector';
import { ShardKeys } from '../src/keys';
import { deciderOf, Engine, request, silent } from './harness';

let redis: TestRedis;
let engine: Engine;

beforeAll(async () => {
  redis = await startTestRedis();
});
afterAll(() => redis.stop());
beforeEach(() => {
  engine = new Engine(redis.url);
});
afterEach(() => engine.close());

function inspector(shards = 1) {
  const made = createInspector({
    redisUrl: engine.url,
    prefix: engine.prefix,
    shards,
    dedupWindowMs: () => 3_600_000,
    log: silent,
  });
  engine.onClose(() => made.stop());
  return made;
}

async function readyInspector(shards = 1) {
  const made = inspector(shards);
  await waitFor(() =>
    made.ping().then(
      () => true,
      () => false,
    ),
  );
  return made;
}

test('every accepted event is decided once and in order of receipt', async () => {
  const decided: SequencedEvent[] = [];
  const acceptor = engine.acceptor();
  const requests = Array.from({ length: 500 }, (_, index) => request(String(index % 7)));
  const results = await Promise.all(requests.map((one) => acceptor.accept(one)));
  expect(results.every(({ status }) => status === 'accepted')).toBe(true);

  const worker = await engine.worker(deciderOf((event) => void decided.push(event)));
  await waitFor(() => decided.length >= 500);
  for (let lane = 0; lane < 7; lane++) {
    const sent = requests.filter(({ event }) => event.lane === `violet:${lane}`).map(({ event }) => event.eventId);
    const seen = decided.filter((event) => event.lane === `violet:${lane}`).map((event) => event.eventId);
    expect(seen).toEqual(sent);
  }
  expect(worker.counts.violations).toEqual([]);
});

test('shards keep the order of every lane, and another shard count is refused', async () => {
  const decided: SequencedEvent[] = [];
  const acceptor = engine.acceptor({ shards: 4 });
  const requests = Array.from({ length: 200 }, (_, index) => request(String(index % 20)));
  for (const one of requests) await acceptor.accept(one);
  await engine.worker(
    deciderOf((event) => void decided.push(event)),
    { shards: 4 },
  );
  await waitFor(() => decided.length === 200);
  for (let lane = 0; lane < 20; lane++) {
    const seen = decided.filter((event) => event.lane === `violet:${lane}`).map(({ seq }) => seq);
    expect(seen).toEqual(seen.map((_, index) => index + 1));
  }
  await expect(
    engine.worker(
      deciderOf(() => undefined),
      { shards: 2 },
    ),
  ).rejects.toThrow('Expected SHARDS=4, got 2');
});

test('an event that fails keeps its place: the later ones wait for its retries', async () => {
  const decided: string[] = [];
  const acceptor = engine.acceptor();
  const [first, second, third] = [request('1'), request('1'), request('1')];
  for (const one of [first, second, third]) await acceptor.accept(one);
  const worker = await engine.worker(
    deciderOf((event, _unit, { attempt }) => {
      if (event.seq === 2 && attempt <= 3) throw new Error('not yet');
      decided.push(`${event.eventId} after ${attempt}`);
    }),
  );
  await waitFor(() => worker.counts.commits.length === 3);
  expect(decided).toEqual([
    `${first.event.eventId} after 1`,
    `${second.event.eventId} after 4`,
    `${third.event.eventId} after 1`,
  ]);
  expect(worker.counts.retries).toBe(3);
});

test('the same event is accepted once, however often and however close together it is delivered', async () => {
  const acceptor = engine.acceptor();
  const one = request('1');
  const results = await Promise.all(Array.from({ length: 50 }, () => acceptor.accept(one)));
  expect(results.filter(({ status }) => status === 'accepted')).toHaveLength(1);
  expect(results.filter(({ status }) => status === 'duplicate')).toHaveLength(49);
});

test('a copy under another id is a duplicate of its source event, and its id finds that event', async () => {
  const acceptor = engine.acceptor();
  const one = request('1');
  await acceptor.accept(one);
  const copy = { ...one, aliases: ['copy-7'] };
  expect(await acceptor.accept(copy)).toEqual({ status: 'duplicate' });
  expect(await (await readyInspector()).event('violet', 'copy-7')).toMatchObject({
    eventId: one.event.eventId,
    seq: 1,
    state: 'waiting',
  });
});

test('a source event that comes after its copy is a duplicate', async () => {
  const acceptor = engine.acceptor();
  const original = request('1');
  expect(await acceptor.accept({ ...original, aliases: ['copy-1'] })).toEqual({ status: 'accepted' });
  expect(await acceptor.accept(original)).toEqual({ status: 'duplicate' });
  expect(await acceptor.accept({ ...original, event: { ...original.event, eventId: 'copy-1' } })).toEqual({
    status: 'duplicate',
  });
});

test('an id is new again when its window is over', async () => {
  const acceptor = engine.acceptor();
  const one = request('1');
  expect(await acceptor.accept(one)).toEqual({ status: 'accepted' });
  const client = engine.redis();
  for (const key of await client.keys(`${new ShardKeys(engine.prefix, 0).base}:seen:*`)) {
    const [digest] = await client.hkeysBuffer(key);
    const value = await client.hgetBuffer(key, digest ?? Buffer.alloc(0));
    if (!digest || !value) throw new Error('Expected a remembered id');
    value.writeUIntBE((value.readUIntBE(9, 3) - 3_601 + 2 ** 24) % 2 ** 24, 9, 3);
    await client.hset(key, digest, value);
  }
  expect(await acceptor.accept(one)).toEqual({ status: 'accepted' });
});

test('an id is still known when the clock of the store goes back', async () => {
  const acceptor = engine.acceptor();
  const one = request('1');
  await acceptor.accept(one);
  const client = engine.redis();
  for (const key of await client.keys(`${new ShardKeys(engine.prefix, 0).base}:seen:*`)) {
    const [digest] = await client.hkeysBuffer(key);
    const value = await client.hgetBuffer(key, digest ?? Buffer.alloc(0));
    if (!digest || !value) throw new Error('Expected a remembered id');
    value.writeUIntBE((value.readUIntBE(9, 3) + 90) % 2 ** 24, 9, 3);
    await client.hset(key, digest, value);
  }
  expect(await acceptor.accept(one)).toEqual({ status: 'duplicate' });
});

test('a body that is nested too deep to be written as JSON is read as text', async () => {
  const acceptor = engine.acceptor();
  const body = `{"merchant_id":1,"x":${'['.repeat(20_000)}${']'.repeat(20_000)}}`;
  await acceptor.accept(request('1', { eventId: 'deep', body }));
  expect(await (await readyInspector()).event('violet', 'deep')).toMatchObject({ payload: body });
});

test('lanes that were armed last before a shutdown have their turn job', async () => {
  const acceptor = engine.acceptor();
  await acceptor.accept(request('1'));
  await acceptor.accept(request('2'));
  await acceptor.stop(30_000);
  const client = engine.redis();
  expect(await client.llen(`${new ShardKeys(engine.prefix, 0).base}:turns:wait`)).toBe(2);
});

test('a quarantined event is a dead letter with its body, known again, and in no lane', async () => {
  const acceptor = engine.acceptor();
  const broken = { ...request('_', { body: '{"id":' }), quarantine: { reason: 'unparseable', message: 'not JSON' } };
  expect(await acceptor.accept(broken)).toEqual({ status: 'accepted' });
  expect(await acceptor.accept(broken)).toEqual({ status: 'duplicate' });
  const inspect = await readyInspector();
  const { items } = await inspect.deadLetters({}, { limit: 10 });
  expect(items).toMatchObject([{ reason: 'unparseable', eventId: broken.event.eventId, payload: null, attempts: 0 }]);
  expect(await inspect.deadLetter(items[0]?.id ?? '')).toMatchObject({ payload: '{"id":' });
  expect(await inspect.event('violet', broken.event.eventId)).toMatchObject({ state: 'dead', seq: null, payload: '{"id":' });
  expect((await inspect.lanes({ limit: 10 })).items).toEqual([]);
});

test('one record that the store refuses fails alone: the others of its batch are accepted', async () => {
  const acceptor = engine.acceptor({ acceptTimeoutMs: 3_000, tryTimeoutMs: 1_000 });
  await acceptor.accept(request('1'));
  await engine.redis().set(new ShardKeys(engine.prefix, 0).queue('violet:damaged'), 'not a list');
  const results = await Promise.all([request('1'), request('damaged'), request('2')].map((one) => acceptor.accept(one)));
  expect(results.map(({ status }) => status)).toEqual(['accepted', 'timeout', 'accepted']);
});

test('a permanent failure is a dead letter at once, and the lane goes on', async () => {
  const acceptor = engine.acceptor();
  const requests = [request('1'), request('1'), request('1')];
  for (const one of requests) await acceptor.accept(one);
  const worker = await engine.worker(
    deciderOf((event) => {
      if (event.seq === 2) throw new PermanentError('no such thing', { reason: 'invalid' });
    }),
  );
  await waitFor(() => worker.counts.commits.length === 3);
  expect(worker.counts.commits.map(({ outcome }) => outcome)).toEqual(['processed', 'dead', 'processed']);
  const inspect = await readyInspector();
  const { items } = await inspect.deadLetters({ reason: 'invalid' }, { limit: 10 });
  expect(items).toMatchObject([{ eventId: requests[1]?.event.eventId, message: 'no such thing', attempts: 1 }]);
  expect(await inspect.event('violet', requests[1]?.event.eventId ?? '')).toMatchObject({
    state: 'dead',
    error: 'no such thing',
    seq: 2,
  });
});

test('an event that fails as often as it may is a dead letter, and the lane goes on', async () => {
  const acceptor = engine.acceptor();
  for (const one of [request('1'), request('1')]) await acceptor.accept(one);
  const worker = await engine.worker(
    deciderOf((event) => {
      if (event.seq === 1) throw new Error('never');
    }),
    { retry: { maxAttempts: 3, baseMs: 5, factor: 2, capMs: 10, jitter: 1 } },
  );
  await waitFor(() => worker.counts.commits.length === 2);
  expect(worker.counts.retries).toBe(2);
  expect((await (await readyInspector()).deadLetters({}, { limit: 10 })).items).toMatchObject([
    { reason: 'exhausted', attempts: 3 },
  ]);
});

test('the block policy holds the lane at its head, and events go on being accepted', async () => {
  const acceptor = engine.acceptor();
  for (const one of [request('1'), request('1'), request('2')]) await acceptor.accept(one);
  const worker = await engine.worker(
    deciderOf((event) => {
      if (event.lane === 'violet:1') throw new PermanentError('hold');
    }),
    { failurePolicy: () => 'block' },
  );
  const inspect = await readyInspector();
  await waitFor(async () => (await inspect.lane('violet:1'))?.state === 'blocked');
  await waitFor(() => worker.counts.commits.length === 1);
  expect(await acceptor.accept(request('1'))).toEqual({ status: 'accepted' });
  expect(await inspect.lane('violet:1')).toMatchObject({ state: 'blocked', depth: 3, headAttempts: 1, lastError: 'hold' });
  expect((await inspect.overview()).lanes).toMatchObject({ blocked: 1, idle: 1 });
});

test('an error can set the delay before the next attempt, and status tells attempts, error and next time', async () => {
  const acceptor = engine.acceptor();
  const one = request('1');
  await acceptor.accept(one);
  await engine.worker(
    deciderOf(() => {
      throw new RetryAfterError('come back later', 3_600_000);
    }),
  );
  const inspect = await readyInspector();
  await waitFor(async () => (await inspect.lane('violet:1'))?.state === 'retrying');
  const status = await inspect.lane('violet:1');
  expect(status).toMatchObject({ depth: 1, headAttempts: 1, lastError: 'come back later' });
  expect((status?.nextAttemptAt ?? 0) - Date.now()).toBeGreaterThan(3_500_000);
  expect(await inspect.event('violet', one.event.eventId)).toMatchObject({
    state: 'retrying',
    attempts: 1,
    error: 'come back later',
    nextAttemptAt: status?.nextAttemptAt,
  });
  expect((await inspect.overview()).events).toMatchObject({ retrying: 1, waiting: 0 });
});

test('an event that its handler puts off keeps all its attempts, however often that happens', async () => {
  const acceptor = engine.acceptor();
  await acceptor.accept(request('1'));
  const attempts: number[] = [];
  const { counts } = await engine.worker(
    deciderOf((_event, _unit, { attempt }) => {
      attempts.push(attempt);
      if (attempts.length <= 4) throw new RetryAfterError('not my turn', 1, { counts: false });
      if (attempts.length <= 6) throw new Error('tried in vain');
      throw new RetryAfterError('not my turn', 1, { counts: attempts.length > 7 });
    }),
    { retry: { ...defaultRetryPolicy, maxAttempts: 3, baseMs: 1, capMs: 1 } },
  );
  await waitFor(() => counts.commits.length === 1);
  expect(attempts).toEqual([1, 1, 1, 1, 1, 2, 3, 3]);
  expect(counts.commits).toEqual([{ seq: 1, outcome: 'dead' }]);
});

test('a handler over its time is retried, and what it asks for afterwards has no effect', async () => {
  const acceptor = engine.acceptor();
  await acceptor.accept(request('1'));
  let late: unknown;
  const worker = await engine.worker(
    deciderOf(async (_event, unit, { attempt, signal }) => {
      if (attempt > 1) return;
      await new Promise((resolve) => signal.addEventListener('abort', resolve));
      try {
        unit.put('offers', '1', {});
      } catch (error) {
        late = error;
      }
    }),
    { handlerTimeoutMs: 50 },
  );
  await waitFor(() => worker.counts.commits.length === 1);
  expect(worker.counts.retries).toBe(1);
  expect(String(late)).toMatch(/Expected effects before the handler ended/);
  expect(await engine.redis().exists(new ShardKeys(engine.prefix, 0).documents('violet:1', 'offers'))).toBe(0);
});

test('the effects of a failed attempt do not happen, and a later event of the run sees those of the earlier ones', async () => {
  const acceptor = engine.acceptor();
  for (let index = 0; index < 4; index++) await acceptor.accept(request('1'));
  const seen: unknown[] = [];
  const worker = await engine.worker(
    deciderOf(async (event, unit, { attempt }) => {
      const sum = ((await unit.get('offers', 'sum')) as number | undefined) ?? 0;
      seen.push([event.seq, attempt, sum]);
      unit.put('offers', 'sum', sum + event.seq);
      unit.put('offers', `only-${event.seq}-${attempt}`, true);
      if (event.seq === 3 && attempt === 1) throw new Error('after its effects');
    }),
  );
  await waitFor(() => worker.counts.commits.length === 4);
  expect(seen).toEqual([
    [1, 1, 0],
    [2, 1, 1],
    [3, 1, 3],
    [3, 2, 3],
    [4, 1, 6],
  ]);
  const inspect = await readyInspector();
  expect(await inspect.document('violet:1', 'offers', 'sum')).toBe(10);
  expect(await inspect.document('violet:1', 'offers', 'only-3-1')).toBeUndefined();
});

test('an event whose handler acts outside is committed before the next one begins', async () => {
  const acceptor = engine.acceptor();
  for (let index = 0; index < 4; index++) await acceptor.accept(request('1'));
  const inspect = await readyInspector();
  const committedBefore: number[] = [];
  const worker = await engine.worker(
    deciderOf(
      async () => {
        committedBefore.push((await inspect.history('violet:1', { limit: 10 })).items.length);
      },
      (event) => event.seq >= 3,
    ),
  );
  await waitFor(() => worker.counts.commits.length === 4);
  expect(committedBefore).toEqual([0, 0, 2, 3]);
});

test('a body of megabytes is kept apart, reaches its handler whole, and goes with its event', async () => {
  const acceptor = engine.acceptor();
  const body = JSON.stringify({ text: 'é'.repeat(1_000_000) });
  await acceptor.accept(request('1', { body }));
  await acceptor.accept(request('1'));
  const client = engine.redis();
  expect(await client.keys(`*${engine.prefix}*:body:*`)).toHaveLength(1);
  const bodies: string[] = [];
  const worker = await engine.worker(deciderOf((event) => void bodies.push(event.body)));
  await waitFor(() => worker.counts.commits.length === 2);
  expect(bodies[0]).toBe(body);
  expect(await client.keys(`*${engine.prefix}*:body:*`)).toEqual([]);
});

test('a lane whose head ends the worker again and again loses only that event, as crashed', async () => {
  const acceptor = engine.acceptor();
  for (let index = 0; index < 3; index++) await acceptor.accept(request('1'));
  await engine.redis().hset(new ShardKeys(engine.prefix, 0).lane('violet:1'), 'crashes', 5);
  const decided: number[] = [];
  const worker = await engine.worker(deciderOf((event) => void decided.push(event.seq)));
  await waitFor(() => worker.counts.commits.length === 3);
  expect(decided).toEqual([2, 3]);
  expect((await (await readyInspector()).deadLetters({}, { limit: 10 })).items).toMatchObject([{ reason: 'crashed' }]);
});

test('a lane that crashed twice runs alone, one event at a time', async () => {
  const acceptor = engine.acceptor();
  for (let index = 0; index < 3; index++) await acceptor.accept(request('1'));
  await engine.redis().hset(new ShardKeys(engine.prefix, 0).lane('violet:1'), 'crashes', 2);
  const inspect = await readyInspector();
  const committedBefore: number[] = [];
  const worker = await engine.worker(
    deciderOf(async () => {
      committedBefore.push((await inspect.history('violet:1', { limit: 10 })).items.length);
    }),
  );
  await waitFor(() => worker.counts.commits.length === 3);
  expect(committedBefore).toEqual([0, 1, 1]);
});

test('a turn takes what arrives while it runs, up to its number of events', async () => {
  const acceptor = engine.acceptor();
  const lane = new ShardKeys(engine.prefix, 0).lane('violet:1');
  const turns: (string | null)[] = [];
  await acceptor.accept(request('1'));
  const worker = await engine.worker(
    deciderOf(async (event) => {
      turns.push(await engine.redis().hget(lane, 'turn'));
      if (event.seq < 5) await acceptor.accept(request('1'));
    }),
    { turnMaxEvents: 3 },
  );
  await waitFor(() => worker.counts.commits.length === 5);
  expect(turns).toEqual(['1', '1', '1', '2', '2']);
});

test('a minute of backlog behind slow handlers makes no rescues: what waits in the queue is not lost', async () => {
  const LANES = 60;
  const acceptor = engine.acceptor();
  for (let index = 0; index < LANES; index++) await acceptor.accept(request(String(index)));
  await acceptor.stop(1_000);
  // As if the lanes had been armed one a second, for a minute, without a worker.
  const client = engine.redis();
  const keys = new ShardKeys(engine.prefix, 0);
  const jobIds = (await client.lrange(`${keys.base}:turns:wait`, 0, -1)).reverse();
  expect(jobIds).toHaveLength(LANES);
  for (const [index, jobId] of jobIds.entries()) {
    const armedAt = Date.now() - (LANES - index) * 1_000;
    const { data = '' } = await client.hgetall(`${keys.base}:turns:${jobId}`);
    const [[lane]] = (JSON.parse(data) as { lanes: [[string]] }).lanes;
    await client.zadd(keys.ready, armedAt, lane);
    await client.hset(`${keys.base}:turns:${jobId}`, 'timestamp', armedAt);
  }
  const worker = await engine.worker(
    deciderOf(() => new Promise((resolve) => setTimeout(resolve, 60))),
    { concurrency: 1 },
  );
  await waitFor(() => worker.counts.commits.length === LANES);
  expect(worker.counts.rescues).toEqual({ lease: 0, arming: 0 });
});

test('lanes that a busy worker has not begun stay in the queue or go back to it, and other workers take them', async () => {
  const lanes = 160;
  let release = (): void => undefined;
  const released = new Promise<void>((resolve) => {
    release = resolve;
  });
  const acceptor = engine.acceptor();
  // One after the other: each has a job of its own.
  for (let index = 0; index < lanes; index++) await acceptor.accept(request(String(index)));
  const begun: string[] = [];
  const busy = await engine.worker(
    deciderOf(async (event) => {
      begun.push(event.lane);
      await released;
    }),
    { handlerTimeoutMs: 60_000, concurrency: 20 },
  );
  await waitFor(() => begun.length === 20);
  const waiting = await engine.redis().llen(`${new ShardKeys(engine.prefix, 0).base}:turns:wait`);
  // Beside the twenty that it has begun a worker has claimed four lanes for each of its places, and holds the lanes of eight or nine jobs.
  expect(waiting).toBeGreaterThanOrEqual(lanes - 20 - 80 - 9);

  const free = await engine.worker(deciderOf(() => undefined));
  await waitFor(() => free.counts.commits.length === lanes - 20);
  expect(begun).toHaveLength(20);
  for (const { counts } of [busy, free]) expect(counts.rescues).toEqual({ lease: 0, arming: 0 });
  // While it is full the busy worker takes no job: what went back from it does not come to it again.
  const keys = new ShardKeys(engine.prefix, 0);
  const client = engine.redis();
  const turns = await Promise.all(
    Array.from({ length: lanes }, async (_, index) => Number(await client.hget(keys.lane(`violet:${index}`), 'turn'))),
  );
  expect(Math.max(...turns)).toBe(2);
  release();
  await waitFor(() => busy.counts.commits.length === 20);
  await free.stop(1_000);
  await acceptor.accept(request('of the one that was busy'));
  await waitFor(() => busy.counts.commits.length === 21);
});

test('a turn that wakes so late that its lease may end under a handler begins none, and gives the lane back', async () => {
  const realNow = Date.now.bind(Date);
  let frozenMs = 0;
  const now = jest.spyOn(Date, 'now').mockImplementation(() => realNow() + frozenMs);
  try {
    const begun: number[] = [];
    let plans = 0;
    await engine.acceptor().accept(request('1'));
    const worker = await engine.worker({
      plan: (event) => {
        plans += 1;
        // As if the process had been frozen after its first claim.
        if (plans === 1) frozenMs = 6_000;
        return { external: true, reads: [], run: () => Promise.resolve(begun.push(event.seq)).then(() => 'processed' as const) };
      },
    });
    await waitFor(() => worker.counts.commits.length === 1);
    expect([plans, begun]).toEqual([2, [1]]);
    expect(worker.counts.fencedCommits).toBe(0);
  } finally {
    now.mockRestore();
  }
});

test('one merchant with a flood does not hold up the others', async () => {
  const FLOOD = 50_000;
  const acceptor = engine.acceptor();
  for (let sent = 0; sent < FLOOD; sent += 5_000) {
    await Promise.all(Array.from({ length: 5_000 }, () => acceptor.accept(request('flood'))));
  }
  await Promise.all(Array.from({ length: 100 }, (_, index) => acceptor.accept(request(`quiet-${index}`))));
  let flood = 0;
  let quiet = 0;
  let floodWhenQuietWasDone = FLOOD;
  await engine.worker(
    deciderOf((event) => {
      if (event.lane === 'violet:flood') flood++;
      else if (++quiet === 100) floodWhenQuietWasDone = flood;
    }),
    { concurrency: 1 },
  );
  await waitFor(() => quiet === 100 && flood === FLOOD);
  // The flood's turn that was first in the queue, and a few beside those of the others: not more.
  expect(floodWhenQuietWasDone).toBeLessThan(FLOOD / 10);
});

test('history tells every committed event in order, page by page, and keeps to its bound', async () => {
  const acceptor = engine.acceptor();
  const requests = Array.from({ length: 30 }, () => request('1'));
  for (const one of requests) await acceptor.accept(one);
  const worker = await engine.worker(
    deciderOf(() => undefined),
    { historyMaxItems: 20, turnMaxEvents: 7 },
  );
  await waitFor(() => worker.counts.commits.length === 30);
  const inspect = await readyInspector();
  const pages = [];
  let cursor: string | undefined;
  do {
    const page = await inspect.history('violet:1', { limit: 6, cursor });
    pages.push(page.items);
    cursor = page.nextCursor ?? undefined;
  } while (cursor !== undefined);
  expect(pages.map((page) => page.length)).toEqual([6, 6, 6, 2]);
  expect(pages.flat().map(({ position }) => position)).toEqual(Array.from({ length: 20 }, (_, index) => index + 11));
  expect(pages.flat().map(({ eventId }) => eventId)).toEqual(requests.slice(10).map(({ event }) => event.eventId));
  expect(pages.flat()[0]).toMatchObject({ seq: 11, outcome: 'processed', attempt: 1, replayed: false });
});

test('events are listed newest first over all shards, by state and topic, page by page', async () => {
  const acceptor = engine.acceptor({ shards: 3 });
  const requests = Array.from({ length: 12 }, (_, index) => request(String(index), { topic: index % 2 ? 'ODD' : 'EVEN' }));
  for (const one of requests) await acceptor.accept(one);
  const inspect = await readyInspector(3);
  const ids = requests.map(({ event }) => event.eventId);
  expect((await inspect.events({}, { limit: 100 })).items.map(({ eventId }) => eventId).sort()).toEqual([...ids].sort());
  expect((await inspect.events({ topic: 'ODD' }, { limit: 100 })).items).toHaveLength(6);
  expect((await inspect.events({ state: 'processed' }, { limit: 100 })).items).toEqual([]);
  const seen: string[] = [];
  let cursor: string | undefined;
  do {
    const page = await inspect.events({}, { limit: 5, cursor });
    seen.push(...page.items.map(({ eventId }) => eventId));
    cursor = page.nextCursor ?? undefined;
  } while (cursor !== undefined);
  expect([...seen].sort()).toEqual([...ids].sort());
});

test('an unhandled event keeps its body, and a processed one shows it while it is recent', async () => {
  const acceptor = engine.acceptor();
  const [unhandled, processed] = [request('1', { body: '{"a":1}' }), request('1', { body: '{"b":2}' })];
  for (const one of [unhandled, processed]) await acceptor.accept(one);
  const worker = await engine.worker(deciderOf((event) => (event.seq === 1 ? 'unhandled' : 'processed')));
  await waitFor(() => worker.counts.commits.length === 2);
  const inspect = await readyInspector();
  await engine.redis().del(new ShardKeys(engine.prefix, 0).recent);
  expect(await inspect.event('violet', unhandled.event.eventId)).toMatchObject({ state: 'unhandled', payload: { a: 1 } });
  expect(await inspect.event('violet', processed.event.eventId)).toMatchObject({ state: 'processed', payload: null });
  await acceptor.accept(request('1', { eventId: 'recent', body: '{"c":3}' }));
  await waitFor(() => worker.counts.commits.length === 3);
  expect(await inspect.event('violet', 'recent')).toMatchObject({ state: 'processed', payload: { c: 3 }, seq: 3 });
});

test('documents are listed once each, page by page, small collections and large ones', async () => {
  const acceptor = engine.acceptor();
  for (let index = 0; index < 2; index++) await acceptor.accept(request('1'));
  const worker = await engine.worker(
    deciderOf((event, unit) => {
      for (let index = 0; index < (event.seq === 1 ? 50 : 3_000); index++)
        unit.put(`size-${event.seq}`, String(index), { index });
    }),
  );
  await waitFor(() => worker.counts.commits.length === 2);
  const inspect = await readyInspector();
  for (const [collection, size] of [
    ['size-1', 50],
    ['size-2', 3_000],
  ] as const) {
    const ids: string[] = [];
    let cursor: string | undefined;
    do {
      const page = await inspect.documents('violet:1', collection, { limit: 40, cursor });
      expect(page.items.length).toBeLessThanOrEqual(40);
      ids.push(...page.items.map(({ id }) => id));
      cursor = page.nextCursor ?? undefined;
    } while (cursor !== undefined);
    expect(new Set(ids).size).toBe(size);
    expect(ids).toHaveLength(size);
    expect(await inspect.countDocuments('violet:1', collection)).toBe(size);
  }
});

test('a full store refuses events, and accepts them again when there is room', async () => {
  const acceptor = engine.acceptor();
  await acceptor.accept(request('1'));
  const client = engine.redis();
  const used = Number(/used_memory:(\d+)/.exec(await client.info('memory'))?.[1]);
  try {
    await client.config('SET', 'maxmemory', String(Math.floor(used * 1.1)));
    await waitFor(async () => (await acceptor.accept(request('1'))).status === 'full');
    expect(acceptor.ready).toBe(false);
    await client.config('SET', 'maxmemory', String(used * 4));
    await waitFor(async () => (await acceptor.accept(request('1'))).status === 'accepted');
  } finally {
    await client.config('SET', 'maxmemory', '0');
  }
});

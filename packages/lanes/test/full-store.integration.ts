import { startTestRedis, type TestRedis, waitFor } from '@syncline/testkit';
import type { Redis } from 'ioredis';
import type { AcceptResult } from '../src/acceptor';
import { deciderOf, Engine, request, silent } from './harness';

let redis: TestRedis;
let engine: Engine;
let store: Redis;

beforeAll(async () => {
  redis = await startTestRedis();
});
afterAll(() => redis.stop());
beforeEach(() => {
  engine = new Engine(redis.url);
  store = engine.redis();
});
afterEach(async () => {
  await store.config('SET', 'maxmemory', '0');
  await engine.close();
});

async function memory(field: 'used_memory' | 'maxmemory'): Promise<number> {
  return Number(new RegExp(`^${field}:(\\d+)`, 'm').exec(await store.info('memory'))?.[1]);
}

/** Sends events as fast as it can until the store refuses one; resolves with how many were accepted. */
async function fill(acceptor: ReturnType<Engine['acceptor']>, lanes: number): Promise<number> {
  const body = JSON.stringify({ text: 'x'.repeat(20_000) });
  let accepted = 0;
  for (;;) {
    const results = await Promise.all(
      Array.from({ length: 200 }, (_, index) => acceptor.accept(request(String(index % lanes), { body }))),
    );
    accepted += results.filter(({ status }) => status === 'accepted').length;
    const refused = results.filter(({ status }) => status !== 'accepted').map(({ status }) => status);
    if (refused.length > 0) {
      expect(new Set<AcceptResult['status']>(refused)).toEqual(new Set(['full']));
      return accepted;
    }
  }
}

test('a configured total is a limit of its own, and what was accepted below it drains', async () => {
  const used = await memory('used_memory');
  const acceptor = engine.acceptor({ storeMaxBytes: used + 8 * 1_024 * 1_024 });
  const accepted = await fill(acceptor, 10);
  expect(await memory('used_memory')).toBeLessThan(used + 9 * 1_024 * 1_024);
  const worker = await engine.worker(deciderOf(() => undefined));
  await waitFor(() => worker.counts.commits.length === accepted);
});

test('a store without any room loses nothing, and goes on as soon as it is given some', async () => {
  const acceptor = engine.acceptor();
  const requests = Array.from({ length: 50 }, (_, index) => request(String(index % 5)));
  for (const one of requests) expect(await acceptor.accept(one)).toEqual({ status: 'accepted' });
  await acceptor.stop(1_000);
  const problems: unknown[] = [];
  await store.config('SET', 'maxmemory', String(Math.floor((await memory('used_memory')) / 2)));
  const log = { ...silent, debug: (fields: object) => void problems.push(Object.entries(fields)) };
  const worker = await engine.worker(
    deciderOf(() => undefined),
    { log },
  );
  await waitFor(() => problems.some((fields) => String(fields).includes('OOM')));
  expect(worker.counts.commits).toEqual([]);

  await store.config('SET', 'maxmemory', '0');
  await waitFor(() => worker.counts.commits.length === requests.length);
});

test('a store that was filled as fast as it goes drains at the same limit, and then accepts again', async () => {
  const acceptor = engine.acceptor();
  await waitFor(async () => (await acceptor.accept(request('first'))).status === 'accepted');
  await store.config('SET', 'maxmemory', String((await memory('used_memory')) + 24 * 1_024 * 1_024));
  const accepted = 1 + (await fill(acceptor, 40));

  // What is on its way to workers counts as used: it must fit into the room that is left.
  const worker = await engine.worker(
    deciderOf((event, unit) => unit.put('offers', event.lane, { seq: event.seq })),
    { concurrency: 2, turnMaxBytes: 64 * 1_024 },
  );
  await waitFor(() => worker.counts.commits.length === accepted);
  await waitFor(async () => (await acceptor.accept(request('first'))).status === 'accepted');
  expect(new Set(worker.counts.commits.map(({ outcome }) => outcome))).toEqual(new Set(['processed']));
});

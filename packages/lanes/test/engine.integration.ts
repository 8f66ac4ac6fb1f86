import type { SequencedEvent } from '@syncline/events';
import { startTestRedis, type TestRedis, waitFor } from '@syncline/testkit';
import { deciderOf, Engine, request } from './harness';

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

test('every accepted event is decided once and in order of receipt', async () => {
  const decided: SequencedEvent[] = [];
  const acceptor = engine.acceptor();
  const requests = Array.from({ length: 500 }, (_, index) => request(String(index % 7)));
  const results = await Promise.all(requests.map((one) => acceptor.accept(one)));
  expect(results.every(({ status }) => status === 'accepted')).toBe(true);

  await engine.worker(deciderOf((event) => void decided.push(event)));
  await waitFor(() => decided.length >= 500);
  for (let lane = 0; lane < 7; lane++) {
    const sent = requests.filter(({ event }) => event.lane === `violet:${lane}`).map(({ event }) => event.eventId);
    const seen = decided.filter((event) => event.lane === `violet:${lane}`).map((event) => event.eventId);
    expect(seen).toEqual(sent);
  }
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
  expect(decided).toEqual([`${first.event.eventId} after 1`, `${second.event.eventId} after 4`, `${third.event.eventId} after 1`]);
  expect(worker.counts.retries).toBe(3);
});

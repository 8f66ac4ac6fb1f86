import { type Decider, PermanentError } from '@syncline/events';
import { startTestRedis, type TestRedis, waitFor } from '@syncline/testkit';
import { ShardKeys } from '../src/keys';
import { decodeDocument } from '../src/state';
import { Engine, request } from './harness';

const lane = 'violet:1';

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

/** Bodies are `offer`, or `offer!` for one that fails for good, `offer?` for one that fails at first, or `sync`. */
const offers: Decider = {
  plan: (event) => {
    const offer = event.body.replace(/[!?]$/, '');
    return {
      external: false,
      reads: [],
      foldKey: offer === 'sync' ? undefined : offer,
      run: (unit, { attempt }) => {
        if (event.body.endsWith('!')) return Promise.reject(new PermanentError('never'));
        if (event.body.endsWith('?') && attempt === 1) return Promise.reject(new Error('not yet'));
        unit.put('offers', offer, event.seq);
        return Promise.resolve('processed');
      },
    };
  },
};

/** What becomes of events with these bodies that all wait when a worker comes. */
async function outcomesOf(bodies: readonly string[], turnMaxEvents = 100): Promise<string[]> {
  const acceptor = engine.acceptor();
  for (const body of bodies) await acceptor.accept(request('1', { body }));
  const worker = await engine.worker(offers, { turnMaxEvents });
  await waitFor(() => worker.counts.commits.length === bodies.length);
  expect(worker.counts.commits.map(({ seq }) => seq)).toEqual(bodies.map((_, index) => index + 1));
  return worker.counts.commits.map(({ outcome }) => outcome);
}

async function held(): Promise<Record<string, unknown>> {
  const stored = await engine.redis().hgetall(new ShardKeys(engine.prefix, 0).documents(lane, 'offers'));
  return Object.fromEntries(Object.entries(stored).map(([id, document]) => [id, decodeDocument(document)]));
}

test('of a flood of updates of one offer, the last is processed and the others are superseded', async () => {
  expect(await outcomesOf(['1', '1', '2', '1', '2', '3'])).toEqual([
    'superseded',
    'superseded',
    'superseded',
    'processed',
    'processed',
    'processed',
  ]);
  expect(await held()).toEqual({ 1: 4, 2: 5, 3: 6 });
  const totals = await engine.redis().hgetall(new ShardKeys(engine.prefix, 0).totals);
  expect(totals).toMatchObject({ superseded: '3', processed: '3' });
});

test('an event that does more than tell the newest state is a barrier: what came before it counts', async () => {
  expect(await outcomesOf(['1', '1', 'sync', '1'])).toEqual(['superseded', 'processed', 'processed', 'processed']);
});

test('an update is not superseded by one that becomes a dead letter', async () => {
  expect(await outcomesOf(['1', '1!'])).toEqual(['processed', 'dead']);
  expect(await held()).toEqual({ 1: 1 });
});

test('an update is not superseded by one of another commit: that one may yet fail', async () => {
  expect(await outcomesOf(['1', '1?'])).toEqual(['processed', 'processed']);
  expect(await held()).toEqual({ 1: 2 });
});

test('an update is not superseded by one that the turn does not reach', async () => {
  expect(await outcomesOf(['1', '1', '1', '1'], 3)).toEqual(['superseded', 'superseded', 'processed', 'processed']);
});

import type { HistoryItem, Merchant } from '../src/console-client';
import {
  type Before,
  checkHistory,
  entityDifferences,
  expectationOf,
  merchantDifferences,
  type SentEvent,
} from '../src/expectation';
import { createPayloads, entityIdOf } from '../src/payloads';
import { type Phase, scenarios } from '../src/scenarios';
import { runEventsOf } from '../src/delivery';

const MERCHANT_ID = 7;
const payloads = createPayloads({ merchantId: MERCHANT_ID, seed: 1, now: 1_700_000_000_000 });
const nothing: Before = { merchant: undefined, offerIds: [], collectionIds: [] };

function phasesOf(name: string, offers = 6, collections = 2): Phase[] {
  const scenario = scenarios.find((candidate) => candidate.name === name);
  return scenario?.plan({ payloads, present: { offers: [], collections: [] }, wanted: { offers, collections }, seed: 1 }) ?? [];
}

const sentOf = (phases: readonly Phase[]): SentEvent[] =>
  runEventsOf(phases).map((event) => ({ ...event, eventId: `e${event.index}` }));

const track = {
  state: 'never',
  startedAt: null,
  finishedAt: null,
  durationMs: null,
  runs: 0,
  completed: 0,
  failed: 0,
  consecutiveFailures: 0,
  total: null,
  synced: null,
  lastError: null,
};

/** The merchant that an onboarding of six offers and two collections gives. */
const onboarded: Merchant = {
  source: 'violet',
  merchantId: '7',
  connection: 'connected',
  catalogReady: true,
  catalogReadyAt: '2026-01-01T00:00:00.000Z',
  catalogStaleSince: null,
  tracks: {
    product: { ...track, state: 'synced', runs: 1, completed: 1, total: 6, synced: 6 },
    collection: { ...track, state: 'synced', runs: 1, completed: 1 },
  },
  offers: { count: 6 },
  collections: { count: 2 },
  lane: { state: 'idle', depth: 0, headAttempts: 0, nextAttemptAt: null },
};

describe('a merchant', () => {
  const expected = expectationOf(nothing, sentOf(phasesOf('onboarding')));

  test('as the events leave it does not differ', () => {
    expect(merchantDifferences(expected, onboarded)).toEqual([]);
  });

  test.each<[string, Partial<Merchant>]>([
    ['connection', { connection: 'disabled' }],
    ['catalogReady', { catalogReady: false }],
    ['tracks.product.state', { tracks: { ...onboarded.tracks, product: { ...onboarded.tracks.product, state: 'syncing' } } }],
    ['tracks.product.runs', { tracks: { ...onboarded.tracks, product: { ...onboarded.tracks.product, runs: 2 } } }],
    ['tracks.product.synced', { tracks: { ...onboarded.tracks, product: { ...onboarded.tracks.product, synced: 5 } } }],
    [
      'tracks.collection.completed',
      { tracks: { ...onboarded.tracks, collection: { ...onboarded.tracks.collection, completed: 0 } } },
    ],
    ['offers.count', { offers: { count: 5 } }],
    ['collections.count', { collections: { count: 3 } }],
    ['lane.depth', { lane: { ...onboarded.lane, depth: 1 } }],
  ])('with another %s differs in exactly that', (field, change) => {
    const differences = merchantDifferences(expected, { ...onboarded, ...change });
    expect(differences).toHaveLength(1);
    expect(differences[0]).toContain(`${field}: expected `);
  });

  test('counts from where it stood before', () => {
    const before: Before = {
      merchant: onboarded,
      offerIds: [1, 2, 3, 4, 5, 6].map((number) => entityIdOf(7, number)),
      collectionIds: [],
    };
    const after = expectationOf(before, sentOf(phasesOf('failed-recovery')));
    expect(after.tracks.product).toMatchObject({ state: 'synced', runs: 3, completed: 2, failed: 1, consecutiveFailures: 0 });
    expect(after.tracks.collection).toMatchObject({ state: 'synced', runs: 1 });
    expect(after.offers.size).toBe(6);
  });

  test('whose earlier run was left open may count it either way', () => {
    const syncing = { ...onboarded, tracks: { ...onboarded.tracks, product: { ...track, state: 'syncing', runs: 1 } } };
    const after = expectationOf({ ...nothing, merchant: syncing }, sentOf(phasesOf('onboarding')));
    expect(after.tracks.product.runs).toBeUndefined();
  });

  test('loses removed offers and stays disabled when only disabled', () => {
    const [first] = phasesOf('re-enable');
    expect(expectationOf(nothing, sentOf(first === undefined ? [] : [first])).connection).toBe('disabled');
    const id = entityIdOf(7, 1);
    const removal: Phase = { name: 'removal', events: [{ topic: 'OFFER_REMOVED', entityId: id, body: () => ({}) }] };
    expect(expectationOf({ ...nothing, offerIds: [id] }, sentOf([removal])).offers.size).toBe(0);
  });
});

async function* streamOf<T>(items: readonly T[]): AsyncGenerator<T> {
  yield* items;
}

describe('entities', () => {
  const { offers } = expectationOf({ ...nothing, offerIds: [999] }, sentOf(phasesOf('onboarding', 2)));
  const shown = (): unknown[] => [{ id: 999, name: 'From before' }, payloads.offer(2), payloads.offer(1)];

  test('as last sent, and those from before, do not differ', async () => {
    expect(await entityDifferences('offer', offers, streamOf(shown()))).toEqual([]);
  });

  test.each<[string, (items: unknown[]) => unknown[], string]>([
    ['a missing one', (items) => items.slice(0, 2), 'missing'],
    ['one too many', (items) => [...items, { id: 1 }], 'not expected'],
    ['one shown twice', (items) => [...items, payloads.offer(1)], 'shown twice'],
    ['an older state', (items) => [...items.slice(0, 2), payloads.offer(1, 'changed')], 'not as last sent'],
    ['one without an id', (items) => [...items, null], 'without an id'],
  ])('%s is named', async (_name, change, words) => {
    const differences = await entityDifferences('offer', offers, streamOf(change(shown())));
    expect(differences).toHaveLength(1);
    expect(differences[0]).toContain(words);
  });
});

describe('history', () => {
  const sent = sentOf(phasesOf('onboarding', 3, 0));
  const item = (eventId: string, position: number, outcome = 'processed'): HistoryItem => ({
    eventId,
    position,
    outcome,
    topic: 'T',
  });
  const inOrder = (): HistoryItem[] => sent.map(({ eventId }, index) => item(eventId, index + 1));
  const check = (items: readonly HistoryItem[]) => checkHistory(sent, streamOf(items));

  test('of exactly what was sent has no differences, also after other events and with a phase in another order', async () => {
    expect(await check(inOrder())).toEqual({ differences: [], forgotten: 0 });
    const items = inOrder().map(({ eventId }) => eventId);
    [items[2], items[4]] = [items[4] ?? '', items[2] ?? ''];
    const shuffled = ['earlier', ...items].map((eventId, index) => item(eventId, index + 1));
    expect(await check(shuffled)).toEqual({ differences: [], forgotten: 0 });
  });

  test('that lacks an event says so', async () => {
    const { differences } = await check(inOrder().slice(0, -1));
    expect(differences).toEqual([expect.stringContaining('is missing')]);
  });

  test('that holds an event twice says so', async () => {
    const { differences } = await check([...inOrder(), item('e2', sent.length + 1)]);
    expect(differences).toEqual([expect.stringContaining('e2 (T) applied twice')]);
  });

  test('that mixes two phases says so', async () => {
    const ids = inOrder().map(({ eventId }) => eventId);
    [ids[0], ids[1]] = [ids[1] ?? '', ids[0] ?? ''];
    const { differences } = await check(ids.map((eventId, index) => item(eventId, index + 1)));
    expect(differences).toEqual([expect.stringContaining('applied after events sent later')]);
  });

  test('with a gap in its positions says so', async () => {
    const { differences } = await check(
      inOrder().map((entry, index) => (index < 3 ? entry : { ...entry, position: entry.position + 1 })),
    );
    expect(differences).toEqual(['history: expected position 4, got 5']);
  });

  test.each(['superseded', 'unhandled', 'dead', 'discarded'])('with the outcome %s says so', async (outcome) => {
    const { differences } = await check(inOrder().map((entry, index) => (index === 3 ? { ...entry, outcome } : entry)));
    expect(differences).toEqual([expect.stringContaining(`expected processed, got ${outcome}`)]);
  });

  test('cut at its oldest end counts what it forgot; a later loss is a difference', async () => {
    expect(await check(inOrder().slice(2))).toEqual({ differences: [], forgotten: 2 });
    const { differences, forgotten } = await check(inOrder().slice(2, -1));
    expect(forgotten).toBe(2);
    expect(differences).toEqual([expect.stringContaining('is missing')]);
  });
});

import { randomOf } from '@syncline/runtime';
import type { HistoryItem, Merchant } from '../src/console-client';
import { deliveryPlanOf } from '../src/delivery-plan';
import { checkHistory, entityDifferences, merchantDifferences } from '../src/expectation';
import type { Taken } from '../src/ingress-client';
import { Ledger } from '../src/ledger';
import { type Before, type Expectation, type Phase, simulatedSenders, single } from '../src/senders';
import { createPayloads, entityIdOf } from '../src/senders/violet/payloads';

const MERCHANT_ID = 7;
const NOW = 1_700_000_000_000;
const { violet } = simulatedSenders;
const payloads = createPayloads({ merchantId: MERCHANT_ID, seed: 1, now: NOW });
const nothing: Before = { merchant: undefined, offerIds: [], collectionIds: [] };

function phasesOf(name: string, offers = 6, collections = 2): Phase[] {
  const scenario = violet.scenarios.find((candidate) => candidate.name === name);
  if (scenario === undefined) throw new RangeError(name);
  const present = { offers: [], collections: [] };
  return scenario.plan({ merchantId: '7', seed: 1, startsAt: NOW, stepMs: 0, present, wanted: { offers, collections } });
}

/** What the events lead to, in the order of the plan. */
function expectationOf(before: Before, phases: readonly Phase[]): Expectation {
  const model = violet.model(before);
  for (const { events } of phases) {
    // A resend is no event of its own.
    for (const event of events) if (!('copyOf' in event)) model.apply(event);
  }
  return model.expected();
}

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
  const expected = expectationOf(nothing, phasesOf('onboarding'));

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
    const after = expectationOf(before, phasesOf('failed-recovery'));
    expect(after.tracks.product).toMatchObject({ states: ['synced'], runs: 3, completed: 2, failed: 1, consecutiveFailures: 0 });
    expect(after.tracks.collection).toMatchObject({ states: ['synced'], runs: 1 });
    expect(after.offers.size).toBe(6);
  });

  test('whose earlier run was left open has left it behind, and counts it', () => {
    const syncing = { ...onboarded, tracks: { ...onboarded.tracks, product: { ...track, state: 'syncing', runs: 1 } } };
    const after = expectationOf({ ...nothing, merchant: syncing }, phasesOf('onboarding'));
    expect(after.tracks.product).toMatchObject({ states: ['synced'], runs: 2, completed: 1 });
  });

  test('whose sync is under way may show it as overdue by now', () => {
    const [connected, started] = phasesOf('onboarding');
    const open = expectationOf(
      nothing,
      [connected, started].filter((phase) => phase !== undefined),
    );
    for (const [state, differs] of [
      ['syncing', 0],
      ['overdue', 0],
      ['synced', 1],
    ] as const) {
      const product = { ...track, state, runs: 1, total: 6, synced: 0 };
      const shown = { ...onboarded, catalogReady: false, tracks: { product, collection: track }, offers: { count: 0 } };
      expect(merchantDifferences(open, { ...shown, collections: { count: 0 } })).toHaveLength(differs);
    }
  });

  test('loses removed offers and stays disabled when only disabled', () => {
    expect(expectationOf(nothing, phasesOf('re-enable').slice(0, 1)).connection).toBe('disabled');
    const id = entityIdOf(7, 1);
    const removal = single({ topic: 'OFFER_REMOVED', entityId: id, date: NOW, body: () => ({}) });
    expect(expectationOf({ ...nothing, offerIds: [id] }, [removal]).offers.size).toBe(0);
  });

  test('that is untidy ends disconnected, not ready, with an open collection sync and the newest state of each offer', () => {
    const scenario = violet.scenarios.find(({ name }) => name === 'untidy');
    const setting = { merchantId: '7', seed: 1, startsAt: NOW, stepMs: 1_000, present: { offers: [], collections: [] } };
    const phases = scenario?.plan({ ...setting, wanted: { offers: 6, collections: 2 } }) ?? [];
    const after = expectationOf(nothing, phases);
    expect(after).toMatchObject({
      connection: 'disconnected',
      catalogReady: false,
      tracks: {
        product: { states: ['synced'], runs: 5, completed: 3, failed: 1, consecutiveFailures: 0 },
        collection: { states: ['syncing', 'overdue'], runs: 1, completed: 0 },
      },
    });
    expect([...after.offers.keys()]).toEqual([2, 3, 4, 5, 6].map((number) => entityIdOf(7, number)));
    expect([...after.offers.values()].every((event) => event?.date === NOW + 3_000)).toBe(true);
  });
});

async function* streamOf<T>(items: readonly T[]): AsyncGenerator<T> {
  yield* items;
}

describe('entities', () => {
  const { offers } = expectationOf({ ...nothing, offerIds: [999] }, phasesOf('onboarding', 2));
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

const taken = (eventId: string, answer: Partial<Taken> = {}): Taken => ({
  status: 'accepted',
  eventId,
  lane: 'violet:7',
  attempts: 1,
  tookMs: 1,
  ...answer,
});

/** A ledger of which phase after phase was sent and taken, the events of a phase side by side. */
function ledgerOf(phases: readonly Phase[]): Ledger {
  const plan = deliveryPlanOf(phases, { duplicates: 0, shuffle: 0 }, randomOf(1));
  const ledger = new Ledger(plan.events, { lane: 'violet:7', eventId: (event) => `e${event}` });
  for (const phase of plan.phases) {
    for (const { event } of phase) ledger.begin(event);
    for (const { event } of phase) ledger.take(event, taken(`e${event}`));
  }
  return ledger;
}

describe('history', () => {
  const phases = phasesOf('onboarding', 3, 0);
  const ledger = ledgerOf(phases);
  const item = (eventId: string, position: number, outcome = 'processed'): HistoryItem => ({
    eventId,
    position,
    outcome,
    topic: 'T',
  });
  const inOrder = (): HistoryItem[] => [...ledger.events.keys()].map((event) => item(`e${event}`, event + 1));
  const check = (items: readonly HistoryItem[]) => checkHistory(ledger, streamOf(items), violet.model(nothing));

  test('of exactly what was sent has no differences, also after other events and with a phase in another order', async () => {
    expect(await check(inOrder())).toEqual({ differences: [], forgotten: 0 });
    const items = inOrder().map(({ eventId }) => eventId);
    [items[2], items[4]] = [items[4] ?? '', items[2] ?? ''];
    const shuffled = ['earlier', ...items].map((eventId, index) => item(eventId, index + 1));
    expect(await check(shuffled)).toEqual({ differences: [], forgotten: 0 });
  });

  test('leads the model: of two states of an offer sent side by side the one applied last must be shown', async () => {
    const events = ['original', 'changed'] as const;
    const racing: Phase = {
      name: 'racing',
      events: events.map((state) => ({
        topic: 'OFFER_UPDATED',
        entityId: entityIdOf(7, 1),
        date: NOW,
        body: () => payloads.offer(1, state),
      })),
    };
    for (const order of [
      [0, 1],
      [1, 0],
    ]) {
      const model = violet.model(nothing);
      const items = order.map((event, index) => item(`e${event}`, index + 1));
      expect(await checkHistory(ledgerOf([racing]), streamOf(items), model)).toEqual({ differences: [], forgotten: 0 });
      expect(model.expected().offers.get(entityIdOf(7, 1))).toBe(racing.events[order[1] ?? 0]);
    }
  });

  test('may show as superseded what a later event of the same offer tells anew, unless something else stands between them', async () => {
    const offer = (state: 'original' | 'changed') => ({
      topic: 'OFFER_UPDATED',
      entityId: entityIdOf(7, 1),
      date: NOW,
      body: () => payloads.offer(1, state),
    });
    const sync = {
      topic: 'PRODUCT_SYNC_COMPLETED',
      entityId: 1,
      date: NOW,
      body: () => payloads.productSync(1, 'COMPLETED', { total: 1, synced: 1 }),
    };
    const flood = [
      single(offer('original')),
      single({ ...offer('original'), entityId: entityIdOf(7, 2) }),
      single(offer('changed')),
    ];
    const checked = (sent: readonly Phase[], ...outcomes: string[]) =>
      checkHistory(
        ledgerOf(sent),
        streamOf(outcomes.map((outcome, index) => item(`e${index}`, index + 1, outcome))),
        violet.model(nothing),
      );
    expect((await checked(flood, 'superseded', 'processed', 'processed')).differences).toEqual([]);
    expect((await checked(flood, 'processed', 'processed', 'processed')).differences).toEqual([]);
    // The last of an offer must be processed, and so must one that a sync ends.
    expect((await checked(flood, 'processed', 'processed', 'superseded')).differences).toHaveLength(1);
    expect((await checked(flood, 'processed', 'superseded', 'processed')).differences).toHaveLength(1);
    const barred = [single(offer('original')), single(sync), single(offer('changed'))];
    expect((await checked(barred, 'superseded', 'processed', 'processed')).differences).toHaveLength(1);
  });

  test('must show a stale event as superseded', async () => {
    const stale: Phase[] = [payloads, createPayloads({ merchantId: 7, seed: 1, now: NOW - 1_000 })].map((made) =>
      single({ topic: 'OFFER_UPDATED', entityId: entityIdOf(7, 1), date: made.date, body: () => made.offer(1) }),
    );
    const checked = (outcome: string) =>
      checkHistory(ledgerOf(stale), streamOf([item('e0', 1), item('e1', 2, outcome)]), violet.model(nothing));
    expect((await checked('superseded')).differences).toEqual([]);
    expect((await checked('processed')).differences).toEqual([
      'history: event e1 (OFFER_UPDATED): expected superseded, got processed',
    ]);
  });

  test('that lacks an event says so', async () => {
    const { differences } = await check(inOrder().slice(0, -1));
    expect(differences).toEqual([expect.stringContaining('is missing')]);
  });

  test('that holds an event twice says so', async () => {
    const { differences } = await check([...inOrder(), item('e2', ledger.events.length + 1)]);
    expect(differences).toEqual([expect.stringContaining('e2 (T) applied twice')]);
  });

  test('that puts an event before one that was acknowledged before it began says so', async () => {
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

describe('answers', () => {
  const phases = phasesOf('onboarding', 1, 0);
  const answered = (...answers: Taken[]): string[] => {
    const plan = deliveryPlanOf(phases.slice(0, 1), { duplicates: 0, shuffle: 0 }, randomOf(1));
    const ledger = new Ledger(plan.events, { lane: 'violet:7', eventId: () => 'e0' });
    for (const answer of answers) {
      ledger.begin(0);
      ledger.take(0, answer);
    }
    return ledger.differences();
  };
  const duplicate = taken('e0', { status: 'duplicate', lane: undefined });

  test('of one acceptance and any number of duplicates are as they must be, in any order', () => {
    expect(answered(taken('e0'))).toEqual([]);
    expect(answered(taken('e0'), duplicate, duplicate)).toEqual([]);
    expect(answered(duplicate, taken('e0'))).toEqual([]);
  });

  test('may all be duplicates where an attempt had no answer', () => {
    expect(answered({ ...duplicate, attempts: 2 })).toEqual([]);
  });

  test.each<[string, Taken[], string]>([
    ['an event accepted twice', [taken('e0'), taken('e0')], 'expected accepted once, got it 2 times'],
    ['an event that is never accepted', [duplicate], 'expected accepted, got duplicate'],
    ['a quarantined event', [taken('e0', { status: 'quarantined' })], 'expected accepted, got quarantined'],
    ['another lane', [taken('e0', { lane: 'violet:_' })], 'expected in lane violet:7, got violet:_'],
    ['another name', [taken('e9')], 'expected to be known as e0, got e9'],
  ])('that tell of %s differ', (_what, answers, words) => {
    expect(answered(...answers)).toEqual([expect.stringContaining(words)]);
  });
});

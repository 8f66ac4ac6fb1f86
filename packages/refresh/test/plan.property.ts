import type { MerchantStatus, TrackName, TrackStatus } from '@syncline/catalog';
import fc from 'fast-check';
import { coveredBy, ended, isJoined, type Reading, type RefreshState, refreshState, started } from '../src/index';

type Change = 'started' | 'completed' | 'failed' | 'overdue';

const never: TrackStatus = {
  state: 'never',
  startedAt: null,
  finishedAt: null,
  durationMs: null,
  runs: 0,
  completed: 0,
  failed: 0,
  consecutiveFailures: 0,
  firstCompletedAt: null,
  total: null,
  synced: null,
  lastError: null,
};

const initial: MerchantStatus = {
  connection: 'connected',
  catalogReady: false,
  catalogReadyAt: null,
  catalogStaleSince: null,
  tracks: { product: never, collection: never },
};

const stateAfter = { started: 'syncing', completed: 'synced', failed: 'failed', overdue: 'overdue' } as const;

function after(status: MerchantStatus, track: TrackName, change: Change): MerchantStatus {
  const held = status.tracks[track];
  const counted = change === 'completed' || change === 'failed' ? { [change]: held[change] + 1 } : {};
  return { ...status, tracks: { ...status.tracks, [track]: { ...held, ...counted, state: stateAfter[change] } } };
}

const changes = fc.array(
  fc.tuple(
    fc.constantFrom<TrackName>('product', 'collection'),
    fc.constantFrom<Change>('started', 'completed', 'failed', 'overdue'),
  ),
  { maxLength: 30 },
);

/** What the handler does on each change: how many refreshes are asked for after it. */
function asked(steps: readonly (readonly [TrackName, Change])[]): { status: MerchantStatus; asks: boolean }[] {
  let status = initial;
  let covered = { product: 0, collection: 0 };
  return steps.map(([track, change]) => {
    status = after(status, track, change);
    const asks = isJoined(status, covered);
    if (asks) covered = coveredBy(status);
    return { status, asks };
  });
}

const isAtRest = ({ tracks: { product, collection } }: MerchantStatus): boolean =>
  product.completed > 0 &&
  ['synced', 'overdue'].includes(product.state) &&
  ['synced', 'overdue', 'never'].includes(collection.state);

test('in any order of events, a refresh is asked for once for each coming together of the syncs, and never without one', () => {
  fc.assert(
    fc.property(changes, (steps) => {
      let uncovered = 0;
      for (const [index, { status, asks }] of asked(steps).entries()) {
        if (steps[index]?.[1] === 'completed') uncovered += 1;
        expect(asks).toBe(isAtRest(status) && uncovered > 0);
        if (asks) uncovered = 0;
      }
    }),
  );
});

test('whatever came before, a sync of both tracks that completes is followed by exactly one refresh', () => {
  const order = fc.constantFrom<readonly [TrackName, TrackName]>(['product', 'collection'], ['collection', 'product']);
  fc.assert(
    fc.property(changes, order, order, (before, starts, ends) => {
      const steps = [
        ...before,
        ...starts.map((track) => [track, 'started'] as const),
        ...ends.map((track) => [track, 'completed'] as const),
      ];
      const asks = asked(steps)
        .slice(before.length)
        .map((step) => step.asks);
      expect(asks).toEqual([false, false, false, true]);
    }),
  );
});

test.each([
  ['a merchant whose collections are never synced needs only its product sync', [['product', 'completed']], true],
  ['collections alone are no catalogue', [['collection', 'completed']], false],
  [
    'a failed collection sync keeps the catalogue as it is',
    [
      ['collection', 'failed'],
      ['product', 'completed'],
    ],
    false,
  ],
  [
    'an overdue collection sync is waited for no longer',
    [
      ['collection', 'started'],
      ['product', 'completed'],
      ['collection', 'overdue'],
    ],
    true,
  ],
] as const)('%s', (_claim, steps, expected) => {
  expect(asked(steps).at(-1)?.asks).toBe(expected);
});

test('nothing is refreshed for a merchant who is disconnected', () => {
  const status = after(initial, 'product', 'completed');
  const covered = { product: 0, collection: 0 };
  expect([isJoined(status, covered), isJoined({ ...status, connection: 'disconnected' }, covered)]).toEqual([true, false]);
});

const readings: fc.Arbitrary<Reading> = fc.record({
  startedAt: fc.integer({ min: 1, max: 1_000_000 }),
  newest: fc.option(fc.integer({ min: 0, max: 2_000_000 })),
  agrees: fc.option(fc.boolean()),
  disturbed: fc.boolean(),
});

test('whatever is found, a refresh asks at most for two full readings after it within a day, and tells of a mismatch once', () => {
  fc.assert(
    fc.property(fc.array(readings, { minLength: 1, maxLength: 20 }), (found) => {
      let state: RefreshState = refreshState.parse({});
      let told = 0;
      for (const reading of found) {
        state = started(state, 'one', state.fullAt === null ? 'full' : 'incremental');
        let readingsInAll = 0;
        for (;;) {
          const end = ended(state, reading, reading.startedAt + 1);
          readingsInAll += 1;
          if (end.mismatch) told += 1;
          if (reading.agrees === true) told = 0;
          const wasFull = state.running?.mode === 'full';
          state = end.state;
          if (!end.again) break;
          state = started(state, 'again', 'full', wasFull);
        }
        expect(readingsInAll).toBeLessThanOrEqual(3);
        expect(told).toBeLessThanOrEqual(1);
      }
    }),
  );
});

test('the watermark never goes back, and never lies after the beginning of a reading', () => {
  fc.assert(
    fc.property(fc.array(readings, { minLength: 1, maxLength: 20 }), (found) => {
      let state: RefreshState = refreshState.parse({});
      let latest = 0;
      for (const reading of found) {
        const before = state.watermark ?? 0;
        latest = Math.max(latest, reading.startedAt);
        state = ended(started(state, 'one', 'full'), reading, reading.startedAt + 1).state;
        expect(state.watermark).toBeGreaterThanOrEqual(before);
        expect(state.watermark).toBeLessThanOrEqual(latest);
      }
    }),
  );
});

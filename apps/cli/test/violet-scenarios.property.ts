import * as fc from 'fast-check';
import { eventIn, type Phase } from '../src/senders';
import { violetScenarios } from '../src/senders/violet';
import { createPayloads } from '../src/senders/violet/payloads';

/** The flows as they are meant to be. */
const scenarios = violetScenarios.filter(({ name }) => name !== 'untidy');

const numbers = fc
  .uniqueArray(fc.integer({ min: 1, max: 2_000 }), { maxLength: 200 })
  .map((items) => items.toSorted((left, right) => left - right));

const settings = fc.record({
  seed: fc.integer({ min: 0 }),
  present: fc.record({ offers: numbers, collections: numbers }),
  wanted: fc.record({ offers: fc.integer({ min: 0, max: 200 }), collections: fc.integer({ min: 0, max: 50 }) }),
});

function planOf(name: string, { seed, present, wanted }: typeof settings extends fc.Arbitrary<infer T> ? T : never): Phase[] {
  const scenario = violetScenarios.find((candidate) => candidate.name === name);
  if (scenario === undefined) throw new RangeError(name);
  return scenario.plan({ payloads: createPayloads({ merchantId: 7, seed, now: 1_700_000_000_000 }), present, wanted, seed });
}

const phasesOf = (...of: Parameters<typeof planOf>) => planOf(...of).map(({ events }) => events.map(eventIn));

/** The topics in order, those of a phase of several events once each and sorted. */
function shapeOf(phases: readonly Phase[]): string[] {
  return phases.flatMap(({ events }) => [...new Set(events.map((event) => eventIn(event).topic))].toSorted());
}

describe.each(scenarios.map(({ name }) => name))('%s', (name) => {
  test('touches each entity at most once in a phase, so that the order within it does not matter', () => {
    fc.assert(
      fc.property(settings, (setting) => {
        for (const events of phasesOf(name, setting)) {
          expect(events.length).toBeGreaterThan(0);
          const touched = events.map(({ topic, entityId }) => `${topic.split('_')[0]} ${entityId}`);
          expect(new Set(touched).size).toBe(touched.length);
        }
      }),
    );
  });

  test('puts every sync and merchant event into a phase of its own', () => {
    fc.assert(
      fc.property(settings, (setting) => {
        for (const events of phasesOf(name, setting)) {
          if (events.some(({ topic }) => /_SYNC_|^MERCHANT_/.test(topic))) expect(events).toHaveLength(1);
        }
      }),
    );
  });

  test('changes offers only between the start and the end of a product sync', () => {
    fc.assert(
      fc.property(settings, (setting) => {
        let open = false;
        for (const { topic } of phasesOf(name, setting).flat()) {
          if (topic === 'PRODUCT_SYNC_STARTED') open = true;
          if (topic === 'PRODUCT_SYNC_COMPLETED' || topic === 'PRODUCT_SYNC_FAILED') open = false;
          if (topic.startsWith('OFFER_')) expect(open).toBe(true);
        }
        expect(open).toBe(false);
      }),
    );
  });

  test('ends its last product sync as completed, with the counts of a whole catalogue', () => {
    fc.assert(
      fc.property(settings, (setting) => {
        const last = phasesOf(name, setting)
          .flat()
          .findLast(({ topic }) => topic.startsWith('PRODUCT_SYNC_'));
        expect(last?.topic).toBe('PRODUCT_SYNC_COMPLETED');
        const body = last?.body();
        expect(body?.total_products_synced).toBe(body?.total_products);
      }),
    );
  });

  test('is the same for the same setting', () => {
    fc.assert(
      fc.property(settings, (setting) => {
        const bodies = () =>
          phasesOf(name, setting).map((events) => events.slice(0, 3).map((event) => [event.topic, event.body()]));
        expect(bodies()).toEqual(bodies());
      }),
      { numRuns: 20 },
    );
  });
});

const empty = { offers: [], collections: [] };

test('onboarding connects, syncs products, then collections, then is complete', () => {
  const phases = planOf('onboarding', { seed: 1, present: empty, wanted: { offers: 3, collections: 2 } });
  expect(shapeOf(phases)).toEqual([
    'MERCHANT_CONNECTED',
    'PRODUCT_SYNC_STARTED',
    'OFFER_ADDED',
    'PRODUCT_SYNC_COMPLETED',
    'COLLECTION_SYNC_STARTED',
    'COLLECTION_CREATED',
    'COLLECTION_SYNC_COMPLETED',
    'MERCHANT_COMPLETE',
  ]);
  expect(phases.map(({ events }) => events.length)).toEqual([1, 1, 3, 1, 1, 2, 1, 1]);
});

test('onboarding of an empty shop has syncs without anything between', () => {
  const phases = planOf('onboarding', { seed: 1, present: empty, wanted: { offers: 0, collections: 0 } });
  expect(
    phases
      .flatMap(({ events }) => events.map((event) => eventIn(event).topic))
      .filter((topic) => /^(OFFER|COLLECTION)_(ADDED|CREATED)/.test(topic)),
  ).toEqual([]);
});

test('a scheduled sync changes, removes and adds offers of the catalogue that is there', () => {
  fc.assert(
    fc.property(settings, (setting) => {
      fc.pre(setting.present.offers.length > 1);
      const held = new Set(setting.present.offers.map((number) => 7 * 1_000_000 + number));
      const events = phasesOf('scheduled', setting).flat();
      const idsOf = (topic: string) => events.filter((event) => event.topic === topic).map(({ entityId }) => Number(entityId));
      expect(idsOf('OFFER_UPDATED').every((id) => held.has(id))).toBe(true);
      expect(idsOf('OFFER_REMOVED').every((id) => held.has(id))).toBe(true);
      expect(idsOf('OFFER_ADDED').some((id) => held.has(id))).toBe(false);
      for (const topic of ['OFFER_UPDATED', 'OFFER_REMOVED', 'OFFER_ADDED']) expect(idsOf(topic).length).toBeGreaterThan(0);
      const last = events.at(-1)?.body();
      expect(last?.total_products).toBe(held.size - idsOf('OFFER_REMOVED').length + idsOf('OFFER_ADDED').length);
    }),
  );
});

test('the untidy flow is the same for the same setting, and each of its resends is of an event that it sends', () => {
  fc.assert(
    fc.property(settings, (setting) => {
      const phases = planOf('untidy', setting);
      const sent = new Set(phases.flatMap(({ events }) => events.filter((event) => !('copyOf' in event))));
      const copies = phases.flatMap(({ events }) => events.flatMap((event) => ('copyOf' in event ? [event.copyOf] : [])));
      expect(copies.length).toBeGreaterThan(1);
      expect(copies.every((event) => sent.has(event))).toBe(true);
      const bodies = () => phasesOf('untidy', setting).map((events) => events.slice(0, 3).map((event) => event.body()));
      expect(bodies()).toEqual(bodies());
    }),
    { numRuns: 5 },
  );
});

test('a failed sync is followed by one that brings every offer', () => {
  const phases = planOf('failed-recovery', { seed: 1, present: empty, wanted: { offers: 9, collections: 0 } });
  expect(shapeOf(phases)).toEqual([
    'PRODUCT_SYNC_STARTED',
    'OFFER_ADDED',
    'PRODUCT_SYNC_FAILED',
    'PRODUCT_SYNC_STARTED',
    'OFFER_ADDED',
    'PRODUCT_SYNC_COMPLETED',
  ]);
  expect(phases.map(({ events }) => events.length)).toEqual([1, 3, 1, 1, 9, 1]);
});

test('a merchant that is disabled and enabled again says why, and is synced anew', () => {
  const phases = planOf('re-enable', {
    seed: 1,
    present: { offers: [2, 4], collections: [1] },
    wanted: { offers: 9, collections: 9 },
  });
  expect(shapeOf(phases)).toEqual([
    'MERCHANT_DISABLED',
    'MERCHANT_ENABLED',
    'PRODUCT_SYNC_STARTED',
    'OFFER_UPDATED',
    'PRODUCT_SYNC_COMPLETED',
    'COLLECTION_SYNC_STARTED',
    'COLLECTION_UPDATED',
    'COLLECTION_SYNC_COMPLETED',
  ]);
  for (const { events } of phases.slice(0, 2)) {
    for (const event of events) expect(eventIn(event).reason).toMatch(/\S/);
  }
});

import { randomOf } from '@syncline/runtime';
import * as fc from 'fast-check';
import { type DeliveryPlan, deliveryPlanOf } from '../src/delivery-plan';
import type { Phase, PlannedEvent } from '../src/senders';

const eventOf = (entityId: number): PlannedEvent => ({ topic: 'T', entityId, date: 0, body: () => ({}) });

/** Phases of one event or several, each event named by its place; some are followed by a resend. */
const plans = fc
  .array(fc.record({ count: fc.integer({ min: 1, max: 12 }), resends: fc.boolean() }), { maxLength: 12 })
  .map((shapes) => {
    let made = 0;
    return shapes.flatMap(({ count, resends }): Phase[] => {
      const events = Array.from({ length: count }, () => eventOf(made++));
      return [
        { name: 'events', events },
        ...(resends ? [{ name: 'resends', events: events.map((copyOf) => ({ copyOf })) }] : []),
      ];
    });
  });
const seeds = fc.integer();
const windows = fc.integer({ min: 0, max: 30 });
const shares = fc.double({ min: 0, max: 1, noNaN: true });

const fewer = { numRuns: 40 };

const namesOf = ({ phases }: DeliveryPlan): string[] =>
  phases.flatMap((deliveries) => deliveries.map(({ event, isResend }) => `${event}${isResend ? ' again' : ''}`));
const tidy = { duplicates: 0, shuffle: 0 };

test('without disorder every phase is as the scenario has it', () => {
  fc.assert(
    fc.property(plans, seeds, (phases, seed) => {
      const plan = deliveryPlanOf(phases, tidy, randomOf(seed));
      expect(plan.phases.map(({ length }) => length)).toEqual(phases.map(({ events }) => events.length));
      expect(plan.events.map(({ entityId }) => entityId)).toEqual(plan.events.map((_event, place) => place));
    }),
    fewer,
  );
});

test('shuffled, every delivery is sent once and at most the window away from its place', () => {
  fc.assert(
    fc.property(plans, windows, seeds, (phases, shuffle, seed) => {
      const before = namesOf(deliveryPlanOf(phases, tidy, randomOf(seed)));
      const after = namesOf(deliveryPlanOf(phases, { ...tidy, shuffle }, randomOf(seed)));
      expect(after.toSorted()).toEqual(before.toSorted());
      for (const [place, name] of before.entries()) expect(Math.abs(after.indexOf(name) - place)).toBeLessThanOrEqual(shuffle);
    }),
    fewer,
  );
});

test('with duplicates, what is sent first of each event is as without, and nothing is lost', () => {
  fc.assert(
    fc.property(plans, windows, shares, seeds, (phases, shuffle, duplicates, seed) => {
      const { phases: sent, events } = deliveryPlanOf(phases, { duplicates, shuffle }, randomOf(seed));
      const { phases: without } = deliveryPlanOf(phases, { duplicates: 0, shuffle }, randomOf(seed));
      expect(sent).toHaveLength(without.length);
      expect(new Set(sent.flat().map(({ event }) => event)).size).toBe(events.length);
      // A repetition is the very delivery that it repeats, and comes behind it.
      const seen = new Set<object>();
      const firsts = sent.map((deliveries) => deliveries.filter((delivery) => !seen.has(delivery) && seen.add(delivery)));
      expect(firsts).toEqual(without);
    }),
    fewer,
  );
});

test('a share of 1 sends every delivery twice', () => {
  fc.assert(
    fc.property(plans, seeds, (phases, seed) => {
      const sent = deliveryPlanOf(phases, { duplicates: 1, shuffle: 0 }, randomOf(seed)).phases.flat();
      const once = deliveryPlanOf(phases, tidy, randomOf(seed)).phases.flat();
      expect(sent).toHaveLength(2 * once.length);
    }),
    fewer,
  );
});

test('the same seed gives the same plan, and another one another', () => {
  const phases: Phase[] = [{ name: 'a', events: Array.from({ length: 50 }, (_item, place) => eventOf(place)) }];
  const planned = (seed: number) => namesOf(deliveryPlanOf(phases, { duplicates: 0.3, shuffle: 20 }, randomOf(seed)));
  expect(planned(1)).toEqual(planned(1));
  expect(planned(2)).not.toEqual(planned(1));
});

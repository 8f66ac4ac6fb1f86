import { createDecider, documentCollections, merchantStatusOf, statusRef } from '@syncline/catalog';
import { laneOf, type UnitOfWork } from '@syncline/events';
import { randomOf } from '@syncline/runtime';
import * as fc from 'fast-check';
import type { Merchant } from '../src/console-client';
import { deliveryPlanOf } from '../src/delivery-plan';
import { merchantDifferences } from '../src/expectation';
import { type Before, type PlannedEvent, type SimulatedSender, STEPS_MAX, simulatedSenders } from '../src/senders';

// The simulator's models and the catalogue know nothing of one another, and must agree on every order of every scenario's events.

const NOW = Date.UTC(2026, 2, 4, 5, 6, 7);
const STEP_MS = 1_000;
const nothing: Before = { merchant: undefined, offerIds: [], collectionIds: [] };

const decider = createDecider();
const context = { signal: new AbortController().signal, attempt: 1 };

/** A merchant over the real handlers, with its documents in memory. Timers are never due here. */
class Applied {
  readonly #sender: SimulatedSender;
  readonly #merchantId: string;
  readonly #collections = new Map<string, Map<string, string>>();
  readonly #unit: UnitOfWork = {
    get: (collection, id) => Promise.resolve(this.document(collection, id)),
    put: (collection, id, value) => void this.#documents(collection).set(id, JSON.stringify(value)),
    delete: (collection, id) => void this.#documents(collection).delete(id),
    ids: (collection) => Promise.resolve(this.ids(collection)),
    append() {},
    after() {},
    cancel() {},
  };
  #seq = 0;

  constructor(sender: SimulatedSender, merchantId: string) {
    this.#sender = sender;
    this.#merchantId = merchantId;
  }

  apply(event: PlannedEvent): Promise<string> {
    this.#seq += 1;
    const { source } = this.#sender;
    const sequenced = {
      source,
      eventId: `event-${this.#seq}`,
      topic: event.topic,
      lane: laneOf(source, this.#merchantId),
      receivedAt: NOW + this.#seq * 10,
      headers: {},
      body: JSON.stringify(event.body()),
      bodyEncoding: 'utf8' as const,
      seq: this.#seq,
    };
    return decider.plan(sequenced).run(this.#unit, context);
  }

  #documents(collection: string): Map<string, string> {
    const documents = this.#collections.get(collection) ?? new Map<string, string>();
    this.#collections.set(collection, documents);
    return documents;
  }

  document(collection: string, id: string): unknown {
    const stored = this.#documents(collection).get(id);
    return stored === undefined ? undefined : JSON.parse(stored);
  }

  ids(collection: string): string[] {
    return [...this.#documents(collection).keys()];
  }

  /** As the console would show it. */
  merchant(): Merchant {
    const { source } = this.#sender;
    const count = (collection: string) => ({ count: this.ids(collection).length });
    const shown = {
      source,
      merchantId: this.#merchantId,
      ...merchantStatusOf(this.document(statusRef.collection, statusRef.id)),
      offers: count(documentCollections.offers),
      collections: count(documentCollections.collections),
      lane: { state: 'idle', depth: 0, headAttempts: 0, nextAttemptAt: null },
    };
    return JSON.parse(JSON.stringify(shown)) as Merchant;
  }

  before(): Before {
    const ids = (collection: string) => this.ids(collection).map(Number);
    return {
      merchant: this.merchant(),
      offerIds: ids(documentCollections.offers),
      collectionIds: ids(documentCollections.collections),
    };
  }
}

async function play(
  sender: SimulatedSender,
  applied: Applied,
  before: Before,
  { name, shuffle, seed, startsAt }: { name: string; shuffle: number; seed: number; startsAt: number },
): Promise<void> {
  const scenario = sender.scenarios.find((candidate) => candidate.name === name);
  const merchantId = sender.defaultMerchantId;
  const present = { offers: before.offerIds, collections: before.collectionIds };
  const setting = { merchantId, seed, startsAt, stepMs: STEP_MS, present, wanted: { offers: 7, collections: 3 } };
  const plan = deliveryPlanOf(scenario?.plan(setting) ?? [], { duplicates: 0, shuffle }, randomOf(seed));
  const model = sender.model(before);
  const seen = new Set<number>();
  for (const { event: place } of plan.phases.flat()) {
    const event = plan.events[place];
    // A resend is a duplicate, whichever of the two comes first.
    if (event === undefined || seen.has(place)) continue;
    seen.add(place);
    const outcome = await applied.apply(event);
    expect({ topic: event.topic, place, outcome: [outcome] }).toEqual({
      topic: event.topic,
      place,
      outcome: model.apply(event).filter((wanted) => wanted === outcome),
    });
  }
  const expected = model.expected();
  expect(merchantDifferences(expected, applied.merchant())).toEqual([]);
  for (const [kind, entities] of [
    [documentCollections.offers, expected.offers],
    [documentCollections.collections, expected.collections],
  ] as const) {
    for (const [id, event] of entities) {
      if (event !== undefined) expect(applied.document(kind, String(id))).toEqual(JSON.parse(JSON.stringify(event.body())));
    }
  }
}

describe.each(Object.values(simulatedSenders))('$source', (sender: SimulatedSender) => {
  const names = sender.scenarios.map(({ name }) => name);

  it('is understood alike by model and catalogue, in any order that a window of reordering gives, run after run', async () => {
    const runs = fc.array(
      fc.record({ name: fc.constantFrom(...names), shuffle: fc.integer({ min: 0, max: 40 }), seed: fc.nat() }),
      { minLength: 1, maxLength: 4 },
    );
    await fc.assert(
      fc.asyncProperty(runs, async (sequence) => {
        const applied = new Applied(sender, sender.defaultMerchantId);
        let before = nothing;
        for (const [number, run] of sequence.entries()) {
          // The dates of a run are newer than those of the run before it.
          const startsAt = NOW + number * (STEPS_MAX + 1) * STEP_MS;
          await play(sender, applied, before, { ...run, startsAt });
          before = applied.before();
        }
      }),
      { numRuns: 25 },
    );
  });
});

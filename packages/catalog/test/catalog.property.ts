import * as fc from 'fast-check';
import { documentCollections } from '../src/index';
import { MerchantLane, SECOND, T0, violetDate } from './merchant-lane';

interface OfferEvent {
  readonly topic: string;
  readonly id: number;
  readonly modifiedAt: number;
}

/** A merchant's offer events in the order in which they happened, each at a date of its own. */
const happenings = fc
  .array(
    fc.record({
      id: fc.integer({ min: 1, max: 4 }),
      topic: fc.constantFrom('OFFER_ADDED', 'OFFER_UPDATED', 'OFFER_CREATED', 'OFFER_REMOVED', 'OFFER_DELETED'),
    }),
    {
      minLength: 1,
      maxLength: 20,
    },
  )
  .map((events): OfferEvent[] => events.map((event, index) => ({ ...event, modifiedAt: T0 + index * SECOND })));

/** The same events as they may arrive: each at least once, in any order. */
const deliveries = happenings.chain((inOrder) =>
  fc
    .tuple(
      fc.shuffledSubarray(inOrder, { minLength: inOrder.length, maxLength: inOrder.length }),
      fc.array(fc.tuple(fc.nat(), fc.nat()), { maxLength: 10 }),
    )
    .map(([shuffled, copies]) => {
      const arriving = [...shuffled];
      for (const [which, where] of copies) {
        const copied = arriving[which % arriving.length];
        if (copied !== undefined) arriving.splice(where % (arriving.length + 1), 0, copied);
      }
      return { inOrder, arriving };
    }),
);

async function stateAfter(events: readonly OfferEvent[]): Promise<unknown> {
  const lane = new MerchantLane();
  for (const { topic, id, modifiedAt } of events) {
    await lane.apply(topic, {
      id,
      merchant_id: 10042,
      name: `${topic} at ${modifiedAt}`,
      date_last_modified: violetDate(modifiedAt),
    });
  }
  return documentsOf(lane);
}

function documentsOf(lane: MerchantLane): unknown {
  const { offers, offersRemoved, offersUndated } = documentCollections;
  return [offers, offersRemoved, offersUndated].map((collection) =>
    lane
      .ids(collection)
      .toSorted()
      .map((id) => [id, withoutExpiry(lane.document(collection, id))]),
  );
}

/** How long a tombstone is kept goes by the receipt of the removal, not by its date. */
function withoutExpiry(document: unknown): unknown {
  const { expiresAt: _, ...fields } = document as Record<string, unknown>;
  return fields;
}

describe('offers', () => {
  it('end as they would in order, however their events are shuffled and repeated', async () => {
    await fc.assert(
      fc.asyncProperty(deliveries, async ({ inOrder, arriving }) => {
        expect(await stateAfter(arriving)).toEqual(await stateAfter(inOrder));
      }),
    );
  });

  it('and their tombstones never both exist, and every event leaves one of them, also without dates and at equal dates', async () => {
    const date = fc.option(
      fc.integer({ min: 0, max: 3 }).map((second) => violetDate(T0 + second * SECOND)),
      { nil: undefined },
    );
    const event = fc.record({
      removal: fc.boolean(),
      id: fc.integer({ min: 1, max: 3 }),
      date,
      receivedAt: fc.integer({ min: T0, max: T0 + 3 * SECOND }),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(event, { maxLength: 20 }), async (events) => {
        const lane = new MerchantLane();
        for (const { removal, id, date: date_last_modified, receivedAt } of events) {
          await lane.apply(
            removal ? 'OFFER_DELETED' : 'OFFER_ADDED',
            { id, merchant_id: 1, name: 'a', date_last_modified },
            { receivedAt },
          );
        }
        const held = lane.ids('offers');
        const removed = lane.ids('offers-removed');
        const undated = held.filter(
          (id) => (lane.document('offers', id) as { date_last_modified?: string }).date_last_modified === undefined,
        );
        expect([...held, ...removed].toSorted()).toEqual([...new Set(events.map(({ id }) => String(id)))].toSorted());
        expect(lane.ids('offers-undated').toSorted()).toEqual(undated.toSorted());
      }),
    );
  });
});

describe('a catalogue', () => {
  const topics = [
    'MERCHANT_CONNECTED',
    'MERCHANT_ENABLED',
    'MERCHANT_DISABLED',
    'MERCHANT_DISCONNECTED',
    'MERCHANT_COMPLETE',
    'MERCHANT_NEEDS_ATTENTION',
    'PRODUCT_SYNC_STARTED',
    'PRODUCT_SYNC_COMPLETED',
    'PRODUCT_SYNC_FAILED',
    'COLLECTION_SYNC_STARTED',
    'COLLECTION_SYNC_COMPLETED',
    'COLLECTION_SYNC_FAILED',
  ];

  it('is ready exactly when a product sync completed after the last disconnect and a connect that followed it', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.constantFrom(...topics), { maxLength: 25 }), async (sequence) => {
        const lane = new MerchantLane();
        for (const topic of sequence) await lane.apply(topic, { id: 10042, merchant_id: 10042 });
        const since = sequence.slice(sequence.lastIndexOf('MERCHANT_DISCONNECTED') + 1);
        const disconnected = since.length < sequence.length;
        const connect = since.findIndex((topic) => topic === 'MERCHANT_CONNECTED' || topic === 'MERCHANT_ENABLED');
        const open = disconnected ? (connect < 0 ? [] : since.slice(connect)) : since;
        const status = lane.status();
        expect(status.catalogReady).toBe(open.includes('PRODUCT_SYNC_COMPLETED'));
        expect(status.catalogReadyAt === null).toBe(!status.catalogReady);
      }),
    );
  });

  it('has tracks whose counts agree, whatever the order of events', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.constantFrom(...topics), { maxLength: 25 }), async (sequence) => {
        const lane = new MerchantLane();
        for (const topic of sequence) await lane.apply(topic, { id: 10042, merchant_id: 10042 });
        for (const name of ['product', 'collection'] as const) {
          const track = lane.status().tracks[name];
          const times = (what: string): number =>
            sequence.filter((topic) => topic === `${name.toUpperCase()}_SYNC_${what}`).length;
          expect([track.completed, track.failed]).toEqual([times('COMPLETED'), times('FAILED')]);
          let open = false;
          let runs = 0;
          for (const topic of sequence.filter((one) => one.startsWith(`${name.toUpperCase()}_SYNC_`))) {
            const starts = topic.endsWith('_STARTED');
            if (starts || !open) runs += 1;
            open = starts;
          }
          expect(track.runs).toBe(runs);
          expect(track.firstCompletedAt === null).toBe(track.completed === 0);
          expect(track.finishedAt === null).toBe(track.state === 'never' || track.state === 'syncing');
          expect(track.consecutiveFailures).toBeLessThanOrEqual(track.failed);
        }
      }),
    );
  });
});

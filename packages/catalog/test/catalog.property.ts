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

describe('a merchant whose events are retried by their sender', () => {
  /** What happened, second by second, as its sender dates it. */
  interface Happening {
    readonly topic: string;
    readonly second: number;
    readonly body: object;
  }

  const kinds = fc.oneof(
    { weight: 3, arbitrary: fc.constantFrom('OFFER_ADDED', 'OFFER_UPDATED', 'OFFER_REMOVED') },
    { weight: 2, arbitrary: fc.constantFrom('COLLECTION_CREATED', 'COLLECTION_UPDATED', 'COLLECTION_REMOVED') },
    { weight: 3, arbitrary: fc.constantFrom('PRODUCT_SYNC_STARTED', 'PRODUCT_SYNC_COMPLETED', 'PRODUCT_SYNC_FAILED') },
    { weight: 2, arbitrary: fc.constantFrom('MERCHANT_CONNECTED', 'MERCHANT_DISCONNECTED', 'MERCHANT_DISABLED') },
  );

  function happened([topic, id]: [string, number], second: number): Happening {
    const date = violetDate(T0 + second * SECOND);
    if (topic.startsWith('MERCHANT_')) return { topic, second, body: { id: 10042, date_last_modified: date } };
    if (topic.startsWith('PRODUCT_SYNC')) return { topic, second, body: { merchant_id: 10042, date_last_synced: date } };
    return { topic, second, body: { id, merchant_id: 10042, name: `at ${second}`, date_last_modified: date } };
  }

  const readiness = fc.constantFrom('PRODUCT_SYNC_COMPLETED', 'MERCHANT_CONNECTED', 'MERCHANT_DISCONNECTED', 'MERCHANT_DISABLED');

  /** In order, and as they arrive: each once, and at most a window late. A resend copy has its source's identity, so it is a duplicate. */
  const sequencesOf = (topics: fc.Arbitrary<string>) =>
    fc
      .array(fc.record({ topic: topics, id: fc.integer({ min: 1, max: 3 }), delay: fc.integer({ min: 0, max: 6 }) }), {
        minLength: 1,
        maxLength: 30,
      })
      .map((items) => {
        const inOrder = items.map(({ topic, id }, index) => happened([topic, id], index + 1));
        const arrivalOf = ({ second }: Happening): number => second + (items[second - 1]?.delay ?? 0);
        return { inOrder, arriving: inOrder.toSorted((a, b) => arrivalOf(a) - arrivalOf(b)) };
      });

  async function laneAfter(events: readonly Happening[]): Promise<MerchantLane> {
    const lane = new MerchantLane();
    for (const { topic, body } of events) await lane.apply(topic, body, { receivedAt: T0 + 1_000 * SECOND });
    return lane;
  }

  const kept = ['offers', 'offers-removed', 'offers-undated', 'collections', 'collections-removed', 'collections-undated'];
  const catalogueOf = (lane: MerchantLane): unknown =>
    kept.map((collection) =>
      lane
        .ids(collection)
        .toSorted()
        .map((id) => [id, lane.document(collection, id)]),
    );

  it('ends with the offers, collections and connection of the run in order', async () => {
    await fc.assert(
      fc.asyncProperty(sequencesOf(kinds), async ({ inOrder, arriving }) => {
        const [expected, got] = [await laneAfter(inOrder), await laneAfter(arriving)];
        expect(catalogueOf(got)).toEqual(catalogueOf(expected));
        expect(got.status().connection).toBe(expected.status().connection);
      }),
    );
  });

  it('is never said to be ready without a completion that is newer than its last disconnect', async () => {
    await fc.assert(
      fc.asyncProperty(sequencesOf(readiness), async ({ inOrder, arriving }) => {
        const lane = await laneAfter(arriving);
        const lastOf = (topic: string): number => inOrder.findLast((event) => event.topic === topic)?.second ?? 0;
        if (lane.status().catalogReady) {
          expect(lastOf('PRODUCT_SYNC_COMPLETED')).toBeGreaterThan(lastOf('MERCHANT_DISCONNECTED'));
        }
      }),
      { numRuns: 150 },
    );
  });

  it('has counted every end of a sync exactly once', async () => {
    await fc.assert(
      fc.asyncProperty(sequencesOf(kinds), async ({ inOrder, arriving }) => {
        const { completed, failed } = (await laneAfter(arriving)).status().tracks.product;
        const times = (topic: string): number => inOrder.filter((event) => event.topic === topic).length;
        expect([completed, failed]).toEqual([times('PRODUCT_SYNC_COMPLETED'), times('PRODUCT_SYNC_FAILED')]);
      }),
    );
  });
});

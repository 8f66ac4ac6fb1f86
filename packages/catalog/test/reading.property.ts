import fc from 'fast-check';
import { defineHandler } from '../src/index';
import { MerchantLane, SECOND, T0, violetDate } from './merchant-lane';

interface Offer {
  readonly id: number;
  readonly merchant_id: number;
  readonly name: string;
  readonly date_last_modified: string;
  readonly [field: string]: unknown;
}

interface Read {
  readonly entities: readonly Offer[];
  readonly readAt: number;
}

/** A whole reading of the server's list, brought in as one event. */
const reading = defineHandler({
  source: 'violet',
  topics: ['read'],
  async handle({ payload }, merchant) {
    const { entities, readAt } = payload as Read;
    for (const entity of entities) await merchant.offers.putRead(entity, readAt);
    const seen = new Set(entities.map(({ id }) => String(id)));
    for (const id of await merchant.offers.ids()) if (!seen.has(id)) await merchant.offers.removeUnread(id, readAt);
  },
});

const keep = defineHandler({ source: 'violet', topics: ['keep'], handle: (_event, merchant) => merchant.receipts.keep() });

/** At each moment something happens at the server, is told of at once or some moments later, or the list is read and applied later. */
const moments = fc.array(
  fc.record({
    what: fc.constantFrom('change', 'remove', 'read'),
    id: fc.integer({ min: 1, max: 3 }),
    delay: fc.integer({ min: 0, max: 4 }),
    /** Several moments share a second: dates do not tell them apart. */
    isSameSecond: fc.boolean(),
  }),
  { maxLength: 25 },
);

test('whatever came late, twice or in the same second, a reading that begins after all of it leaves what the server has', async () => {
  await fc.assert(
    fc.asyncProperty(moments, async (happenings) => {
      const lane = new MerchantLane([reading, keep], { refreshes: () => true });
      const server = new Map<number, Offer>();
      const arrivals: { at: number; topic: string; body: object }[] = [];
      let second = 0;
      for (const [moment, { what, id, delay, isSameSecond }] of happenings.entries()) {
        if (!isSameSecond) second += 1;
        // Moments are real time, seconds are what dates show of it: the server's clock is behind by less than its resolution.
        const now = T0 + moment * SECOND;
        const arrivesAt = now + delay * SECOND + 1;
        if (what === 'read') {
          arrivals.push({ at: arrivesAt, topic: 'read', body: { entities: [...server.values()], readAt: now } satisfies Read });
        } else if (what === 'remove') {
          server.delete(id);
          arrivals.push({ at: arrivesAt, topic: 'OFFER_REMOVED', body: { id, merchant_id: 10_042 } });
        } else {
          const offer: Offer = {
            id,
            merchant_id: 10_042,
            name: `of ${moment}`,
            date_last_modified: violetDate(T0 + second * SECOND),
          };
          server.set(id, offer);
          arrivals.push(
            { at: arrivesAt, topic: 'OFFER_UPDATED', body: offer },
            { at: arrivesAt + 1, topic: 'OFFER_UPDATED', body: offer },
          );
        }
      }
      const end = T0 + 100 * SECOND;
      arrivals.push({ at: end + 1, topic: 'read', body: { entities: [...server.values()], readAt: end } satisfies Read });
      await lane.apply('keep', {});
      for (const { at, topic, body } of arrivals.sort((a, b) => a.at - b.at)) await lane.apply(topic, body, { receivedAt: at });
      expect(new Map(lane.ids('offers').map((id) => [Number(id), lane.document('offers', id)]))).toEqual(server);
    }),
  );
});

test('an event received after a reading began is never undone by it, unless what was read is newer by its date', async () => {
  const change = fc.record({ isRemoval: fc.boolean(), date: fc.integer({ min: 0, max: 3 }) });
  await fc.assert(
    fc.asyncProperty(
      fc.array(change, { minLength: 1, maxLength: 5 }),
      fc.option(fc.integer({ min: 0, max: 3 })),
      async (changes, listed) => {
        const lane = new MerchantLane([reading, keep], { refreshes: () => true });
        const offer = (name: string, date: number): Offer => ({
          id: 1,
          merchant_id: 10_042,
          name,
          date_last_modified: violetDate(T0 + date * SECOND),
        });
        await lane.apply('keep', {});
        const readAt = T0 + 10 * SECOND;
        for (const [index, { isRemoval, date }] of changes.entries()) {
          const receivedAt = readAt + index + 1;
          if (isRemoval) await lane.apply('OFFER_REMOVED', { id: 1 }, { receivedAt });
          else await lane.apply('OFFER_UPDATED', offer(`event ${index}`, date), { receivedAt });
        }
        const before = lane.document('offers', '1') as Offer | undefined;
        const entities = listed === null ? [] : [offer('read', listed)];
        await lane.apply('read', { entities, readAt } satisfies Read, { receivedAt: readAt + 1_000 });
        const isNewer = before !== undefined && listed !== null && T0 + listed * SECOND > Date.parse(before.date_last_modified);
        expect(lane.document('offers', '1')).toEqual(isNewer ? entities[0] : before);
      },
    ),
  );
});

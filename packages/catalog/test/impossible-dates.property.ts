import * as fc from 'fast-check';
import { MerchantLane, SECOND, T0, violetDate } from './merchant-lane';

const DAY = 86_400 * SECOND;
const RECEIVED_AT = T0 + 10 * DAY;

/** What a sender may write for a date: a real one, none, or one that cannot be. */
const dates = fc.oneof(
  fc.integer({ min: 0, max: 9 * 86_400 }).map((second) => violetDate(T0 + second * SECOND)),
  fc.constantFrom(
    undefined,
    null,
    '',
    'yesterday',
    0,
    1e300,
    {},
    '2026-02-30T00:00:00Z',
    '0000-00-00T00:00:00Z',
    '+275760-09-13',
  ),
  fc.integer({ min: 2, max: 300 }).map((days) => violetDate(RECEIVED_AT + days * DAY)),
  fc.constantFrom('2999-01-01T00:00:00+0000', '9999-12-31T23:59:59-2359'),
);

const topics = fc.constantFrom(
  'MERCHANT_CONNECTED',
  'MERCHANT_DISCONNECTED',
  'MERCHANT_DISABLED',
  'PRODUCT_SYNC_STARTED',
  'PRODUCT_SYNC_COMPLETED',
  'PRODUCT_SYNC_FAILED',
  'OFFER_ADDED',
  'OFFER_REMOVED',
);

function bodyOf(topic: string, date: unknown, name = 'an offer'): object {
  if (topic.startsWith('MERCHANT_')) return { id: 10042, date_last_modified: date };
  if (topic.startsWith('PRODUCT_SYNC')) return { merchant_id: 10042, date_last_synced: date };
  return { id: 7, merchant_id: 10042, name, date_last_modified: date };
}

const pasts = fc.array(fc.tuple(topics, dates), { maxLength: 15 });

async function laneAfter(past: readonly (readonly [string, unknown])[]): Promise<MerchantLane> {
  const lane = new MerchantLane();
  for (const [topic, date] of past) await lane.apply(topic, bodyOf(topic, date), { receivedAt: RECEIVED_AT });
  return lane;
}

describe('whatever dates came before', () => {
  const later = (seconds: number) => ({ receivedAt: RECEIVED_AT + seconds * SECOND });
  const now = (seconds: number): string => violetDate(RECEIVED_AT + seconds * SECOND);

  it('what really happens next is believed: a merchant connects, syncs and is ready, and its offer is as last sent', async () => {
    await fc.assert(
      fc.asyncProperty(pasts, async (past) => {
        const lane = await laneAfter(past);
        await lane.apply('MERCHANT_CONNECTED', bodyOf('MERCHANT_CONNECTED', now(1)), later(1));
        await lane.apply('PRODUCT_SYNC_STARTED', bodyOf('PRODUCT_SYNC_STARTED', now(2)), later(2));
        expect(lane.status().tracks.product.state).toBe('syncing');
        const offer = bodyOf('OFFER_ADDED', now(3), 'as last sent');
        await lane.apply('OFFER_UPDATED', offer, later(3));
        await lane.apply('PRODUCT_SYNC_COMPLETED', bodyOf('PRODUCT_SYNC_COMPLETED', now(4)), later(4));
        expect(lane.status()).toMatchObject({
          connection: 'connected',
          catalogReady: true,
          tracks: { product: { state: 'synced' } },
        });
        expect(lane.document('offers', '7')).toEqual(offer);
        await lane.apply('OFFER_REMOVED', bodyOf('OFFER_REMOVED', now(5)), later(5));
        expect(lane.ids('offers')).toEqual([]);
      }),
      { numRuns: 80 },
    );
  });

  it('a disconnect that really happens takes readiness back', async () => {
    await fc.assert(
      fc.asyncProperty(pasts, async (past) => {
        const lane = await laneAfter(past);
        await lane.apply('MERCHANT_DISCONNECTED', bodyOf('MERCHANT_DISCONNECTED', now(1)), later(1));
        await lane.apply('PRODUCT_SYNC_COMPLETED', bodyOf('PRODUCT_SYNC_COMPLETED', now(2)), later(2));
        expect(lane.status()).toMatchObject({ connection: 'disconnected', catalogReady: false });
      }),
      { numRuns: 80 },
    );
  });
});

describe('a date that says less than the one before', () => {
  it('does not make an older event look new: a disconnect is late also behind an event without a date', async () => {
    const lane = await laneAfter([
      ['MERCHANT_CONNECTED', violetDate(T0 + 10 * SECOND)],
      ['PRODUCT_SYNC_COMPLETED', violetDate(T0 + 11 * SECOND)],
      ['MERCHANT_CONNECTED', undefined],
      ['MERCHANT_DISCONNECTED', violetDate(T0 + 5 * SECOND)],
    ]);
    expect(lane.status()).toMatchObject({ connection: 'connected', catalogReady: true });
  });

  it('does not open a run for a start that an end before it had made late', async () => {
    const lane = await laneAfter([
      ['PRODUCT_SYNC_COMPLETED', violetDate(T0 + 10 * SECOND)],
      ['PRODUCT_SYNC_FAILED', violetDate(T0 + 5 * SECOND)],
      ['PRODUCT_SYNC_STARTED', violetDate(T0 + 7 * SECOND)],
    ]);
    expect(lane.status().tracks.product).toMatchObject({ state: 'failed', runs: 2 });
  });
});

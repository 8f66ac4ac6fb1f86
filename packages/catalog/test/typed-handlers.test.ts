import * as z from 'zod';
import { defineHandler, defineVioletHandler, type VioletPayloads, violetPayloads } from '../src/index';
import { MerchantLane, rejectionOf } from './merchant-lane';

/** Compiles only when both types are the same, and not `any`. */
type Same<A, B> = 0 extends 1 & A ? false : [A, B] extends [B, A] ? true : false;
const isSame = <A, B>(same: Same<A, B>): boolean => same;

test('a handler’s payload has the type that its schema makes', async () => {
  const seen: string[] = [];
  const handler = defineHandler({
    source: 'violet',
    topics: ['ORDER_UPDATED'],
    payload: z.object({ id: z.int(), total: z.string().transform(Number) }),
    handle({ payload }) {
      isSame<typeof payload, { id: number; total: number }>(true);
      // @ts-expect-error: no such field
      seen.push(String(payload.absent), payload.total.toFixed(1));
    },
  });
  await new MerchantLane([handler]).apply('ORDER_UPDATED', { id: 1, total: '7' });
  expect(seen).toEqual(['undefined', '7.0']);
});

test('the payload of a Violet event has the type of its topic, and the topic tells which', async () => {
  const seen: unknown[] = [];
  const handler = defineVioletHandler({
    topics: ['OFFER_ADDED', 'OFFER_REMOVED', 'PRODUCT_SYNC_COMPLETED'],
    async handle(event, merchant, { attempt }) {
      if (event.topic === 'OFFER_ADDED') {
        isSame<typeof event.payload, VioletPayloads['OFFER_ADDED']>(true);
        seen.push(event.payload.name.toUpperCase(), (await merchant.offers.get(event.payload.id))?.id, attempt);
      } else if (event.topic === 'OFFER_REMOVED') {
        // @ts-expect-error: the name of what is removed is not certain
        event.payload.name satisfies string;
        seen.push(event.payload.id);
      } else {
        isSame<typeof event.topic, 'PRODUCT_SYNC_COMPLETED'>(true);
        seen.push(event.payload.merchant_id);
      }
    },
  });
  const lane = new MerchantLane([handler]);
  await lane.apply('OFFER_ADDED', { id: 7, merchant_id: 1, name: 'shoe' });
  await lane.apply('OFFER_REMOVED', { id: 7 });
  await lane.apply('PRODUCT_SYNC_COMPLETED', { merchant_id: '1' });
  expect(seen).toEqual(['SHOE', 7, 1, 7, '1']);
});

test('a topic that Violet does not have does not compile', () => {
  // @ts-expect-error: OFFER_REMVOED
  const handler = () => defineVioletHandler({ topics: ['OFFER_REMVOED'], handle: () => undefined });
  expect(typeof handler).toBe('function');
});

test.each(Object.keys(violetPayloads))(
  '%s reaches no handler with a payload that is not what its topic promises',
  async (topic) => {
    const seen: unknown[] = [];
    const handler = defineVioletHandler({
      topics: Object.keys(violetPayloads) as (keyof VioletPayloads)[],
      handle: ({ payload }) => void seen.push(payload),
    });
    expect(await rejectionOf(new MerchantLane([handler]).apply(topic, { id: {}, merchant_id: null }))).toMatchObject({
      reason: 'invalid',
    });
    expect(seen).toEqual([]);
  },
);

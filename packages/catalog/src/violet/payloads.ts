import * as z from 'zod';
import { defineHandler, type Handler, type HandlerContext, type HandlerEvent } from '../handler';
import type { Merchant } from '../merchant';
import { violetCollection, violetMerchant, violetOffer, violetRemoval, violetSync } from './schemas';

/** What is certain of the body of each of Violet's topics; all else in it is kept, and unknown. */
export const violetPayloads = {
  OFFER_ADDED: violetOffer,
  OFFER_UPDATED: violetOffer,
  OFFER_CREATED: violetOffer,
  OFFER_REMOVED: violetRemoval,
  OFFER_DELETED: violetRemoval,
  COLLECTION_CREATED: violetCollection,
  COLLECTION_UPDATED: violetCollection,
  COLLECTION_REMOVED: violetRemoval,
  PRODUCT_SYNC_STARTED: violetSync,
  PRODUCT_SYNC_COMPLETED: violetSync,
  PRODUCT_SYNC_FAILED: violetSync,
  COLLECTION_SYNC_STARTED: violetSync,
  COLLECTION_SYNC_COMPLETED: violetSync,
  COLLECTION_SYNC_FAILED: violetSync,
  MERCHANT_CONNECTED: violetMerchant,
  MERCHANT_DISCONNECTED: violetMerchant,
  MERCHANT_ENABLED: violetMerchant,
  MERCHANT_DISABLED: violetMerchant,
  MERCHANT_COMPLETE: violetMerchant,
  MERCHANT_NEEDS_ATTENTION: violetMerchant,
} as const;

/** From topic to payload. */
export type VioletPayloads = { readonly [Topic in keyof typeof violetPayloads]: z.output<(typeof violetPayloads)[Topic]> };
export type VioletTopic = keyof VioletPayloads;

/** One of Violet's events: its topic tells what its payload is. */
export type VioletEvent<Topic extends VioletTopic = VioletTopic> = {
  [One in Topic]: HandlerEvent<VioletPayloads[One]> & { readonly topic: One };
}[Topic];

export interface VioletHandler<Topic extends VioletTopic> extends Pick<Handler, 'name' | 'external'> {
  readonly topics: readonly Topic[];
  handle(event: VioletEvent<Topic>, merchant: Merchant, context: HandlerContext): unknown;
}

/** A handler of Violet's topics, whose payloads are checked and typed by them. */
export function defineVioletHandler<Topic extends VioletTopic>(handler: VioletHandler<Topic>): Handler {
  const { name, external, topics } = handler;
  return defineHandler({
    name,
    external,
    source: 'violet',
    topics,
    payload: z.union([...new Set(topics.map((topic) => violetPayloads[topic]))]),
    // The built-in handler of the topic has checked the payload by that topic's own schema before.
    handle: (event, ...rest) => handler.handle(event as VioletEvent<Topic>, ...rest),
  });
}

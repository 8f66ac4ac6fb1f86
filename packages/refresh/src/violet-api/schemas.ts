import * as z from 'zod';

/**
 * What is needed of the answers of Violet's API (catalog-service and event-service, v1). Everything else is kept as it comes: fields are
 * absent or null at will, and enumerated values grow without notice.
 */
export const page = z.looseObject({ content: z.array(z.unknown()).nullish(), last: z.boolean().nullish() });

/** An entry of a page of offers or collections. */
export const listedEntity = z.looseObject({ id: z.int(), merchant_id: z.union([z.int(), z.string()]).nullish() });
export type ListedEntity = z.infer<typeof listedEntity>;

const count = z.int().nonnegative().nullish();
export const offerCount = z.looseObject({ count, published_count: count, not_published_count: count });

export const webhookEvent = z.looseObject({
  id: z.int(),
  webhook_id: z.int().nullish(),
  entity_id: z.int().nullish(),
  event_type: z.string().nullish(),
  status: z.string().nullish(),
  date_created: z.string().nullish(),
});
export type WebhookEvent = z.infer<typeof webhookEvent>;

/** The schema says that the body is an object; as text it is taken as well. */
export const webhookEventBody = z.looseObject({ body: z.union([z.looseObject({}), z.string()]) });

export const webhook = z.looseObject({
  id: z.int(),
  event: z.string(),
  status: z.string().nullish(),
  temp_disable_ms: z.number().nullish(),
});
export type Webhook = z.infer<typeof webhook>;

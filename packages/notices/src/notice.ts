import type { NoticeData } from '@syncline/catalog';
import * as z from 'zod';

/** The topic of the event that delivers one notice to one destination. */
export const DELIVERY_TOPIC = 'syncline.delivery';

/** That event's payload as stored. It holds no more of the destination than its name, and so none of its secrets. */
export const deliveryPayload = z.looseObject({
  destination: z.string(),
  /** Of a delivery that was made anew of a replayed one: the id that it keeps. */
  id: z.string().optional(),
  notice: z.looseObject({
    kind: z.string(),
    source: z.string(),
    merchantId: z.string(),
    /** Epoch milliseconds: the receipt of the event that it comes from. */
    at: z.number(),
    data: z.record(z.string(), z.unknown()),
  }),
});
export type DeliveryPayload = z.infer<typeof deliveryPayload>;

/** A notice as destinations and their templates see it. */
export interface Told {
  /** The same for every attempt at this delivery, and another for every other delivery. */
  readonly id: string;
  readonly type: string;
  /** ISO 8601 UTC with milliseconds. */
  readonly timestamp: string;
  readonly source: string;
  readonly merchantId: string;
  readonly data: NoticeData;
}

export function toldOf({ notice }: DeliveryPayload, id: string): Told {
  const { kind, source, merchantId, at, data } = notice;
  return { id, type: kind, timestamp: new Date(at).toISOString(), source, merchantId, data };
}

/** The value that a path such as `data.product.title` leads to; undefined where it leads nowhere. Own properties only. */
export function valueAt(told: Told, path: string): unknown {
  return path.split('.').reduce<unknown>((value, name) => {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, name)) return undefined;
    return Reflect.get(value, name) as unknown;
  }, told);
}

/** A value as text: nothing for null and undefined, JSON for objects and arrays. */
export function textOf(value: unknown): string {
  if (value === null || value === undefined) return '';
  if (typeof value === 'string') return value;
  return JSON.stringify(value);
}

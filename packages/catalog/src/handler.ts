import type { DocumentRef, Lane } from '@syncline/events';
import type { Merchant } from './merchant';

/** An event as a handler sees it. */
export interface HandlerEvent<Payload = unknown> {
  readonly source: string;
  readonly eventId: string;
  readonly topic: string;
  readonly merchantId: string;
  readonly lane: Lane;
  /** The event's place in its lane, from 1. */
  readonly seq: number;
  /** Epoch milliseconds. */
  readonly receivedAt: number;
  /** By lower-case name. */
  readonly headers: Readonly<Record<string, string>>;
  /** The body as JSON, or what the handler's `payload` made of it. */
  readonly payload: Payload;
  /**
   * 64 hexadecimal digits, the same for every attempt of this handler at this event, also after restarts: made of source, event id and
   * the handler's name. Hand it to a service that ignores repetitions.
   */
  readonly idempotencyKey: string;
}

export interface HandlerContext {
  /** Fires at the handler timeout, which is over before the lane can be given to another, and at shutdown. */
  readonly signal: AbortSignal;
  /** 1 for the first attempt. */
  readonly attempt: number;
  /** True for a dead letter that was put back: it has this attempt only, and must not be put off. */
  readonly replay: boolean;
  readonly idempotencyKey: string;
}

/** Checks a payload: a zod schema, or anything else with `safeParse` or `parse`. A refused payload makes a dead letter. */
export type PayloadSchema<Payload = unknown> =
  | { safeParse(value: unknown): { success: true; data: Payload } | { success: false; error: unknown } }
  | { parse(value: unknown): Payload | Promise<Payload> };

/** What happens on an event. The catalogue's own handlers and those that a user adds have the same shape. */
export interface Handler<Payload = unknown> {
  /** Makes idempotency keys; the topics unless given. Give one before changing the topics of a handler that acts outside. */
  readonly name?: string | undefined;
  /** The sender whose events it is for; `*` for those of every sender. */
  readonly source: string;
  /** Exact topics, or beginnings of topics followed by `*`. Syncline's own topics fit only a beginning that is theirs: `syncline.*`. */
  readonly topics: readonly string[];
  readonly payload?: PayloadSchema<Payload> | undefined;
  /** True when `handle` acts outside the unit of work, for instance by calling a service. */
  readonly external?: boolean | undefined;
  /**
   * Names what the event tells the newest state of, when `handle` does nothing else. In a flood, only the last event of those that name the
   * same is recorded as processed, the others as superseded: see `Plan.foldKey`. Only the catalogue's own handlers have it, and it counts
   * only where no handler of a user's takes the event.
   */
  foldKey?(event: HandlerEvent<Payload>): string | undefined;
  /** Documents that `handle` will read, so that they can be fetched ahead. Only a hint: it may be left out, and may fail. */
  reads?(event: HandlerEvent<Payload>): readonly DocumentRef[];
  /**
   * Returns or resolves to 'superseded' when the event is stale and changes nothing; any other value means that it was processed.
   * Throwing retries the event, with an error whose `code` is `PERMANENT` it becomes a dead letter.
   */
  handle(event: HandlerEvent<Payload>, merchant: Merchant, context: HandlerContext): unknown;
}

/** Gives a handler its type: the event's payload is what the schema in `payload` makes of it. */
export function defineHandler<Payload = unknown>(handler: Handler<Payload>): Handler {
  return handler;
}

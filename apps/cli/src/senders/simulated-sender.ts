import type { sourceSecretVariables } from '@syncline/runtime';
import type { SenderSettings, Source } from '@syncline/senders';
import type { Merchant } from '../console-client';

/** A body as a sender writes it. */
export type Body = Readonly<Record<string, unknown>>;

/** One event to send. Its body is made when it is needed: a large catalogue is never held in memory as a whole. */
export interface PlannedEvent {
  readonly topic: string;
  /** The id of what the event is about; of a sync the sync operation's, not the merchant's. */
  readonly entityId: number | string;
  /** The sender's own date of what happened, in epoch milliseconds. */
  readonly date: number;
  body(): Body;
  /** Why, on topics that say so. */
  readonly reason?: string;
  /** The secrets that it is signed with, of a sender that writes several signatures; the first one unless given. */
  readonly signedWith?: 'both' | 'next';
}

/** A manual resend of an event of the same plan: a copy under an id of its own that names its source. It must be a duplicate. */
export interface PlannedCopy {
  readonly copyOf: PlannedEvent;
}

/** Events that may be sent at the same time, once every event of the phases before is acknowledged. */
export interface Phase {
  /** What happens in it, for people. */
  readonly name: string;
  readonly events: readonly (PlannedEvent | PlannedCopy)[];
}

/** What a scenario starts from. */
export interface Setting {
  readonly merchantId: string;
  readonly seed: number;
  /** The date of the run's first events, in epoch milliseconds. */
  readonly startsAt: number;
  /** What lies between the dates of a scenario's steps, of which there are at most STEPS_MAX, in milliseconds. 0: all have one date. */
  readonly stepMs: number;
  /** Ids of the offers and collections that the merchant has. */
  readonly present: { readonly offers: readonly number[]; readonly collections: readonly number[] };
  /** How many there are to be where the merchant has none. */
  readonly wanted: { readonly offers: number; readonly collections: number };
}

/** The most steps that a scenario dates its events by, beside the first. */
export const STEPS_MAX = 3;

/** A flow of a merchant's life. `plan` is pure: the same setting gives the same phases. */
export interface Scenario {
  readonly name: string;
  /** One line for `--help`. */
  readonly summary: string;
  /** True when the dates of its events tell which of them come late, whatever the options say. */
  readonly isDated?: boolean;
  plan(setting: Setting): Phase[];
}

/** What the console showed before anything was sent. */
export interface Before {
  /** Undefined for a merchant that it did not know. */
  readonly merchant: Merchant | undefined;
  readonly offerIds: readonly number[];
  readonly collectionIds: readonly number[];
}

/** What a track must show; undefined where nothing is claimed. */
export interface ExpectedTrack {
  /** Any one of these. */
  states: readonly string[];
  runs: number | undefined;
  completed: number;
  failed: number;
  consecutiveFailures: number;
  total: unknown;
  synced: unknown;
  lastError: unknown;
  /** Whether failures are rising. */
  isRising: boolean | undefined;
}

/** What the console must show once everything sent has been applied, and nothing else has. */
export interface Expectation {
  readonly connection: string;
  readonly catalogReady: boolean;
  readonly tracks: { readonly product: ExpectedTrack; readonly collection: ExpectedTrack };
  /** By entity id: the event that last set it, or undefined where it stays as it was. */
  readonly offers: ReadonlyMap<number, PlannedEvent | undefined>;
  readonly collections: ReadonlyMap<number, PlannedEvent | undefined>;
}

/** What a merchant's events lead to, worked out event by event. It repeats no code of the catalogue: it is its check. */
export interface MerchantModel {
  /** Applies the lane's next event; gives the outcomes of which its history must show one. */
  apply(event: PlannedEvent): readonly string[];
  /**
   * What the event tells anew, if it may be folded: of several of one key, with none without a key between them, all but the last that
   * is processed may be shown as superseded.
   */
  foldKey?(event: PlannedEvent): string | undefined;
  expected(): Expectation;
}

/** How a delivery is known. A resend has an id of its own beside that of its event. */
export interface DeliveryId {
  readonly eventId: string;
  readonly resendId?: string;
}

/** A delivery as it goes over the wire. */
export interface WrittenDelivery {
  readonly body: string;
  readonly headers: Readonly<Record<string, string>>;
}

/** Everything that the simulator knows of one sender. */
export interface SimulatedSender {
  readonly source: Source;
  /** In the sender's own words. */
  readonly name: string;
  readonly secretVariable: (typeof sourceSecretVariables)[number];
  readonly scenarios: readonly Scenario[];
  /** Whether its deliveries say which event they are of; without that the ingress derives the id. */
  readonly givesEventIds: boolean;
  readonly defaultMerchantId: string;
  /** The forms that a merchant id may have, in words. */
  readonly merchantIdForm: string;
  /** The id of the merchant so many places after the first; undefined when the first is none, or there is none so far on. */
  merchantIdAfter(first: string, places: number): string | undefined;
  /** The delivery of an event, signed now. */
  write(event: PlannedEvent, id: DeliveryId, settings: SenderSettings, nowMs: number): WrittenDelivery;
  /** A merchant as it stood before. */
  model(before: Before): MerchantModel;
}

/** The event of a planned entry. */
export function eventIn(entry: PlannedEvent | PlannedCopy): PlannedEvent {
  return 'copyOf' in entry ? entry.copyOf : entry;
}

/** A phase of a single event: a barrier between the phases around it. */
export function single(event: PlannedEvent | PlannedCopy): Phase {
  return { name: eventIn(event).topic, events: [event] };
}

/** The numbers from 1 to `count`. */
export function numbersTo(count: number): number[] {
  return Array.from({ length: count }, (_item, index) => index + 1);
}

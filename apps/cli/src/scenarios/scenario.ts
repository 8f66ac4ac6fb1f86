import type { Entity, Payloads } from '../payloads';

/** One event to send. Its body is made when it is needed: a large catalogue is never held in memory as a whole. */
export interface PlannedEvent {
  readonly topic: string;
  /** The id of the entity that the event is about; for syncs the sync operation's, not the merchant's. */
  readonly entityId: number;
  body(): Entity;
  /** Why, on topics that say so. */
  readonly reason?: string;
}

/** Events that may be sent at the same time, once every event of the phases before is acknowledged. */
export interface Phase {
  /** What happens in it, for people. */
  readonly name: string;
  readonly events: readonly PlannedEvent[];
}

/** What a scenario starts from. */
export interface Setting {
  readonly payloads: Payloads;
  /** Numbers of the offers and collections that the merchant has, ascending; empty for a merchant with none. */
  readonly present: { readonly offers: readonly number[]; readonly collections: readonly number[] };
  /** How many there are to be where the merchant has none. */
  readonly wanted: { readonly offers: number; readonly collections: number };
  readonly seed: number;
}

/** A flow of a merchant's life. `plan` is pure: the same setting gives the same phases. */
export interface Scenario {
  readonly name: string;
  /** One line for `--help`. */
  readonly summary: string;
  plan(setting: Setting): Phase[];
}

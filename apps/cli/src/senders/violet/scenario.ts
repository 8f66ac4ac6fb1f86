import type { Phase, Scenario } from '../simulated-sender';
import type { Payloads } from './payloads';

/** What a scenario of Violet's starts from. */
export interface VioletSetting {
  readonly payloads: Payloads;
  /** Numbers of the offers and collections that the merchant has, ascending; empty for a merchant with none. */
  readonly present: { readonly offers: readonly number[]; readonly collections: readonly number[] };
  /** How many there are to be where the merchant has none. */
  readonly wanted: { readonly offers: number; readonly collections: number };
  readonly seed: number;
}

/** A flow of a merchant's life. `plan` is pure: the same setting gives the same phases. */
export interface VioletScenario extends Omit<Scenario, 'plan'> {
  plan(setting: VioletSetting): Phase[];
}

import { randomOf } from '@syncline/runtime';
import type { SenderSettings } from '@syncline/senders';
import type { Clock } from './clock';
import type { ConsoleClient, Merchant } from './console-client';
import { type DeliveryPlan, type Disorder, deliveryPlanOf, type PlannedDelivery } from './delivery-plan';
import { checkHistory, entityDifferences, merchantDifferences } from './expectation';
import { CommandFailure, throwIfInterrupted } from './failure';
import type { Taken } from './ingress-client';
import { Ledger } from './ledger';
import { type Before, type Scenario, type Setting, type SimulatedSender, STEPS_MAX, type WrittenDelivery } from './senders';

export interface RunSettings extends Disorder {
  readonly sender: SimulatedSender;
  readonly scenario: Scenario;
  readonly wanted: Setting['wanted'];
  readonly seed: number;
  /** Makes the event ids of this run its own. */
  readonly runId: string;
  readonly client: ConsoleClient;
  /** What lies between the dates of two steps of the scenario, in milliseconds. */
  readonly stepMs: number;
  /** When the plan of a merchant that was there before may be made, in epoch milliseconds. */
  readonly knownFrom: number;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

/** What a merchant's run came to. */
export interface RunCheck {
  readonly differences: readonly string[];
  /** Events of the run that its history no longer holds. */
  readonly forgotten: number;
}

/** One merchant's part in a run: what it was before, what is sent for it, and what that must come to. */
export class MerchantRun {
  readonly merchantId: string;
  readonly plan: DeliveryPlan;
  readonly #settings: RunSettings;
  readonly #before: Before;
  readonly #ledger: Ledger;
  readonly #prefix: string;
  #resends = 0;

  private constructor(merchantId: string, number: number, settings: RunSettings, before: Before) {
    const { sender, scenario, wanted, seed, runId, stepMs, clock } = settings;
    this.merchantId = merchantId;
    this.#settings = settings;
    this.#before = before;
    // The sender gives every event an id of its own: a second run of the same scenario is new events.
    this.#prefix = number === 0 ? `sim-${runId}` : `sim-${runId}.${number + 1}`;
    const phases = scenario.plan({
      merchantId,
      seed,
      // No date lies ahead: the next run's are to be newer.
      startsAt: clock.now() - STEPS_MAX * stepMs,
      stepMs,
      present: { offers: before.offerIds, collections: before.collectionIds },
      wanted,
    });
    this.plan = deliveryPlanOf(phases, settings, randomOf('disorder', seed, merchantId));
    this.#ledger = new Ledger(this.plan.events, {
      lane: `${sender.source}:${merchantId}`,
      eventId: (event) => (sender.givesEventIds ? this.#eventId(event) : undefined),
    });
  }

  /** Reads how the merchant stands and plans what to send. Rejects with a CommandFailure when its lane is held. */
  static async prepare(merchantId: string, number: number, settings: RunSettings): Promise<MerchantRun> {
    const before = await readBefore(settings.client, merchantId);
    if (before.merchant !== undefined) {
      await settings.clock.sleep(settings.knownFrom - settings.clock.now(), settings.signal);
      throwIfInterrupted(settings.signal);
    }
    return new MerchantRun(merchantId, number, settings, before);
  }

  get deliveries(): number {
    return this.plan.phases.reduce((sum, { length }) => sum + length, 0);
  }

  /** A delivery begins: gives what writes it, for each attempt anew. */
  begin({ event: place, isResend }: PlannedDelivery, settings: SenderSettings): () => WrittenDelivery {
    const event = this.plan.events[place];
    if (event === undefined) throw new RangeError(`Expected an event of the plan, got ${place}`);
    this.#ledger.begin(place);
    const eventId = this.#eventId(place);
    if (isResend) this.#resends += 1;
    const id = isResend ? { eventId, resendId: `${eventId}-resend-${this.#resends}` } : { eventId };
    return () => this.#settings.sender.write(event, id, settings, this.#settings.clock.now());
  }

  take({ event }: PlannedDelivery, taken: Taken): void {
    this.#ledger.take(event, taken);
  }

  /** Compares what the console shows, once all is applied, with what was sent. */
  async check(merchant: Merchant): Promise<RunCheck> {
    const { sender, client } = this.#settings;
    const model = sender.model(this.#before);
    const history = await checkHistory(this.#ledger, client.history(this.merchantId), model);
    const expected = model.expected();
    return {
      differences: [
        ...this.#ledger.differences(),
        ...merchantDifferences(expected, merchant),
        ...(await entityDifferences('offer', expected.offers, client.entities(this.merchantId, 'offers'))),
        ...(await entityDifferences('collection', expected.collections, client.entities(this.merchantId, 'collections'))),
        ...history.differences,
      ],
      forgotten: history.forgotten,
    };
  }

  #eventId(event: number): string {
    return `${this.#prefix}-${event + 1}`;
  }
}

async function readBefore(client: ConsoleClient, merchantId: string): Promise<Before> {
  const merchant = await client.merchant(merchantId);
  if (merchant === undefined) return { merchant, offerIds: [], collectionIds: [] };
  if (merchant.lane.state === 'paused' || merchant.lane.state === 'blocked') throw heldLane(merchant);
  return {
    merchant,
    offerIds: await entityIds(client.entities(merchantId, 'offers')),
    collectionIds: await entityIds(client.entities(merchantId, 'collections')),
  };
}

async function entityIds(entities: AsyncIterable<unknown>): Promise<number[]> {
  const ids: number[] = [];
  for await (const entity of entities) {
    const id = typeof entity === 'object' && entity !== null && 'id' in entity ? entity.id : undefined;
    if (typeof id === 'number') ids.push(id);
  }
  return ids;
}

/** Why a run cannot go on at a lane that an operator, or a failed event, holds. */
export function heldLane({ source, merchantId, lane }: Merchant): CommandFailure {
  return new CommandFailure(
    `Expected the lane ${source}:${merchantId} to move, got it ${lane.state}: an operator must let it go on, or --merchant name another.`,
  );
}

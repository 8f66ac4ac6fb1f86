import { violet as door } from '@syncline/senders';
import type { Scenario, SimulatedSender } from '../simulated-sender';
import { failedRecovery } from './failed-recovery';
import { violetModel } from './model';
import { onboarding } from './onboarding';
import { createPayloads, entityNumberOf, MERCHANT_ID_MAX } from './payloads';
import { reEnable } from './re-enable';
import type { VioletScenario } from './scenario';
import { scheduled } from './scheduled';
import { untidy } from './untidy';

/** The flows of Violet's that can be simulated, in the order of a merchant's life. */
export const violetScenarios: readonly VioletScenario[] = [onboarding, scheduled, failedRecovery, reEnable, untidy];

/** Violet: each event has an id and a topic in its headers; the body is the entity. */
export const violet: SimulatedSender = {
  source: 'violet',
  name: 'Violet',
  secretVariable: 'VIOLET_APP_SECRET',
  scenarios: violetScenarios.map(scenarioOf),
  givesEventIds: true,
  defaultMerchantId: '10042',
  merchantIdForm: `a whole number from 1 to ${MERCHANT_ID_MAX}`,
  merchantIdAfter(first, places) {
    const id = /^\d{1,10}$/.test(first) ? Number(first) + places : Number.NaN;
    return Number(first) >= 1 && id <= MERCHANT_ID_MAX ? String(id) : undefined;
  },
  write(event, { eventId, resendId }, settings) {
    const body = JSON.stringify(event.body());
    return {
      body,
      headers: {
        ...door.sign({ eventId: resendId ?? eventId, topic: event.topic, body }, settings),
        'X-Violet-Webhook-Id': String(webhookIdOf(event.topic)),
        'X-Violet-Entity-Id': String(event.entityId),
        ...(resendId !== undefined && { 'X-Violet-Event-Id-Source': eventId }),
        ...(event.reason !== undefined && { 'X-Violet-Reason': event.reason }),
      },
    };
  },
  model: violetModel,
};

function scenarioOf(scenario: VioletScenario): Scenario {
  return {
    ...scenario,
    plan({ merchantId, seed, startsAt, stepMs, present, wanted }) {
      const id = Number(merchantId);
      const numbers = (ids: readonly number[]): number[] =>
        ids.flatMap((entityId) => entityNumberOf(id, entityId) ?? []).sort((left, right) => left - right);
      return scenario.plan({
        payloads: createPayloads({ merchantId: id, seed, now: startsAt, stepMs }),
        present: { offers: numbers(present.offers), collections: numbers(present.collections) },
        wanted,
        seed,
      });
    },
  };
}

/** Each topic has a webhook of its own at the sender: an id that is the same in every run. */
function webhookIdOf(topic: string): number {
  let id = 0;
  for (let index = 0; index < topic.length; index += 1) id = (id * 31 + topic.charCodeAt(index)) % 90_000;
  return 10_000 + id;
}

import { randomBytes } from 'node:crypto';
import { standard as door, type SenderSettings } from '@syncline/senders';
import { opaqueMerchantIdAfter, opaqueMerchantIdForm } from './opaque-merchant-id';
import {
  type Before,
  type MerchantModel,
  numbersTo,
  type PlannedEvent,
  type Scenario,
  type Setting,
  type SimulatedSender,
} from './simulated-sender';
import { tracksBefore } from './track-model';

const topics = ['catalog.updated', 'product.created', 'product.updated', 'product.deleted'] as const;

function eventsOf({ merchantId, startsAt }: Setting, from: number, to: number, signedWith?: 'both' | 'next'): PlannedEvent[] {
  return numbersTo(to - from).map((number) => {
    const id = from + number;
    const topic = topics[id % topics.length] ?? topics[0];
    return {
      topic,
      entityId: id,
      date: startsAt,
      body: () => ({
        type: topic,
        timestamp: new Date(startsAt).toISOString(),
        data: { merchant_id: merchantId, id: `item-${id}`, revision: startsAt },
      }),
      ...(signedWith && { signedWith }),
    };
  });
}

const events: Scenario = {
  name: 'events',
  summary: 'events of four topics, which are kept for handlers of your own',
  plan: (setting) => [{ name: 'events', events: eventsOf(setting, 0, Math.max(1, setting.wanted.offers)) }],
};

const rotation: Scenario = {
  name: 'rotation',
  summary: 'events while the secret rotates: signed with the first secret, with it and the next, and with the next alone',
  plan(setting) {
    const count = Math.max(3, setting.wanted.offers);
    const [first, second] = [Math.floor(count / 3), Math.floor((2 * count) / 3)];
    return [
      { name: 'before', events: eventsOf(setting, 0, first) },
      { name: 'during', events: eventsOf(setting, first, second, 'both') },
      { name: 'after', events: eventsOf(setting, second, count, 'next') },
    ];
  },
};

/** A secret that the receiver has not been told yet. */
const untold = `whsec_${randomBytes(24).toString('base64')}`;

/**
 * The secrets that sign. The next one is the second that is configured. With a single one it has not been told to the receiver, and
 * the rotation never ends: what would be signed with the next alone is then signed with both.
 */
function secretsOf(event: PlannedEvent, { secrets }: SenderSettings): readonly string[] {
  const [first = '', next] = secrets;
  if (event.signedWith === undefined) return [first];
  if (next === undefined) return [untold, first];
  return event.signedWith === 'next' ? [next] : [first, next];
}

function standardModel(before: Before): MerchantModel {
  return {
    // A handler of the user's may take it.
    apply: () => ['unhandled', 'processed'],
    expected: () => ({
      connection: before.merchant?.connection ?? 'unknown',
      catalogReady: before.merchant?.catalogReady ?? false,
      tracks: tracksBefore(before),
      offers: new Map(),
      collections: new Map(),
    }),
  };
}

/** Any sender that follows Standard Webhooks: id, time and body are signed, with one or several secrets. */
export const standard: SimulatedSender = {
  source: 'standard',
  name: 'a sender that follows Standard Webhooks',
  secretVariable: 'STANDARD_WEBHOOKS_SECRET',
  scenarios: [events, rotation],
  givesEventIds: true,
  defaultMerchantId: 'merchant-10042',
  merchantIdForm: opaqueMerchantIdForm,
  merchantIdAfter: opaqueMerchantIdAfter,
  write(event, { eventId }, settings, nowMs) {
    const body = JSON.stringify(event.body());
    const signed = secretsOf(event, settings).map((secret) =>
      door.sign({ eventId, topic: event.topic, body, sentAtMs: nowMs }, { ...settings, secrets: [secret] }),
    );
    const signatures = signed.map((headers) => headers['webhook-signature']).join(' ');
    return { body, headers: { ...signed[0], 'webhook-signature': signatures } };
  },
  model: standardModel,
};

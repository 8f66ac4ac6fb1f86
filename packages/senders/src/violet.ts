import { isJsonObject, type JsonObject, parseBody } from './body';
import { derivedEventId, eventIdFrom, type MerchantReading, merchantIdFrom, topicFrom } from './identity';
import type { Delivery, Headers, Identity, Message, Sender, SenderSettings } from './sender';
import { decodeSignature, headerText, hmacSha256, matchesAny, signingSecret } from './signature';

const SIGNATURE_HEADER = 'x-violet-hmac';

/** What names the merchant of an event: a field of the entity, the bags of an order, or a header. */
type MerchantSource = 'merchant_id' | 'id' | 'bags' | 'header';

/** Violet's topics in families: those of one family name their merchant in the same place. */
const families: readonly { readonly prefix: string; readonly merchant: MerchantSource; readonly changes: readonly string[] }[] = [
  { prefix: 'PRODUCT_SYNC', merchant: 'merchant_id', changes: ['STARTED', 'COMPLETED', 'FAILED'] },
  { prefix: 'COLLECTION_SYNC', merchant: 'merchant_id', changes: ['STARTED', 'COMPLETED', 'FAILED'] },
  { prefix: 'OFFER', merchant: 'merchant_id', changes: ['ADDED', 'UPDATED', 'REMOVED', 'DELETED'] },
  { prefix: 'COLLECTION', merchant: 'merchant_id', changes: ['CREATED', 'UPDATED', 'REMOVED', 'OFFERS_UPDATED'] },
  {
    prefix: 'MERCHANT',
    merchant: 'id',
    changes: ['CONNECTED', 'DISCONNECTED', 'ENABLED', 'DISABLED', 'COMPLETE', 'NEEDS_ATTENTION'],
  },
  {
    prefix: 'MERCHANT_PAYOUT_ACCOUNT',
    merchant: 'merchant_id',
    changes: ['CREATED', 'REQUIREMENTS_UPDATED', 'DELETED', 'ACTIVATED', 'DEACTIVATED'],
  },
  {
    prefix: 'ORDER',
    merchant: 'bags',
    changes: [
      'UPDATED',
      'SHIPPED',
      'COMPLETED',
      'CANCELED',
      'REFUNDED',
      'RETURNED',
      'DELIVERED',
      'ACCEPTED',
      'FAILED',
      'DISPUTED',
    ],
  },
  {
    prefix: 'PAYMENT_TRANSACTION_CAPTURE_STATUS',
    merchant: 'merchant_id',
    changes: ['UPDATED', 'AUTHORIZED', 'CAPTURED', 'REFUNDED', 'PARTIALLY_REFUNDED', 'FAILED'],
  },
  { prefix: 'PAYMENT_TRANSACTION_DISPUTE', merchant: 'merchant_id', changes: ['OPENED', 'WON', 'LOST'] },
  {
    prefix: 'TRANSFER',
    merchant: 'merchant_id',
    changes: ['UPDATED', 'SENT', 'FAILED', 'PARTIALLY_SENT', 'REVERSED', 'PARTIALLY_REVERSED', 'REVERSAL_FAILED'],
  },
  { prefix: 'RELAY_OFFER', merchant: 'header', changes: ['CREATED', 'UPDATED', 'REMOVED'] },
  { prefix: 'RELAY_ORDER', merchant: 'header', changes: ['UPDATED'] },
];

/** Every topic that Violet's API names. Others occur and are kept as well: names appear without notice. */
export const violetTopics: readonly string[] = families.flatMap(({ prefix, changes }) =>
  changes.map((change) => `${prefix}_${change}`),
);

/** Also of the spellings that Violet's documents use or used. A topic that is not here is looked at for `merchant_id`. */
const merchantSources: ReadonlyMap<string, MerchantSource> = new Map([
  ...families.flatMap(({ prefix, merchant, changes }) => changes.map((change) => [`${prefix}_${change}`, merchant] as const)),
  ['OFFER_CREATED', 'merchant_id'],
  ['ORDER_CANCELLED', 'bags'],
]);

/**
 * Violet signs the raw body alone with the app secret: topic and event id are not authenticated. There is no timestamp, so no
 * replay window either. A manual resend is a copy with an id of its own and the source's id beside it: it is the source's event.
 */
export const violet: Sender = {
  source: 'violet',
  signatureHeaders: [SIGNATURE_HEADER],

  verify({ headers, body }: Delivery, settings: SenderSettings): boolean {
    const written = headers[SIGNATURE_HEADER];
    const signature = typeof written === 'string' ? decodeSignature(written, settings.signatureEncoding ?? 'base64') : undefined;
    return signature !== undefined && matchesAny([signature], settings.secrets, (secret) => hmacSha256(secret, body));
  },

  identify({ headers, body }: Delivery): Identity {
    const sentTopic = headerText(headers, 'x-violet-topic');
    const reading = topicFrom(sentTopic, 'the header X-Violet-Topic');
    const ownId = eventIdFrom(headers, 'x-violet-event-id');
    const sourceId = eventIdFrom(headers, 'x-violet-event-id-source');
    const eventId = sourceId ?? ownId ?? derivedEventId(sentTopic ?? '', body);
    const identified = {
      eventId,
      aliases: ownId === undefined || ownId === eventId ? [] : [ownId],
      headers: keptHeaders(headers),
    };
    if ('reason' in reading) return { kind: 'unreadable', ...identified, ...reading, topic: undefined };
    const parsed = parseBody(body);
    if ('reason' in parsed) return { kind: 'unreadable', ...identified, ...parsed, topic: reading.topic };
    const merchant = merchantOf(reading.topic, parsed.value, headers);
    if ('reason' in merchant) return { kind: 'unreadable', ...identified, ...merchant, topic: reading.topic };
    return { kind: 'event', ...identified, topic: reading.topic, merchantId: merchant.merchantId };
  },

  sign(message: Message, settings: SenderSettings): Record<string, string> {
    const body = Buffer.from(message.body);
    return {
      'X-Violet-Hmac': hmacSha256(signingSecret(settings), body).toString(settings.signatureEncoding ?? 'base64'),
      'X-Violet-Topic': message.topic,
      'X-Violet-Event-Id': message.eventId,
      'X-Violet-Entity-Length': String(body.length),
    };
  },
};

function merchantOf(topic: string, entity: JsonObject, headers: Headers): MerchantReading {
  switch (merchantSources.get(topic)) {
    case 'id':
      return merchantIdFrom(entity.id, 'id');
    case 'bags':
      return merchantOfBags(entity.bags);
    case 'header':
      return merchantIdFrom(headerText(headers, 'x-violet-merchant-id'), 'the header X-Violet-Merchant-Id');
    default:
      return merchantIdFrom(entity.merchant_id, 'merchant_id');
  }
}

/** An order belongs to a merchant's lane only when all its bags are that merchant's. */
function merchantOfBags(bags: unknown): MerchantReading {
  const merchantIds = new Set<string>();
  for (const bag of Array.isArray(bags) ? bags : []) {
    const merchant = merchantIdFrom(isJsonObject(bag) ? bag.merchant_id : undefined, 'bags[].merchant_id');
    if ('reason' in merchant) return merchant;
    if (merchant.merchantId !== undefined) merchantIds.add(merchant.merchantId);
  }
  const [merchantId, ...others] = merchantIds;
  return { merchantId: others.length === 0 ? merchantId : undefined };
}

function keptHeaders(headers: Headers): Record<string, string> {
  const kept: Record<string, string> = {};
  for (const [name, value] of Object.entries(headers)) {
    if (name.startsWith('x-violet-') && name !== SIGNATURE_HEADER && typeof value === 'string') kept[name] = value;
  }
  return kept;
}

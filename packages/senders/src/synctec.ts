import { isJsonObject, type JsonObject, parseBody } from './body';
import { derivedEventId, merchantIdFrom, topicFrom } from './identity';
import type { Delivery, Identity, Message, Sender, SenderSettings } from './sender';
import { decodeSignature, hmacSha256, matchesAny, signingSecret } from './signature';

const SIGNATURE_HEADER = 'x-storelink-signature';
const PREFIX = 'sha256=';

/**
 * SyncTec (StoreLink) does not document how its signature is written: hex and base64 are taken, with and without `sha256=`.
 * It sends no event id: an event is known by what happened to which item in which store at what time, else by its body.
 * The merchant is the destination store, whose state changes.
 */
export const synctec: Sender = {
  source: 'synctec',
  signatureHeaders: [SIGNATURE_HEADER],

  verify({ headers, body }: Delivery, settings: SenderSettings): boolean {
    const written = headers[SIGNATURE_HEADER];
    if (typeof written !== 'string') return false;
    const text = written.startsWith(PREFIX) ? written.slice(PREFIX.length) : written;
    const signature = decodeSignature(text, 'hex') ?? decodeSignature(text, 'base64');
    return signature !== undefined && matchesAny([signature], settings.secrets, (secret) => hmacSha256(secret, body));
  },

  identify({ body }: Delivery): Identity {
    const parsed = parseBody(body);
    const eventId = 'value' in parsed ? eventIdOf(parsed.value, body) : derivedEventId(body);
    const identified = { eventId, aliases: [], headers: {} };
    if ('reason' in parsed) return { kind: 'unreadable', ...identified, ...parsed, topic: undefined };
    const reading = topicFrom(parsed.value.event, 'event');
    if ('reason' in reading) return { kind: 'unreadable', ...identified, ...reading, topic: undefined };
    const merchant = merchantIdFrom(parsed.value.destination_store, 'destination_store');
    if ('reason' in merchant) return { kind: 'unreadable', ...identified, ...merchant, topic: reading.topic };
    return { kind: 'event', ...identified, topic: reading.topic, merchantId: merchant.merchantId };
  },

  sign(message: Message, settings: SenderSettings): Record<string, string> {
    return { 'X-StoreLink-Signature': hmacSha256(signingSecret(settings), message.body).toString('hex') };
  },
};

function eventIdOf(value: JsonObject, body: Buffer): string {
  const parts = [value.event, value.timestamp, itemIdOf(value), value.destination_store];
  const texts = parts.filter((part) => typeof part === 'string' || typeof part === 'number').map(String);
  return texts.length === parts.length ? derivedEventId(JSON.stringify(texts)) : derivedEventId(body);
}

function itemIdOf(value: JsonObject): unknown {
  const item = value.product ?? value.collection;
  return isJsonObject(item) ? item.id : undefined;
}

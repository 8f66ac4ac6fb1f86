import { parseBody } from './body';
import { derivedEventId, eventIdFrom, merchantIdFrom, topicFrom } from './identity';
import type { Delivery, Identity, Message, Sender, SenderSettings } from './sender';
import { decodeSignature, headerText, hmacSha256, matchesAny, signingSecret } from './signature';

const TOLERANCE_SECONDS = 300;
const SIGNATURES_MAX = 32;
const VERSION = 'v1,';
const SECRET_PREFIX = 'whsec_';

/**
 * The Standard Webhooks scheme: id, time and body are signed, several signatures may be given, and what was sent more than
 * five minutes before or after now is refused. The sender's id stays the same over its retries.
 */
export const standard: Sender = {
  source: 'standard',
  signatureHeaders: ['webhook-id', 'webhook-timestamp', 'webhook-signature'],

  verify({ headers, body }: Delivery, settings: SenderSettings, nowMs: number): boolean {
    const id = headerText(headers, 'webhook-id');
    const timestamp = headerText(headers, 'webhook-timestamp');
    const written = headerText(headers, 'webhook-signature');
    if (id === undefined || timestamp === undefined || written === undefined || !/^\d{1,12}$/.test(timestamp)) return false;
    if (Math.abs(Math.floor(nowMs / 1_000) - Number(timestamp)) > TOLERANCE_SECONDS) return false;
    const signatures = written.split(' ', SIGNATURES_MAX).flatMap((entry) => {
      const signature = entry.startsWith(VERSION) ? decodeSignature(entry.slice(VERSION.length), 'base64') : undefined;
      return signature ?? [];
    });
    // Node reads header bytes as Latin-1; what was signed is the bytes.
    const head = Buffer.from(`${id}.${timestamp}.`, 'latin1');
    return matchesAny(signatures, settings.secrets.map(keyOf), (key) => hmacSha256(key, head, body));
  },

  identify({ headers, body }: Delivery, settings: SenderSettings): Identity {
    const identified = {
      eventId: eventIdFrom(headers, 'webhook-id') ?? derivedEventId(headerText(headers, 'webhook-id') ?? '', body),
      aliases: [],
      headers: keptHeaders(headerText(headers, 'webhook-timestamp')),
    };
    const parsed = parseBody(body);
    if ('reason' in parsed) return { kind: 'unreadable', ...identified, ...parsed, topic: undefined };
    const topicPointer = settings.topicPointer ?? '/type';
    const reading = topicFrom(valueAt(parsed.value, topicPointer), topicPointer);
    if ('reason' in reading) return { kind: 'unreadable', ...identified, ...reading, topic: undefined };
    const merchantPointer = settings.merchantPointer ?? '/data/merchant_id';
    const merchant = merchantIdFrom(valueAt(parsed.value, merchantPointer), merchantPointer);
    if ('reason' in merchant) return { kind: 'unreadable', ...identified, ...merchant, topic: reading.topic };
    return { kind: 'event', ...identified, topic: reading.topic, merchantId: merchant.merchantId };
  },

  sign({ eventId, body, sentAtMs = Date.now() }: Message, settings: SenderSettings): Record<string, string> {
    const timestamp = String(Math.floor(sentAtMs / 1_000));
    const signature = hmacSha256(keyOf(signingSecret(settings)), Buffer.from(`${eventId}.${timestamp}.`, 'latin1'), body);
    return {
      'webhook-id': eventId,
      'webhook-timestamp': timestamp,
      'webhook-signature': `${VERSION}${signature.toString('base64')}`,
    };
  },
};

/** The key is the base64 behind the prefix; without a prefix, the whole. */
function keyOf(secret: string): Buffer {
  return Buffer.from(secret.startsWith(SECRET_PREFIX) ? secret.slice(SECRET_PREFIX.length) : secret, 'base64');
}

function keptHeaders(timestamp: string | undefined): Record<string, string> {
  return timestamp === undefined ? {} : { 'webhook-timestamp': timestamp };
}

/** The value at a JSON pointer (RFC 6901); undefined where it leads nowhere. Own properties only. */
function valueAt(root: unknown, pointer: string): unknown {
  let value = root;
  for (const token of pointer.split('/').slice(1)) {
    const name = token.replaceAll('~1', '/').replaceAll('~0', '~');
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, name)) return undefined;
    value = Reflect.get(value, name);
  }
  return value;
}

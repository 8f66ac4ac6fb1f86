import { isJsonObject, type JsonObject, parseBody } from './body';
import { derivedEventId, merchantIdFrom, topicFrom } from './identity';
import type { Delivery, Identity, Message, Sender, SenderSettings } from './sender';
import { decodeSignature, hmacSha256, matchesAny, signingSecret } from './signature';

const SIGNATURE_HEADER = 'propexo-signature';

/**
 * Propexo sends no event id and no time: an event is known by its topic and body. Two later syncs with equal counts are
 * byte-identical, so such an id must be forgotten when the sender's retries are over. The merchant is the integration.
 */
export const propexo: Sender = {
  source: 'propexo',
  signatureHeaders: [SIGNATURE_HEADER],

  verify({ headers, body }: Delivery, settings: SenderSettings): boolean {
    const written = headers[SIGNATURE_HEADER];
    const signature = typeof written === 'string' ? decodeSignature(written, 'hex') : undefined;
    return signature !== undefined && matchesAny([signature], settings.secrets, (secret) => hmacSha256(secret, body));
  },

  identify({ body }: Delivery): Identity {
    const parsed = parseBody(body);
    if ('reason' in parsed) return { kind: 'unreadable', ...unnamed('', body), ...parsed, topic: undefined };
    const envelope = parsed.value;
    const data = isJsonObject(envelope.data) ? envelope.data : envelope;
    const reading = topicFrom(topicOf(envelope, data), 'trigger or event');
    if ('reason' in reading) return { kind: 'unreadable', ...unnamed('', body), ...reading, topic: undefined };
    const identified = unnamed(reading.topic, body);
    const merchant = merchantIdFrom(data.integration_id ?? envelope.integration_id, 'integration_id');
    if ('reason' in merchant) return { kind: 'unreadable', ...identified, ...merchant, topic: reading.topic };
    return { kind: 'event', ...identified, topic: reading.topic, merchantId: merchant.merchantId };
  },

  sign(message: Message, settings: SenderSettings): Record<string, string> {
    return { 'propexo-signature': hmacSha256(signingSecret(settings), message.body).toString('hex') };
  },
};

/** The flat shape may leave its event out; counts of jobs are what only a completed sync has. */
function topicOf(envelope: JsonObject, data: JsonObject): unknown {
  const counted = typeof data.successful_job_count === 'number' || typeof data.failed_job_count === 'number';
  return envelope.trigger ?? data.event ?? envelope.event ?? (counted ? 'SYNC_COMPLETE' : undefined);
}

function unnamed(topic: string, body: Buffer) {
  return { eventId: derivedEventId(topic, body), aliases: [], headers: {} };
}

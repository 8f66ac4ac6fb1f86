import { isUtf8 } from 'node:buffer';
import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import { type Event, laneOf, NO_MERCHANT } from '@syncline/events';
import type { AcceptResult, Acceptor } from '@syncline/lanes';
import type { Identity, Sender, SenderSettings } from '@syncline/senders';
import getRawBody from 'raw-body';
import { type BodyPlace, BodyRoom } from './body-room';
import type { IngressMetrics } from './metrics';
import { type QuarantineReason, type RefusalCode, refusals } from './refusals';

/** A sender whose webhooks are received: one with a secret. */
export interface OpenSource {
  readonly sender: Sender;
  readonly settings: SenderSettings;
}

export interface ReceiverSettings {
  readonly acceptor: Pick<Acceptor, 'accept'>;
  /** Whether a topic has a handler that cannot do without its merchant. */
  readonly isHandled: (source: string, topic: string) => boolean;
  readonly bodyLimitBytes: number;
  /** Of all bodies that are in memory at once. */
  readonly bodiesMaxBytes?: number;
  readonly metrics: IngressMetrics;
  /** Epoch milliseconds. */
  readonly now: () => number;
}

const BODIES_MAX_BYTES = 256 * 1024 * 1024;

/** What the log may tell of a delivery that was read. */
export interface Known {
  readonly eventId: string;
  readonly topic: string;
  readonly lane: string;
  readonly bytes: number;
}

/** What became of a delivery. `aborted`: its sender left before the whole body had come. */
export type Receipt =
  | ({ readonly status: 'accepted' | 'duplicate' } & Known)
  | ({ readonly status: 'quarantined'; readonly reason: QuarantineReason } & Known)
  | ({ readonly status: 'refused'; readonly code: RefusalCode } & Partial<Known>)
  | { readonly status: 'aborted' };

/** Takes one delivery to a source as far as it gets. Rejects only when a part of this process is broken. */
export type Receive = (source: OpenSource, request: IncomingMessage) => Promise<Receipt>;

export function createReceiver(settings: ReceiverSettings): Receive {
  const { acceptor, isHandled, bodyLimitBytes, bodiesMaxBytes = BODIES_MAX_BYTES, metrics, now } = settings;
  const bodies = new BodyRoom(bodiesMaxBytes);
  return async (source, request) => {
    const receivedAt = now();
    const refusal = refusalOfHead(source.sender, request, bodyLimitBytes);
    if (refusal !== undefined) return { status: 'refused', code: refusal };

    const place = bodies.open();
    try {
      const body = await readBody(request, bodyLimitBytes, place);
      return Buffer.isBuffer(body) ? await receiveBody(source, request.headers, body, receivedAt) : body;
    } finally {
      place.close();
    }
  };

  async function receiveBody(
    { sender, settings: senderSettings }: OpenSource,
    headers: IncomingHttpHeaders,
    body: Buffer,
    receivedAt: number,
  ): Promise<Receipt> {
    const delivery = { headers, body };
    if (!sender.verify(delivery, senderSettings, receivedAt))
      return { status: 'refused', code: 'signature_invalid', bytes: body.length };

    const identity = sender.identify(delivery, senderSettings);
    const event = eventOf(sender.source, identity, body, receivedAt);
    const quarantine = quarantineOf(identity, isHandled, sender.source);
    const known: Known = { eventId: event.eventId, topic: event.topic, lane: event.lane, bytes: body.length };

    const acceptedIn = metrics.acceptSeconds.startTimer();
    const { status } = await acceptor.accept({ event, aliases: identity.aliases, ...(quarantine && { quarantine }) });
    acceptedIn();
    if (status === 'duplicate') return { status, ...known };
    if (status !== 'accepted') return { status: 'refused', code: refusalsByStore[status], ...known };
    return quarantine === undefined ? { status, ...known } : { status: 'quarantined', reason: quarantine.reason, ...known };
  }
}

const refusalsByStore = { full: 'store_full', overloaded: 'overloaded', timeout: 'store_timeout' } as const satisfies Record<
  Exclude<AcceptResult['status'], 'accepted' | 'duplicate'>,
  RefusalCode
>;

/** An HTTP answer to a delivery. */
export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: object;
}

const RETRY_AFTER_SECONDS = { store_full: 60, overloaded: 5, store_timeout: 5, unavailable: 5 } as const satisfies Partial<
  Record<RefusalCode, number>
>;

/** The answer that a receipt becomes; undefined when nobody is there to be answered. */
export function answerOf(receipt: Receipt): Answer | undefined {
  switch (receipt.status) {
    case 'accepted':
      return { status: 202, headers: {}, body: { status: 'accepted', eventId: receipt.eventId, lane: receipt.lane } };
    case 'duplicate':
      return { status: 200, headers: {}, body: { status: 'duplicate', eventId: receipt.eventId } };
    case 'quarantined':
      return { status: 202, headers: {}, body: { status: 'quarantined', eventId: receipt.eventId, reason: receipt.reason } };
    case 'refused':
      return refusalAnswer(receipt.code);
    case 'aborted':
      return undefined;
    default:
      return receipt satisfies never;
  }
}

/** The answer to a request that is refused for this code. */
export function refusalAnswer(code: RefusalCode): Answer {
  const { status, message } = refusals[code];
  return { status, headers: refusalHeaders(code), body: { error: { code, message } } };
}

function refusalHeaders(code: RefusalCode): Record<string, string> {
  switch (code) {
    case 'method_not_allowed':
      return { Allow: 'POST' };
    case 'store_full':
    case 'overloaded':
    case 'store_timeout':
    case 'unavailable':
      return { 'Retry-After': String(RETRY_AFTER_SECONDS[code]) };
    default:
      return {};
  }
}

/** What can be refused before a byte of the body is read. */
function refusalOfHead(sender: Sender, { method, headers }: IncomingMessage, bodyLimitBytes: number): RefusalCode | undefined {
  if (method !== 'POST') return 'method_not_allowed';
  const encodings = headers['content-encoding']?.split(',') ?? [];
  if (encodings.some((encoding) => !['', 'identity'].includes(encoding.trim().toLowerCase())))
    return 'content_encoding_unsupported';
  if (Number(headers['content-length'] ?? 0) > bodyLimitBytes) return 'body_too_large';
  if (sender.signatureHeaders.some((name) => !headers[name])) return 'signature_missing';
  return undefined;
}

async function readBody(request: IncomingMessage, limitBytes: number, place: BodyPlace): Promise<Buffer | Receipt> {
  const noRoom = new Promise<Receipt>((resolve) => {
    request.on('data', (chunk: Buffer) => {
      if (place.add(chunk.length)) return;
      // Nothing further of it is kept; the answer closes the connection.
      request.removeAllListeners('data');
      resolve({ status: 'refused', code: 'overloaded' });
    });
  });
  const wholeBody = getRawBody(request, { limit: limitBytes, length: request.headers['content-length'] ?? null });
  try {
    return await Promise.race([wholeBody, noRoom]);
  } catch (error) {
    const type = error instanceof Error && 'type' in error ? error.type : undefined;
    if (type === 'entity.too.large') return { status: 'refused', code: 'body_too_large' };
    if (type === 'request.size.invalid') return { status: 'refused', code: 'body_incomplete' };
    if (request.destroyed) return { status: 'aborted' };
    throw error;
  }
}

function eventOf(source: string, identity: Identity, body: Buffer, receivedAt: number): Event {
  const merchantId = identity.kind === 'event' ? identity.merchantId : undefined;
  const bodyEncoding = isUtf8(body) ? 'utf8' : 'base64';
  return {
    source,
    eventId: identity.eventId,
    topic: identity.topic ?? '',
    lane: laneOf(source, merchantId ?? NO_MERCHANT),
    receivedAt,
    headers: identity.headers,
    body: body.toString(bodyEncoding),
    bodyEncoding,
  };
}

/** A delivery that no handler is waiting for is kept as an event, readable or not. */
function quarantineOf(
  identity: Identity,
  isHandled: (source: string, topic: string) => boolean,
  source: string,
): { reason: QuarantineReason; message: string } | undefined {
  if (identity.topic !== undefined && !isHandled(source, identity.topic)) return undefined;
  if (identity.kind === 'unreadable') return { reason: identity.reason, message: identity.message };
  if (identity.merchantId !== undefined) return undefined;
  return {
    reason: 'merchant_missing',
    message: `Expected a merchant in an event of topic ${identity.topic}, got none or several`,
  };
}

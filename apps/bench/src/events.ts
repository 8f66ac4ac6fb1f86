import { type Event, laneOf } from '@syncline/events';
import { senders } from '@syncline/senders';

export const SECRET = 'bench-secret';
export const SOURCE = 'violet';
export const TOPIC = 'OFFER_UPDATED';
export const BODY_BYTES = 1_024;

/** Offers of one merchant that the events change in turn. */
const OFFERS = 100;
const FIRST_DATE_MS = Date.UTC(2026, 0, 1);

/** An offer of BODY_BYTES. Events go to the merchants in turn. */
export function bodyOf(index: number, merchants: number): string {
  const merchant = index % merchants;
  const offer = {
    id: merchant * OFFERS + (Math.floor(index / merchants) % OFFERS) + 1,
    merchant_id: merchant + 1,
    name: `Offer ${index}`,
    date_last_modified: new Date(FIRST_DATE_MS + index * 1_000).toISOString(),
    description: '',
  };
  const missing = BODY_BYTES - Buffer.byteLength(JSON.stringify(offer));
  return JSON.stringify({ ...offer, description: 'x'.repeat(Math.max(0, missing)) });
}

export function laneOfMerchant(merchant: number): string {
  return laneOf(SOURCE, String(merchant + 1));
}

/** An event as the ingress would hand it on. `series` keeps the ids of several fills apart. */
export function eventOf(series: string, index: number, merchants: number): Event {
  const body = bodyOf(index, merchants);
  const eventId = `${series}-${index}`;
  return {
    source: SOURCE,
    eventId,
    topic: TOPIC,
    lane: laneOfMerchant(index % merchants),
    receivedAt: Date.now(),
    headers: { 'x-violet-topic': TOPIC, 'x-violet-event-id': eventId, 'x-violet-entity-length': String(body.length) },
    body,
    bodyEncoding: 'utf8',
  };
}

/** A whole signed HTTP request, as bytes: signing and writing it costs the load generator nothing while it measures. */
export function requestOf(series: string, index: number, merchants: number): Buffer {
  const body = bodyOf(index, merchants);
  const signed = senders.violet.sign({ topic: TOPIC, eventId: `${series}-${index}`, body }, { secrets: [SECRET] });
  const headers = {
    Host: '127.0.0.1',
    'Content-Type': 'application/json',
    'Content-Length': String(Buffer.byteLength(body)),
    ...signed,
  };
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  return Buffer.from(`POST /webhooks/${SOURCE} HTTP/1.1\r\n${lines.join('')}\r\n${body}`);
}

import { randomBytes } from 'node:crypto';
import type { Event, SequencedEvent } from '@syncline/events';

/** Bodies above this many bytes are stored in a key of their own, so that lists stay cheap to walk. */
export const INLINE_BODY_BYTES = 32 * 1024;

/** Form of stored records. Readers take the current and the previous one; writers write the current one. */
const RECORD_VERSION = 1;

interface RecordHeader {
  v: number;
  s: string;
  i: string;
  t: string;
  l: string;
  at: number;
  h?: Record<string, string>;
  /** Encoding of the body, when it is not text. */
  e?: 'base64';
  /** Token of the key that holds the body, when it is not inline. */
  b?: string;
}

/** A record as stored, with what is kept apart. */
export interface EncodedRecord {
  /** `bytes receivedAt header\nbody`; the accept step puts the seq and a space before it. */
  readonly record: string;
  /** The body when it is kept apart, and the token of its key; else both empty. */
  readonly body: string;
  readonly bodyToken: string;
  /** Size that counts towards limits, body included. */
  readonly bytes: number;
}

/** Names the key of one body kept apart. */
export function newBodyToken(): string {
  return randomBytes(12).toString('base64url');
}

/** `newToken` names the key for a body that is too large to be inline; without it every body is. */
export function encodeRecord(event: Event, newToken?: () => string): EncodedRecord {
  const bodyBytes = Buffer.byteLength(event.body);
  const bodyToken = newToken && bodyBytes > INLINE_BODY_BYTES ? newToken() : undefined;
  const header: RecordHeader = {
    v: RECORD_VERSION,
    s: event.source,
    i: event.eventId,
    t: event.topic,
    l: event.lane,
    at: event.receivedAt,
    ...(Object.keys(event.headers).length > 0 && { h: event.headers }),
    ...(event.bodyEncoding === 'base64' && { e: 'base64' }),
    ...(bodyToken !== undefined && { b: bodyToken }),
  };
  const text = JSON.stringify(header);
  const bytes = Buffer.byteLength(text) + bodyBytes;
  const record = `${bytes} ${event.receivedAt} ${text}\n`;
  return bodyToken === undefined
    ? { record: record + event.body, body: '', bodyToken: '', bytes }
    : { record, body: event.body, bodyToken, bytes };
}

/** A record with its place, all in one: the form in which an event outlives its lane's queue. */
export function encodeElement(event: SequencedEvent): string {
  return `${event.seq} ${encodeRecord(event).record}`;
}

/** An event read back; `bodyToken` is set when its body is kept apart, in a key that goes when the event leaves its lane. */
export interface StoredEvent extends SequencedEvent {
  /** Of the stored record, without a body that is kept apart. */
  readonly recordBytes: number;
  readonly bodyToken?: string;
}

/** Bytes of a record `seq bytes receivedAt header\nbody`, as they count towards limits. */
export function sizeIn(element: string): number {
  return Number(/^\d+ (\d+)/.exec(element)?.[1]);
}

/** Decodes `seq bytes receivedAt header\nbody`. Throws on a form that this version cannot read. */
export function decodeRecord(element: string): StoredEvent {
  const headerAt = element.indexOf('{');
  const bodyAt = element.indexOf('\n');
  const seq = Number.parseInt(element, 10);
  if (headerAt < 0 || bodyAt < headerAt || !Number.isSafeInteger(seq)) {
    throw new Error(`Expected a record as "seq bytes receivedAt {header}", got ${JSON.stringify(element.slice(0, 80))}`);
  }
  const header = JSON.parse(element.slice(headerAt, bodyAt)) as RecordHeader;
  if (header.v !== RECORD_VERSION) {
    throw new Error(
      `Expected a record of version ${RECORD_VERSION}, got ${header.v}: a newer Syncline wrote it, run that version`,
    );
  }
  return {
    seq,
    recordBytes: header.b === undefined ? headerAt + sizeIn(element) : element.length,
    source: header.s,
    eventId: header.i,
    topic: header.t,
    lane: header.l,
    receivedAt: header.at,
    headers: header.h ?? {},
    body: element.slice(bodyAt + 1),
    bodyEncoding: header.e ?? 'utf8',
    ...(header.b !== undefined && { bodyToken: header.b }),
  };
}

/** Deepest nesting that a reader is given as JSON: writing it out again is recursive. */
const PAYLOAD_MAX_DEPTH = 200;

/** A body as a reader wants it: JSON where it is, and not nested too deep; text where it is not. */
export function payloadOf(body: string): unknown {
  if (nestedDeeperThan(body, PAYLOAD_MAX_DEPTH)) return body;
  try {
    return JSON.parse(body) as unknown;
  } catch {
    return body;
  }
}

/** Counts brackets outside strings: an upper bound of the nesting of whatever parses. */
function nestedDeeperThan(text: string, most: number): boolean {
  let depth = 0;
  for (const [token] of text.matchAll(/"(?:[^"\\]|\\.)*"|[[\]{}]/gs)) {
    if (token === '[' || token === '{') depth++;
    else if (token === ']' || token === '}') depth--;
    if (depth > most) return true;
  }
  return false;
}

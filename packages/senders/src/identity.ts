import { createHash } from 'node:crypto';
import { isInternalTopic, MERCHANT_ID_MAX_LENGTH, NO_MERCHANT } from '@syncline/events';
import type { Headers } from './sender';
import { headerText } from './signature';

/** Longest event id that is taken from a sender, in characters. */
export const EVENT_ID_MAX_LENGTH = 256;

/** Longest topic that is taken from a sender, in characters. */
export const TOPIC_MAX_LENGTH = 128;

/** Control characters, and halves of surrogate pairs: two texts with different ones become the same bytes. */
const UNSAFE_TEXT = /[\p{Cc}\p{Cs}]/u;

/** The event id in a header; undefined when there is none that can be used. */
export function eventIdFrom(headers: Headers, name: string): string | undefined {
  const text = headerText(headers, name);
  return text !== undefined && text.length <= EVENT_ID_MAX_LENGTH && !UNSAFE_TEXT.test(text) ? text : undefined;
}

/** The id of an event to which the sender gave none: the same parts always give the same id. */
export function derivedEventId(...parts: readonly (string | Buffer)[]): string {
  const hash = createHash('sha256');
  parts.forEach((part, index) => {
    if (index > 0) hash.update('\0');
    hash.update(part);
  });
  return `derived-${hash.digest('hex')}`;
}

export type TopicReading =
  | { readonly topic: string }
  | { readonly reason: 'topic_missing' | 'topic_invalid'; readonly message: string };

/** Reads a topic: a non-empty text of at most 128 characters, kept as sent. `where` says in the message where it was looked for. */
export function topicFrom(value: unknown, where: string): TopicReading {
  if (value === undefined || value === null || value === '') {
    return { reason: 'topic_missing', message: `Expected a topic in ${where}, got none` };
  }
  if (typeof value !== 'string')
    return { reason: 'topic_invalid', message: `Expected text as topic in ${where}, got a ${typeof value}` };
  if (value.length > TOPIC_MAX_LENGTH) {
    const message = `Expected a topic of at most ${TOPIC_MAX_LENGTH} characters in ${where}, got ${value.length}`;
    return { reason: 'topic_invalid', message };
  }
  if (UNSAFE_TEXT.test(value)) {
    return { reason: 'topic_invalid', message: `Expected a topic without control characters in ${where}, got one with some` };
  }
  // An event of such a topic would be taken for one that Syncline itself caused.
  if (isInternalTopic(value)) {
    return { reason: 'topic_invalid', message: `Expected a topic of the sender's in ${where}, got one of Syncline's own` };
  }
  return { topic: value };
}

export type MerchantReading =
  | { readonly merchantId: string | undefined }
  | { readonly reason: 'merchant_invalid'; readonly message: string };

/**
 * Reads a merchant id: a safe integer, or a non-empty text of bounded length without control characters. Absent and null mean none.
 * A number beyond the safe integers has lost digits already: it could name another merchant.
 */
export function merchantIdFrom(value: unknown, where: string): MerchantReading {
  if (value === undefined || value === null) return { merchantId: undefined };
  if (typeof value === 'number') {
    return Number.isSafeInteger(value) ? { merchantId: String(value) } : invalid(where, 'a number that is no safe integer');
  }
  if (typeof value !== 'string') return invalid(where, Array.isArray(value) ? 'an array' : `a value of type ${typeof value}`);
  if (value.trim() === '') return invalid(where, 'an empty text');
  if (value.length > MERCHANT_ID_MAX_LENGTH)
    return invalid(where, `${value.length} characters (at most ${MERCHANT_ID_MAX_LENGTH})`);
  if (UNSAFE_TEXT.test(value)) return invalid(where, 'control characters or broken Unicode in it');
  if (value === NO_MERCHANT) return invalid(where, `"${NO_MERCHANT}", which stands for no merchant`);
  return { merchantId: value };
}

function invalid(where: string, got: string): MerchantReading {
  return { reason: 'merchant_invalid', message: `Expected a merchant id in ${where}, got ${got}` };
}

import { createHmac } from 'node:crypto';

const BUCKETS = 8_192;
const DIGEST_BYTES = 8;

/** Where one id is remembered, and as what. */
export interface IdPlace {
  readonly digest: Buffer;
  readonly bucket: number;
}

/**
 * An id is remembered as an 8-byte keyed digest in one of 8,192 small hashes of a slice of time. Bucket and digest are different
 * bits of one HMAC, so two ids are taken for the same with probability 2^-77 a pair: with 10 million ids remembered, about 7e-17
 * a delivery. The key is secret to the data set, so nobody can choose ids that collide.
 */
export function placeOf(dedupKey: Buffer, source: string, eventId: string): IdPlace {
  const mac = createHmac('sha256', dedupKey).update(source).update('\0').update(eventId).digest();
  return { digest: mac.subarray(0, DIGEST_BYTES), bucket: mac.readUInt16BE(DIGEST_BYTES) % BUCKETS };
}

/** A slice covers half a window, so that the current and the two slices before it cover a whole one. */
export function sliceAt(windowMs: number, now: number): number {
  return Math.floor(now / (windowMs / 2));
}

/** The slices that may remember an id, newest first: one ahead, for a sibling whose clock is. */
export function slicesAround(windowMs: number, now: number): [number, number, number, number] {
  const current = sliceAt(windowMs, now);
  return [current + 1, current, current - 1, current - 2];
}

/** How long a slice is kept from its first id. */
export function sliceLifeMs(windowMs: number): number {
  return Math.ceil(windowMs * 1.5) + 60_000;
}

/** What a remembered id stands for: an event of a lane, or, with lane number 0, a dead letter. */
export function unpackRemembered(value: Buffer): { laneNumber: number; seq: number } {
  return { laneNumber: value.readUInt32BE(0), seq: value.readUIntBE(4, 5) };
}

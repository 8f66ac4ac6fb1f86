/**
 * A lane holds the ordered events of one merchant of one source; it is named by both.
 * Merchant ids are opaque strings: a colon in one is allowed, a colon in a source is not.
 */
export type Lane = string;

/** The lane of events in which no merchant can be found. */
export const NO_MERCHANT = '_';

/** Longest merchant id that a lane may be named by, in characters. */
export const MERCHANT_ID_MAX_LENGTH = 200;

export function laneOf(source: string, merchantId: string): Lane {
  return `${source}:${merchantId}`;
}

export function parseLane(lane: Lane): { source: string; merchantId: string } {
  const colon = lane.indexOf(':');
  if (colon < 1) throw new RangeError(`Expected a lane as source:merchantId, got ${JSON.stringify(lane)}`);
  return { source: lane.slice(0, colon), merchantId: lane.slice(colon + 1) };
}

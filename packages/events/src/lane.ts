/**
 * A lane holds the ordered events of one merchant of one source; it is named by both.
 * Merchant ids are opaque strings: a colon in one is allowed, a colon in a source is not.
 */
export type Lane = string;

/** The lane of events in which no merchant can be found. */
export const NO_MERCHANT = '_';

/** Between a merchant's lane and what distinguishes a lane beside it; no merchant id holds it. */
const SIDE = '\t';

/** Longest merchant id that a lane may be named by, in characters. */
export const MERCHANT_ID_MAX_LENGTH = 200;

export function laneOf(source: string, merchantId: string): Lane {
  return `${source}:${merchantId}`;
}

/** A lane beside a merchant's own, for work that is ordered apart from it (deliveries to one destination). It lives in the same shard. */
export function sideLaneOf(merchantLane: Lane, name: string): Lane {
  return `${merchantLane}${SIDE}${name}`;
}

/** The lane of the merchant that a lane belongs to: itself, but for a side lane. */
export function merchantLaneOf(lane: Lane): Lane {
  const side = lane.indexOf(SIDE);
  return side < 0 ? lane : lane.slice(0, side);
}

export function isSideLane(lane: Lane): boolean {
  return lane.includes(SIDE);
}

/** The names in a lane, or in the lane that it is beside. */
export function parseLane(lane: Lane): { source: string; merchantId: string } {
  const colon = lane.indexOf(':');
  if (colon < 1) throw new RangeError(`Expected a lane as source:merchantId, got ${JSON.stringify(lane)}`);
  return { source: lane.slice(0, colon), merchantId: merchantLaneOf(lane).slice(colon + 1) };
}

/** The side lane, beside a merchant's own, in which everything that calls the API is ordered: a slow API holds up nobody's events. */
export const REFRESH_LANE = 'refresh';

/** The topics of the events that a refresh is made of. Stored data: a renamed one is not recognised any more. */
export const refreshTopics = {
  /** In the side lane: take one step of a refresh. */
  step: 'syncline.refresh',
  /** In the side lane: read a part of the members of one collection. */
  members: 'syncline.refresh-members',
  /** In the merchant's lane: a page that was read. */
  page: 'syncline.catalog-page',
  /** In the merchant's lane: all was read. */
  read: 'syncline.refresh-read',
  /** In the merchant's lane: what was not found is removed; the refresh ends. */
  settled: 'syncline.refresh-settled',
  /** In the merchant's lane: the refresh was given up. */
  failed: 'syncline.refresh-failed',
  /** In the merchant's lane, by a timer: has the refresh come on? */
  stalled: 'syncline.refresh-stalled',
  /** In the merchant's lane, by a timer: begin another refresh, after one that failed. */
  again: 'syncline.refresh-again',
} as const;

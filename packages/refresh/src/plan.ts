import type { MerchantStatus } from '@syncline/catalog';
import * as z from 'zod';

/** `full` reads everything; `incremental` only what was modified since the last refresh. */
export const refreshModes = ['incremental', 'full'] as const;
export type RefreshMode = (typeof refreshModes)[number];

const time = z.number().nullable().default(null);

/** Where the refreshing of one merchant's catalogue stands. Times are epoch milliseconds. Fields of a newer version are kept. */
export const refreshState = z.looseObject({
  /** The refresh under way; `again` when it was asked for because the one before did not reconcile. */
  running: z
    .object({ id: z.string(), mode: z.enum(refreshModes), again: z.boolean() })
    .nullable()
    .default(null),
  /** What was asked for while one was under way. */
  wanted: z.enum(refreshModes).nullable().default(null),
  /** How many completions of each track the refreshes asked for so far take into account. */
  covered: z.object({ product: z.number(), collection: z.number() }).default({ product: 0, collection: 0 }),
  /** The sender's newest date that was read, but none after the reading began. */
  watermark: time,
  /** When the latest full reading that came to its end began. */
  fullAt: time,
  endedAt: time,
  /** Refreshes in a row that failed. */
  failures: z.number().default(0),
  /** Since when the counts differ although everything was read twice; null once they agree. */
  mismatchSince: time,
});
export type RefreshState = z.infer<typeof refreshState>;

/** A later refresh reads from this long before the watermark: the sender's machines need not agree on the time. */
export const OVERLAP_MS = 5 * 60_000;
/** A mismatch that stood after two full readings asks for another one a day later at the soonest. */
const MISMATCH_PATIENCE_MS = 24 * 3_600_000;

/**
 * Whether the syncs of a merchant have come together, and a refresh is due that no earlier one covers. The product sync must have
 * completed, and so must the collection sync where there ever was one; a sync that is under way is waited for, and one that is
 * overdue no longer. After a failure nothing is refreshed until that track completes.
 */
export function isJoined({ connection, tracks }: MerchantStatus, covered: RefreshState['covered']): boolean {
  const { product, collection } = tracks;
  if (connection === 'disconnected' || product.completed === 0) return false;
  const isSettled = (state: string): boolean => state === 'synced' || state === 'overdue';
  if (!isSettled(product.state) || !(isSettled(collection.state) || collection.state === 'never')) return false;
  return product.completed > covered.product || collection.completed > covered.collection;
}

/** The completions that a refresh asked for now takes into account. */
export function coveredBy({ tracks }: MerchantStatus): RefreshState['covered'] {
  return { product: tracks.product.completed, collection: tracks.collection.completed };
}

/** Everything must be read when nothing was, or not since the catalogue became ready: after the first sync of each connection. */
export function modeFor({ watermark, fullAt }: RefreshState, { catalogReadyAt }: MerchantStatus): RefreshMode {
  const isRead = fullAt !== null && watermark !== null;
  return isRead && (catalogReadyAt === null || Date.parse(catalogReadyAt) <= fullAt) ? 'incremental' : 'full';
}

/** The more thorough of two modes. */
export function moreOf(one: RefreshMode | null, other: RefreshMode): RefreshMode {
  return one === 'full' ? 'full' : other;
}

/** The state once this refresh is under way. */
export function started(state: RefreshState, id: string, mode: RefreshMode, again = false): RefreshState {
  return { ...state, running: { id, mode, again }, wanted: null };
}

/** What was read, and how it compares with what the server counts. */
export interface Reading {
  /** When the first request began. */
  readonly startedAt: number;
  /** The newest date among what was read. */
  readonly newest: number | null;
  /** Whether the server's count agrees with what is held; null where that cannot be told. */
  readonly agrees: boolean | null;
  /** True when the lists changed while they were read, so that something may have been missed. */
  readonly disturbed: boolean;
}

/** What comes after a refresh that was read to its end. */
export interface Ended {
  readonly state: RefreshState;
  /** Read everything once more, because of what was found. */
  readonly again: boolean;
  /** The counts differ for good: to be told. */
  readonly mismatch: boolean;
}

/** The state after the refresh under way was read to its end at `now`. */
export function ended(before: RefreshState, { startedAt, newest, agrees, disturbed }: Reading, now: number): Ended {
  const { running } = before;
  const isFull = running?.mode === 'full';
  // A clock of the sender's that is ahead must not make later refreshes blind.
  const reached = newest === null ? null : Math.min(newest, startedAt);
  const differs = agrees === false;
  const isKnown = before.mismatchSince !== null && before.fullAt !== null && now - before.fullAt < MISMATCH_PATIENCE_MS;
  const again = isFull ? (differs || disturbed) && !running.again : differs && !isKnown;
  const persists = differs && isFull && running.again;
  return {
    state: {
      ...before,
      running: null,
      watermark:
        reached === null ? (before.watermark ?? (isFull ? startedAt : null)) : Math.max(reached, before.watermark ?? reached),
      fullAt: isFull ? startedAt : before.fullAt,
      endedAt: now,
      failures: 0,
      mismatchSince: persists ? (before.mismatchSince ?? now) : agrees === true ? null : before.mismatchSince,
    },
    again,
    mismatch: persists && before.mismatchSince === null,
  };
}

/** The state after the refresh under way was given up. */
export function failed(before: RefreshState): RefreshState {
  return { ...before, running: null, failures: before.failures + 1 };
}

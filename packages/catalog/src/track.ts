import * as z from 'zod';

/** The two kinds of sync that a merchant has, each with a track of its own. */
export const trackNames = ['product', 'collection'] as const;
export type TrackName = (typeof trackNames)[number];

/** `syncing` and `overdue` have an open run; `overdue` is one that has been open for too long. */
export const trackStates = ['never', 'syncing', 'synced', 'failed', 'overdue'] as const;
export type TrackState = (typeof trackStates)[number];

const time = z.number().nullable().default(null);
const count = z.number().default(0);

/** A track as stored; times are epoch milliseconds. Fields of a newer version are kept. */
export const syncTrack = z.looseObject({
  state: z.enum(trackStates).default('never'),
  /** Start and end of the latest run; null where unknown or not yet. */
  startedAt: time,
  finishedAt: time,
  durationMs: z.number().nullable().default(null),
  runs: count,
  completed: count,
  failed: count,
  consecutiveFailures: count,
  firstCompletedAt: time,
  /** Of a sender that reports items: its time of the newest one that was synced. */
  itemSyncedAt: time,
  /** The first failure since the last completion. */
  failedSince: time,
  /** Items that the latest run is about, and those that it synced, as the sender counts them. */
  total: z.number().nullable().default(null),
  synced: z.number().nullable().default(null),
  /** The sender's words on the latest failure; null once a run has completed. */
  lastError: z.string().nullable().default(null),
  /** Since when the open run has been overdue. */
  overdueSince: time,
  /** Since when a sync that comes regularly has been missing; null once one begins or ends. */
  missingSince: time,
  /** Since when so many syncs in a row have failed that somebody should look; null once one has completed. */
  failingRepeatedlySince: time,
  /** Since when far more jobs fail than used to; null once a sync ends without that. */
  failuresRisingSince: time,
  /** Which share of its jobs failed in each of the latest syncs, oldest first. */
  failureShares: z.array(z.number()).default([]),
  /** When the sender last said that data has changed, without a word on a sync. */
  changedAt: time,
  /** The sender's own date of the newest end: its clock, and only comparable with its other dates. */
  endDate: time,
});
export type SyncTrack = z.infer<typeof syncTrack>;

/** The sender's counts of items in a sync; null where it gives none. */
export interface SyncCounts {
  readonly total: number | null;
  readonly synced: number | null;
}

const noCounts: SyncCounts = { total: null, synced: null };

/** Whether a run has begun and not ended. */
export function isOpen(track: SyncTrack): boolean {
  return track.state === 'syncing' || track.state === 'overdue';
}

/** A sync began. Opens a run; one that is still open never ended, and is left behind. */
export function startRun(track: SyncTrack, at: number, counts: SyncCounts = noCounts): SyncTrack {
  return {
    ...track,
    state: 'syncing',
    startedAt: at,
    finishedAt: null,
    durationMs: null,
    overdueSince: null,
    missingSince: null,
    runs: track.runs + 1,
    total: counts.total,
    synced: counts.synced,
  };
}

/**
 * True for a start that tells of a run which has ended already: the date in it is older than the one of the newest end. An equal date is
 * no sign of that, because a start may carry the date of the sync before.
 */
export function isLateStart(track: SyncTrack, date: number | undefined): boolean {
  return date !== undefined && track.endDate !== null && date < track.endDate;
}

/** A run has been open for too long. Without an open run it opens one, whose start is unknown. */
export function overdueRun(track: SyncTrack, at: number, counts: SyncCounts = noCounts): SyncTrack {
  const open = isOpen(track) ? track : { ...startRun(track, at), startedAt: null };
  return {
    ...open,
    state: 'overdue',
    overdueSince: open.overdueSince ?? at,
    total: counts.total ?? open.total,
    synced: counts.synced ?? open.synced,
  };
}

/** A sync completed. Without an open run it opens and closes one, whose start and duration are unknown. */
export function completeRun(track: SyncTrack, at: number, counts: SyncCounts = noCounts): SyncTrack {
  return {
    ...closeRun(track, at, counts),
    state: 'synced',
    completed: track.completed + 1,
    consecutiveFailures: 0,
    firstCompletedAt: track.firstCompletedAt ?? at,
    failedSince: null,
    lastError: null,
  };
}

/** A sync failed. Without an open run it opens and closes one, whose start and duration are unknown. */
export function failRun(track: SyncTrack, at: number, counts: SyncCounts = noCounts, error: string | null = null): SyncTrack {
  return {
    ...closeRun(track, at, counts),
    state: 'failed',
    failed: track.failed + 1,
    consecutiveFailures: track.consecutiveFailures + 1,
    failedSince: track.failedSince ?? at,
    lastError: error,
  };
}

function closeRun(track: SyncTrack, at: number, counts: SyncCounts): SyncTrack {
  const open = isOpen(track);
  const startedAt = open ? track.startedAt : null;
  return {
    ...track,
    runs: open ? track.runs : track.runs + 1,
    startedAt,
    finishedAt: at,
    // Two ingresses need not agree on the time: a run never lasts less than nothing.
    durationMs: startedAt === null ? null : Math.max(0, at - startedAt),
    overdueSince: null,
    missingSince: null,
    total: counts.total ?? (open ? track.total : null),
    synced: counts.synced ?? (open ? track.synced : null),
  };
}

/**
 * One item was synced, or failed to be: `at` is the sender's time. It counts always, and decides the state unless something newer has.
 * Failures since the newest item that was synced are failures in a row, also those that come late; of those before one that was synced
 * and comes late, some may be counted still. Items are no runs: neither runs nor durations are known.
 */
export function endItem(track: SyncTrack, outcome: 'synced' | 'failed', at: number, error: string | null = null): SyncTrack {
  const { runs, total, synced, consecutiveFailures, failedSince } = track;
  const isSynced = outcome === 'synced';
  const ended = isSynced ? completeRun(track, at) : failRun(track, at, noCounts, error);
  const firstCompletedAt = isSynced ? Math.min(at, track.firstCompletedAt ?? at) : track.firstCompletedAt;
  const itemSyncedAt = isSynced ? Math.max(at, track.itemSyncedAt ?? at) : track.itemSyncedAt;
  if (track.finishedAt === null || at >= track.finishedAt)
    return { ...ended, runs, total, synced, firstCompletedAt, itemSyncedAt };
  const late = { ...track, completed: ended.completed, failed: ended.failed, firstCompletedAt, itemSyncedAt };
  if (isSynced || (itemSyncedAt !== null && at < itemSyncedAt)) return late;
  return { ...late, consecutiveFailures: consecutiveFailures + 1, failedSince: Math.min(at, failedSince ?? at) };
}

/** Syncs whose jobs are compared with those of the next one; fewer than the second number say too little. */
const SHARES_KEPT = 10;
const SHARES_NEEDED = 3;
const FAILED_JOBS_TOLERATED = 5;
const RISE = 3;

/**
 * Takes down how many jobs of the sync that has just ended failed. Failures are rising when more than five failed, and their share is
 * more than three times the median of the last ten syncs before.
 */
export function noteJobs(track: SyncTrack, at: number, failed: number, successful: number): SyncTrack {
  if (failed + successful === 0) return track;
  const share = failed / (failed + successful);
  const before = track.failureShares;
  const rises = failed > FAILED_JOBS_TOLERATED && before.length >= SHARES_NEEDED && share > RISE * medianOf(before);
  return {
    ...track,
    failureShares: [...before, share].slice(-SHARES_KEPT),
    failuresRisingSince: rises ? (track.failuresRisingSince ?? at) : null,
  };
}

function medianOf(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  const [below = 0, above = 0] =
    sorted.length % 2 === 0 ? [sorted[middle - 1], sorted[middle]] : [sorted[middle], sorted[middle]];
  return (below + above) / 2;
}

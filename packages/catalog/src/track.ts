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
  /** The first failure since the last completion. */
  failedSince: time,
  /** Items that the latest run is about, and those that it synced, as the sender counts them. */
  total: z.number().nullable().default(null),
  synced: z.number().nullable().default(null),
  /** The sender's words on the latest failure; null once a run has completed. */
  lastError: z.string().nullable().default(null),
});
export type SyncTrack = z.infer<typeof syncTrack>;

/** The sender's counts of items in a sync; null where it gives none. */
export interface SyncCounts {
  readonly total: number | null;
  readonly synced: number | null;
}

const noCounts: SyncCounts = { total: null, synced: null };

function isOpen(track: SyncTrack): boolean {
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
    runs: track.runs + 1,
    total: counts.total,
    synced: counts.synced,
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
    total: counts.total ?? (open ? track.total : null),
    synced: counts.synced ?? (open ? track.synced : null),
  };
}

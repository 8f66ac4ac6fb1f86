import * as z from 'zod';
import { isoOf } from './dates';
import {
  completeRun,
  endItem,
  failRun,
  noteJobs,
  overdueRun,
  startRun,
  syncTrack,
  trackNames,
  type SyncCounts,
  type SyncTrack,
  type TrackName,
  type TrackState,
} from './track';

/** How the merchant is connected, as its latest merchant event says. */
export const connections = ['unknown', 'connected', 'disabled', 'disconnected'] as const;
export type Connection = (typeof connections)[number];

const track = syncTrack.prefault({});

/**
 * The status document of a merchant as stored; times are epoch milliseconds and come from the receipt of the events, because the
 * bodies of sync and merchant events carry no date that orders them. Fields of a newer version are kept.
 */
export const statusDocument = z.looseObject({
  connection: z.enum(connections).default('unknown'),
  /** The sender's reason for the latest enabling or disabling. */
  connectionReason: z.string().nullable().default(null),
  /** The sender's own date of the newest merchant event: its clock, and only comparable with its other dates. */
  connectionDate: z.number().nullable().default(null),
  /** That date of the latest connect, of the latest disconnect, and of the latest product sync that completed. */
  connectDate: z.number().nullable().default(null),
  disconnectDate: z.number().nullable().default(null),
  completedDate: z.number().nullable().default(null),
  /** True from a disconnect to the next connect; until then no completion makes the catalogue ready. */
  mustReconnect: z.boolean().default(false),
  /** Since when, and why, the sender asks for somebody's attention; null when it does not. */
  attention: z.object({ since: z.number(), reason: z.string().nullable() }).nullable().default(null),
  catalogReadyAt: z.number().nullable().default(null),
  /** Since when a ready catalogue has been awaited; null where nobody said when that began, and after a disconnect. */
  awaitedSince: z.number().nullable().default(null),
  /** Where the merchant's store runs, in the sender's word; null while it has said nothing of it. */
  platform: z.string().nullable().default(null),
  tracks: z.looseObject({ product: track, collection: track }).prefault({}),
});
export type StatusDocument = z.infer<typeof statusDocument>;

/** A sync track as the console shows it; times are ISO 8601 UTC with milliseconds. */
export interface TrackStatus {
  readonly state: TrackState;
  readonly startedAt: string | null;
  readonly finishedAt: string | null;
  readonly durationMs: number | null;
  readonly runs: number;
  readonly completed: number;
  readonly failed: number;
  readonly consecutiveFailures: number;
  readonly firstCompletedAt: string | null;
  readonly total: number | null;
  readonly synced: number | null;
  readonly lastError: string | null;
  /** These four are there only while they hold; what they mean is said in `syncTrack`. */
  readonly overdueSince?: string;
  readonly missingSince?: string;
  readonly failingRepeatedlySince?: string;
  readonly failuresRisingSince?: string;
}

/** Where a merchant's catalogue stands, as the console shows it; times are ISO 8601 UTC with milliseconds. */
export interface MerchantStatus {
  readonly connection: Connection;
  readonly catalogReady: boolean;
  readonly catalogReadyAt: string | null;
  /** The first failure since the last completion, of either track that is failing now. */
  readonly catalogStaleSince: string | null;
  readonly tracks: Readonly<Record<TrackName, TrackStatus>>;
}

/**
 * Reads a stored status document; undefined or null, for a merchant never seen, gives the initial one.
 * Throws when the document holds a value that this version does not know, rather than writing over it.
 */
export function readStatusDocument(document: unknown): StatusDocument {
  const read = statusDocument.safeParse(document ?? {});
  if (!read.success)
    throw new Error(`Expected a merchant status document, got ${z.prettifyError(read.error)}`, { cause: read.error });
  return read.data;
}

/** The merchant's status as the console shows it, from the stored document; undefined or null for a merchant never seen. */
export function merchantStatusOf(document: unknown): MerchantStatus {
  const status = readStatusDocument(document);
  const { product, collection } = status.tracks;
  const failedSince = [product.failedSince, collection.failedSince].filter((at) => at !== null);
  return {
    connection: status.connection,
    catalogReady: status.catalogReadyAt !== null,
    catalogReadyAt: isoOrNull(status.catalogReadyAt),
    catalogStaleSince: failedSince.length === 0 ? null : isoOf(Math.min(...failedSince)),
    tracks: { product: trackStatusOf(product), collection: trackStatusOf(collection) },
  };
}

function trackStatusOf(stored: SyncTrack): TrackStatus {
  return {
    state: stored.state,
    startedAt: isoOrNull(stored.startedAt),
    finishedAt: isoOrNull(stored.finishedAt),
    durationMs: stored.durationMs,
    runs: stored.runs,
    completed: stored.completed,
    failed: stored.failed,
    consecutiveFailures: stored.consecutiveFailures,
    firstCompletedAt: isoOrNull(stored.firstCompletedAt),
    total: stored.total,
    synced: stored.synced,
    lastError: stored.lastError,
    ...(stored.overdueSince !== null && { overdueSince: isoOf(stored.overdueSince) }),
    ...(stored.missingSince !== null && { missingSince: isoOf(stored.missingSince) }),
    ...(stored.failingRepeatedlySince !== null && { failingRepeatedlySince: isoOf(stored.failingRepeatedlySince) }),
    ...(stored.failuresRisingSince !== null && { failuresRisingSince: isoOf(stored.failuresRisingSince) }),
  };
}

function isoOrNull(epochMs: number | null): string | null {
  return epochMs === null ? null : isoOf(epochMs);
}

/** The status after a sync of this track began. */
export function syncStarted(status: StatusDocument, name: TrackName, at: number, counts?: SyncCounts): StatusDocument {
  return withTrack(status, name, startRun(status.tracks[name], at, counts));
}

/**
 * The status after a sync of this track completed. A product sync makes the catalogue ready, unless the merchant is disconnected, or the
 * sender's `date` of the completion is older than its date of the last disconnect.
 */
export function syncCompleted(
  status: StatusDocument,
  name: TrackName,
  at: number,
  counts?: SyncCounts,
  date?: number,
): StatusDocument {
  const ended = completeRun(status.tracks[name], at, counts);
  const endDate = laterOf(ended.endDate, date);
  return readyAfter(status, withTrack(status, name, { ...ended, endDate }), name, at, date);
}

/** The status after a sync of this track failed; a catalogue that was ready stays so, and is stale. */
export function syncFailed(
  status: StatusDocument,
  name: TrackName,
  at: number,
  counts?: SyncCounts,
  error?: string | null,
  date?: number,
): StatusDocument {
  const ended = failRun(status.tracks[name], at, counts, error);
  return withTrack(status, name, { ...ended, endDate: laterOf(ended.endDate, date) });
}

/** The status after a sync of this track turned out to have been open for too long. */
export function syncOverdue(status: StatusDocument, name: TrackName, at: number, counts?: SyncCounts): StatusDocument {
  return withTrack(status, name, overdueRun(status.tracks[name], at, counts));
}

/** The status after a sync of this track that comes regularly did not come. */
export function syncMissing(status: StatusDocument, name: TrackName, at: number): StatusDocument {
  return withTrack(status, name, { ...status.tracks[name], missingSince: at });
}

/** The status after one item was synced at `at`, by a sender that reports items instead of runs. */
export function itemSynced(status: StatusDocument, name: TrackName, at: number): StatusDocument {
  return readyAfter(status, withTrack(status, name, endItem(status.tracks[name], 'synced', at)), name, at);
}

/** The status after one item failed to be synced at `at`. */
export function itemFailed(status: StatusDocument, name: TrackName, at: number, error: string | null): StatusDocument {
  return withTrack(status, name, endItem(status.tracks[name], 'failed', at, error));
}

/** The status with the jobs of a sync that has just ended; see `noteJobs`. */
export function jobsCounted(
  status: StatusDocument,
  name: TrackName,
  at: number,
  failed: number,
  successful: number,
): StatusDocument {
  return withTrack(status, name, noteJobs(status.tracks[name], at, failed, successful));
}

/** The status after the sender said that data has changed, without a word on a sync. */
export function dataChanged(status: StatusDocument, name: TrackName, at: number): StatusDocument {
  return withTrack(status, name, { ...status.tracks[name], changedAt: Math.max(at, status.tracks[name].changedAt ?? at) });
}

/** The status after a part of a running sync failed: what it said stands until a sync completes. */
export function jobFailed(status: StatusDocument, name: TrackName, error: string | null): StatusDocument {
  return withTrack(status, name, { ...status.tracks[name], lastError: error ?? status.tracks[name].lastError });
}

/**
 * The status with its repeated failures marked: a track on which `alertAfter` syncs in a row have failed is marked since the last of
 * them, until one completes.
 */
export function failuresMarked(status: StatusDocument, alertAfter: number): StatusDocument {
  return trackNames.reduce((marked, name) => {
    const held = marked.tracks[name];
    const since = held.consecutiveFailures >= alertAfter ? (held.failingRepeatedlySince ?? held.finishedAt) : null;
    return since === held.failingRepeatedlySince ? marked : withTrack(marked, name, { ...held, failingRepeatedlySince: since });
  }, status);
}

function readyAfter(
  before: StatusDocument,
  completed: StatusDocument,
  name: TrackName,
  at: number,
  date?: number,
): StatusDocument {
  if (name !== 'product') return completed;
  const dated = { ...completed, completedDate: laterOf(before.completedDate, date) };
  if (before.catalogReadyAt !== null || before.mustReconnect) return dated;
  const precedesDisconnect = date !== undefined && before.disconnectDate !== null && date < before.disconnectDate;
  return precedesDisconnect ? dated : { ...dated, catalogReadyAt: at };
}

function withTrack(status: StatusDocument, name: TrackName, changed: SyncTrack): StatusDocument {
  return { ...status, tracks: { ...status.tracks, [name]: changed } };
}

/** The status after the merchant was connected or enabled; `date` is the sender's own, like that of every merchant event. */
export function merchantConnected(status: StatusDocument, reason: string | null = null, date?: number): StatusDocument {
  const connectDate = laterOf(status.connectDate, date);
  return { ...status, connection: 'connected', connectionReason: reason, mustReconnect: false, attention: null, connectDate };
}

/** The status of a merchant whose catalogue has been awaited since `at`, unless it is ready or has been awaited for longer. */
export function catalogAwaited(status: StatusDocument, at: number): StatusDocument {
  return status.catalogReadyAt !== null || status.awaitedSince !== null ? status : { ...status, awaitedSince: at };
}

/** The status of a merchant of which nobody can say since when its catalogue has been awaited: it was there before. */
export function catalogNotAwaited(status: StatusDocument): StatusDocument {
  return status.awaitedSince === null ? status : { ...status, awaitedSince: null };
}

/** The status after the merchant was disabled; its catalogue stays as it is. */
export function merchantDisabled(status: StatusDocument, reason: string | null = null): StatusDocument {
  return { ...status, connection: 'disabled', connectionReason: reason };
}

/** The status after the merchant was disconnected: its catalogue is ready again only by a completion after the next connect. */
export function merchantDisconnected(status: StatusDocument, date?: number): StatusDocument {
  const disconnectDate = laterOf(status.disconnectDate, date);
  return {
    ...status,
    connection: 'disconnected',
    connectionReason: null,
    mustReconnect: true,
    catalogReadyAt: null,
    awaitedSince: null,
    disconnectDate,
  };
}

/**
 * The status after a merchant event of this date: `change` makes the change that it tells of. An event that is older than the newest one seen
 * came late and changes nothing, except that a late disconnect still takes back what no newer connect or completion has established.
 */
export function merchantChanged(
  status: StatusDocument,
  date: number | undefined,
  isDisconnect: boolean,
  change: (status: StatusDocument) => StatusDocument,
): StatusDocument {
  const isLate = date !== undefined && status.connectionDate !== null && date < status.connectionDate;
  if (!isLate) return { ...change(status), connectionDate: laterOf(status.connectionDate, date) };
  if (!isDisconnect || (status.disconnectDate !== null && date <= status.disconnectDate)) return status;
  const mustReconnect = status.mustReconnect || status.connectDate === null || status.connectDate < date;
  const isReady = !mustReconnect && status.completedDate !== null && status.completedDate >= date;
  const awaitedSince = mustReconnect ? null : status.awaitedSince;
  return { ...status, disconnectDate: date, mustReconnect, awaitedSince, catalogReadyAt: isReady ? status.catalogReadyAt : null };
}

/** The later of two dates of the sender. */
function laterOf(known: number | null, date: number | undefined): number | null {
  return date === undefined ? known : Math.max(date, known ?? date);
}

/**
 * The status after the merchant's onboarding was complete. It shows that a merchant of unknown connection is connected; it does not
 * undo a disabling or a disconnect, because it can arrive late.
 */
export function merchantComplete(status: StatusDocument): StatusDocument {
  return { ...status, connection: status.connection === 'unknown' ? 'connected' : status.connection, attention: null };
}

/** The status after the sender asked for attention (to scopes, payouts, shipping and the like), which leaves the connection as it is. */
export function merchantNeedsAttention(status: StatusDocument, at: number, reason: string | null = null): StatusDocument {
  return { ...status, attention: { since: status.attention?.since ?? at, reason } };
}

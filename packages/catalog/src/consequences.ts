import type { FollowUp } from '@syncline/events';
import { isoOf } from './dates';
import type { Notice, NoticeData, NoticeKind } from './notice';
import type { EndedSync } from './report';
import type { StatusDocument } from './status';
import { isOpen, type TrackName, trackNames } from './track';

/** The topic of the event that finds out whether a sync is overdue. */
export const SYNC_OVERDUE_TOPIC = 'syncline.sync-overdue';

/** The topic of the event that finds out whether a sync is missing. */
export const SYNC_MISSING_TOPIC = 'syncline.sync-missing';

/** A timer to set, or to clear when `followUp` is undefined. */
export interface TimerChange {
  readonly key: string;
  readonly followUp: FollowUp | undefined;
  /** How long it waits: as long as a sync may run, or until the next one is expected. */
  readonly wait: 'overdue' | 'expected';
}

/** What a change of a merchant's status brings with it. */
export interface Consequences {
  readonly endedSyncs: readonly EndedSync[];
  readonly notices: readonly Notice[];
  readonly timers: readonly TimerChange[];
}

/** Compares a status with the one that an event made of it. */
export function consequencesOf(before: StatusDocument, after: StatusDocument): Consequences {
  return {
    endedSyncs: trackNames.flatMap((track) => endedSyncsOf(before, after, track)),
    notices: [
      ...trackNames.flatMap((track) => trackNotices(before, after, track)),
      ...readyNotices(before, after),
      ...productNotices(before, after),
    ],
    timers: trackNames.flatMap((track) => timerChanges(before, after, track)),
  };
}

function endedSyncsOf(before: StatusDocument, after: StatusDocument, track: TrackName): EndedSync[] {
  const [was, is] = [before.tracks[track], after.tracks[track]];
  return (['completed', 'failed'] as const).flatMap((outcome) =>
    is[outcome] > was[outcome] ? [{ track, outcome, durationMs: is.durationMs }] : [],
  );
}

function trackNotices(before: StatusDocument, after: StatusDocument, track: TrackName): Notice[] {
  const [was, is] = [before.tracks[track], after.tracks[track]];
  const notices: Notice[] = [];
  const tell = (kind: NoticeKind, data: NoticeData): void => void notices.push({ kind, data: { track, ...data } });
  const failures = { consecutiveFailures: is.consecutiveFailures, error: is.lastError };
  if (is.overdueSince !== null && was.overdueSince === null) {
    tell('sync.overdue', { startedAt: is.startedAt === null ? null : isoOf(is.startedAt) });
  }
  if (is.missingSince !== null && was.missingSince === null) {
    tell('sync.missing', { lastEndedAt: is.finishedAt === null ? null : isoOf(is.finishedAt) });
  }
  if (is.failed > was.failed) tell('sync.failed', failures);
  if (is.failingRepeatedlySince !== null && was.failingRepeatedlySince === null) tell('sync.failing-repeatedly', failures);
  if (is.failuresRisingSince !== null && was.failuresRisingSince === null) {
    tell('sync.failures-rising', { failedShare: is.failureShares.at(-1), sharesBefore: is.failureShares.slice(0, -1) });
  }
  const wasInTrouble = was.state === 'failed' || was.consecutiveFailures > 0 || was.overdueSince !== null;
  if (is.state === 'synced' && is.completed > was.completed && wasInTrouble) {
    tell('sync.recovered', { failures: was.consecutiveFailures, wasOverdue: was.overdueSince !== null });
  }
  return notices;
}

function readyNotices(before: StatusDocument, after: StatusDocument): Notice[] {
  if (after.catalogReadyAt === null || before.catalogReadyAt !== null) return [];
  const readyAfterMs = after.awaitedSince === null ? null : Math.max(0, after.catalogReadyAt - after.awaitedSince);
  return [{ kind: 'catalog.ready' satisfies NoticeKind, data: { readyAt: isoOf(after.catalogReadyAt), readyAfterMs } }];
}

/** A product sync that completed; of a sender that reports items, each product. */
function productNotices({ tracks: { product: was } }: StatusDocument, { tracks: { product: is } }: StatusDocument): Notice[] {
  if (is.completed === was.completed) return [];
  const { total, synced, durationMs } = is;
  return [{ kind: 'product.synced' satisfies NoticeKind, data: { track: 'product', total, synced, durationMs } }];
}

/** A run is known by its number, and an end by its count: a timer that outlives its time must not speak of the next one. */
function timerChanges(before: StatusDocument, after: StatusDocument, track: TrackName): TimerChange[] {
  const changes: TimerChange[] = [];
  const [wasRun, run] = [watchedRun(before, track), watchedRun(after, track)];
  if (wasRun !== run) {
    const followUp = run === undefined ? undefined : { topic: SYNC_OVERDUE_TOPIC, payload: { track, run } };
    changes.push({ key: `overdue.${track}`, followUp, wait: 'overdue' });
  }
  const [hadEnds, ends] = [followedEnds(before, track), followedEnds(after, track)];
  if (hadEnds !== ends) {
    const followUp = ends === undefined ? undefined : { topic: SYNC_MISSING_TOPIC, payload: { track, ends } };
    changes.push({ key: `missing.${track}`, followUp, wait: 'expected' });
  }
  return changes;
}

/** How many syncs of the track have ended, where another is to follow: a merchant whose syncs are switched off has none coming. */
export function followedEnds({ connection, tracks }: StatusDocument, name: TrackName): number | undefined {
  const ends = tracks[name].completed + tracks[name].failed;
  return ends > 0 && connection !== 'disconnected' && connection !== 'disabled' ? ends : undefined;
}

/** The number of the run that may become overdue: an open one that is not, of a merchant that is not disconnected. */
function watchedRun({ connection, tracks }: StatusDocument, name: TrackName): number | undefined {
  const track = tracks[name];
  return isOpen(track) && track.state !== 'overdue' && connection !== 'disconnected' ? track.runs : undefined;
}

import type { Track } from '../console-client';
import type { Before, ExpectedTrack } from './simulated-sender';

// How a sync track moves, as docs/architecture.md tells it, for the models of all senders.

export const openStates = ['syncing', 'overdue'];

export interface TrackModels {
  readonly product: ExpectedTrack;
  readonly collection: ExpectedTrack;
}

/** The tracks as they stood before. */
export function tracksBefore({ merchant }: Before): TrackModels {
  return { product: trackBefore(merchant?.tracks.product), collection: trackBefore(merchant?.tracks.collection) };
}

function trackBefore(track: Track | undefined): ExpectedTrack {
  const state = track?.state ?? 'never';
  return {
    // A sync that is under way may become overdue at any time.
    states: state === 'syncing' ? openStates : [state],
    runs: track?.runs ?? 0,
    completed: track?.completed ?? 0,
    failed: track?.failed ?? 0,
    consecutiveFailures: track?.consecutiveFailures ?? 0,
    total: track?.total ?? null,
    synced: track?.synced ?? null,
    lastError: track?.lastError ?? null,
    isRising: track?.failuresRisingSince !== undefined,
  };
}

export interface Counts {
  readonly total: number | null;
  readonly synced: number | null;
}

/** A run began; one that is open is left behind. */
export function begin(track: ExpectedTrack, { total, synced }: Counts): void {
  track.runs = (track.runs ?? 0) + 1;
  Object.assign(track, { states: openStates, total, synced });
}

/** A run goes on for longer than it should; without one, it opens one. */
export function goOn(track: ExpectedTrack, { total, synced }: Counts): void {
  if (!isOpen(track)) begin(track, { total: null, synced: null });
  Object.assign(track, { states: ['overdue'], total: total ?? track.total, synced: synced ?? track.synced });
}

/** A run ended; without one, it opens and ends one. */
export function end(track: ExpectedTrack, how: 'completed' | 'failed', { total, synced }: Counts, error: string | null): void {
  const wasOpen = isOpen(track);
  if (!wasOpen) track.runs = (track.runs ?? 0) + 1;
  track.total = total ?? (wasOpen ? track.total : null);
  track.synced = synced ?? (wasOpen ? track.synced : null);
  settle(track, how, error);
}

/** What the end of a run, or of an item, leaves. */
export function settle(track: ExpectedTrack, how: 'completed' | 'failed', error: string | null): void {
  track[how] += 1;
  track.states = [how === 'completed' ? 'synced' : 'failed'];
  track.consecutiveFailures = how === 'completed' ? 0 : track.consecutiveFailures + 1;
  track.lastError = error;
}

function isOpen({ states }: ExpectedTrack): boolean {
  return states.some((state) => openStates.includes(state));
}

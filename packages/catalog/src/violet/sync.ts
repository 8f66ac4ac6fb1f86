import { usableDate } from '../dates';
import { statusRef } from '../documents';
import { errorOf } from '../failure-text';
import { defineHandler, type Handler } from '../handler';
import { syncCompleted, syncFailed, syncStarted } from '../status';
import { isLateStart, isOpen, trackNames, type SyncCounts, type TrackName } from '../track';
import { violetSync, type VioletSync } from './schemas';

/**
 * Started, completed and failed come at the time of their receipt; a merchant's runs are paired by track, not by the body's id. The ends
 * decide in the order in which they come. A start is ignored when its `date_last_synced` is older than that of the latest end.
 */
export const syncHandlers: Handler[] = trackNames.flatMap((track) => {
  const topic = (what: string): string[] => [`${track.toUpperCase()}_SYNC_${what}`];
  const shape = { source: 'violet', payload: violetSync, reads: () => [statusRef] };
  return [
    defineHandler({
      ...shape,
      topics: topic('STARTED'),
      handle: ({ payload, receivedAt }, merchant) =>
        merchant.updateStatus((status) =>
          isLateStart(status.tracks[track], dateOf(payload, receivedAt))
            ? status
            : syncStarted(status, track, receivedAt, countsOf(track, payload)),
        ),
    }),
    defineHandler({
      ...shape,
      topics: topic('COMPLETED'),
      async handle({ payload, receivedAt }, merchant) {
        let isOrphan = false;
        await merchant.updateStatus((status) => {
          isOrphan = !isOpen(status.tracks[track]);
          return syncCompleted(status, track, receivedAt, countsOf(track, payload), dateOf(payload, receivedAt));
        });
        // Its start may only be late; that others were lost as well is what somebody should look into.
        if (isOrphan) merchant.notice('sync.orphaned', { track });
      },
    }),
    defineHandler({
      ...shape,
      topics: topic('FAILED'),
      handle: ({ payload, receivedAt }, merchant) =>
        merchant.updateStatus((status) =>
          syncFailed(status, track, receivedAt, countsOf(track, payload), errorOf(payload), dateOf(payload, receivedAt)),
        ),
    }),
  ];
});

function dateOf(payload: VioletSync, receivedAt: number): number | undefined {
  return usableDate(payload.date_last_synced, receivedAt);
}

function countsOf(track: TrackName, payload: VioletSync): SyncCounts {
  return { total: countIn(payload[`total_${track}s`]), synced: countIn(payload[`total_${track}s_synced`]) };
}

function countIn(value: unknown): number | null {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 ? value : null;
}

import * as z from 'zod';
import { followedEnds, SYNC_MISSING_TOPIC, SYNC_OVERDUE_TOPIC } from './consequences';
import { statusRef } from './documents';
import { defineHandler, type Handler } from './handler';
import { syncMissing, syncOverdue } from './status';
import { TOMBSTONES_EXPIRED_TOPIC } from './tombstones';
import { isOpen, trackNames } from './track';

const overdueCheck = z.looseObject({ track: z.enum(trackNames), run: z.int() });

/** The time that a sync may run is over. Changes nothing when that run has ended, or another has begun. */
const overdueHandler = defineHandler({
  source: '*',
  topics: [SYNC_OVERDUE_TOPIC],
  payload: overdueCheck,
  reads: () => [statusRef],
  handle: ({ payload: { track, run }, receivedAt }, merchant) =>
    merchant.updateStatus((status) => {
      const { [track]: held } = status.tracks;
      const stillOpen = held.runs === run && isOpen(held) && held.state !== 'overdue';
      return stillOpen && status.connection !== 'disconnected' ? syncOverdue(status, track, receivedAt) : status;
    }),
});

const missingCheck = z.looseObject({ track: z.enum(trackNames), ends: z.int() });

/** The next sync should have ended by now. Changes nothing when one has, or is under way: that one may become overdue. */
const missingHandler = defineHandler({
  source: '*',
  topics: [SYNC_MISSING_TOPIC],
  payload: missingCheck,
  reads: () => [statusRef],
  handle: ({ payload: { track, ends }, receivedAt }, merchant) =>
    merchant.updateStatus((status) => {
      const isMissing = followedEnds(status, track) === ends && !isOpen(status.tracks[track]);
      return isMissing ? syncMissing(status, track, receivedAt) : status;
    }),
});

const tombstonesHandler = defineHandler({
  source: '*',
  topics: [TOMBSTONES_EXPIRED_TOPIC],
  handle: (_event, merchant) => merchant.expireTombstones(),
});

/** What the catalogue does on the events that it causes itself, in lanes of every source. */
export const internalHandlers: readonly Handler[] = [overdueHandler, missingHandler, tombstonesHandler];

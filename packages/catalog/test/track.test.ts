import { completeRun, failRun, startRun, syncTrack } from '../src/track';

const never = syncTrack.parse({});
const none = { total: null, synced: null };

describe('a sync track', () => {
  it('has never run at first', () => {
    expect(never).toEqual({
      state: 'never',
      startedAt: null,
      finishedAt: null,
      durationMs: null,
      runs: 0,
      completed: 0,
      failed: 0,
      consecutiveFailures: 0,
      firstCompletedAt: null,
      itemSyncedAt: null,
      failedSince: null,
      total: null,
      synced: null,
      lastError: null,
      overdueSince: null,
      missingSince: null,
      failingRepeatedlySince: null,
      failuresRisingSince: null,
      failureShares: [],
      changedAt: null,
      endDate: null,
    });
  });

  it('opens a run when a sync starts', () => {
    expect(startRun(never, 100, { total: 7, synced: 0 })).toMatchObject({
      state: 'syncing',
      startedAt: 100,
      finishedAt: null,
      durationMs: null,
      runs: 1,
      total: 7,
      synced: 0,
    });
  });

  it('closes the run with its duration and its counts when the sync completes', () => {
    const track = completeRun(startRun(never, 100, { total: 7, synced: 0 }), 350, { total: 7, synced: 6 });
    expect(track).toMatchObject({
      state: 'synced',
      startedAt: 100,
      finishedAt: 350,
      durationMs: 250,
      runs: 1,
      completed: 1,
      failed: 0,
      firstCompletedAt: 350,
      total: 7,
      synced: 6,
    });
  });

  it('keeps the counts of the start when the end has none', () => {
    expect(completeRun(startRun(never, 100, { total: 7, synced: 3 }), 350, none)).toMatchObject({ total: 7, synced: 3 });
  });

  it('never shows the counts of an earlier run', () => {
    const first = completeRun(startRun(never, 1), 2, { total: 7, synced: 7 });
    expect(startRun(first, 3)).toMatchObject({ total: null, synced: null });
    expect(completeRun(first, 3)).toMatchObject({ total: null, synced: null });
  });

  it('counts a second start as a run of its own, timed from its own start', () => {
    const track = startRun(startRun(never, 100, { total: 7, synced: 0 }), 200);
    expect(track).toMatchObject({ state: 'syncing', startedAt: 200, runs: 2 });
    expect(completeRun(track, 250)).toMatchObject({ runs: 2, completed: 1, durationMs: 50 });
  });

  it('counts a start while a run is overdue as a run of its own', () => {
    expect(startRun({ ...startRun(never, 100), state: 'overdue' }, 200)).toMatchObject({ state: 'syncing', runs: 2 });
  });

  it('closes an overdue run when its end comes at last', () => {
    expect(completeRun({ ...startRun(never, 100), state: 'overdue' }, 900)).toMatchObject({
      state: 'synced',
      runs: 1,
      durationMs: 800,
    });
  });

  it.each([
    ['completes', completeRun, { state: 'synced', completed: 1, failed: 0 }],
    ['fails', failRun, { state: 'failed', completed: 0, failed: 1 }],
  ])('opens and closes a run of unknown start when a sync %s that never started', (_, end, expected) => {
    expect(end(never, 50)).toMatchObject({ ...expected, runs: 1, startedAt: null, finishedAt: 50, durationMs: null });
    const after = end(completeRun(startRun(never, 1), 2), 50);
    expect(after).toMatchObject({ runs: 2, startedAt: null, finishedAt: 50, durationMs: null });
  });

  it('counts failures in a row until a completion', () => {
    const failed = failRun(startRun(failRun(startRun(never, 1), 2, none, 'first'), 3), 4, none, 'second');
    expect(failed).toMatchObject({
      state: 'failed',
      runs: 2,
      failed: 2,
      consecutiveFailures: 2,
      failedSince: 2,
      lastError: 'second',
    });
    expect(startRun(failed, 5)).toMatchObject({ state: 'syncing', consecutiveFailures: 2, failedSince: 2, lastError: 'second' });
    expect(completeRun(failed, 6)).toMatchObject({
      state: 'synced',
      runs: 3,
      completed: 1,
      failed: 2,
      consecutiveFailures: 0,
      failedSince: null,
      lastError: null,
    });
  });

  it('remembers its first completion for good', () => {
    const track = completeRun(failRun(completeRun(startRun(never, 1), 2), 3), 4);
    expect(track).toMatchObject({ completed: 2, firstCompletedAt: 2, finishedAt: 4 });
  });

  it('never has a negative duration, whatever the clocks say', () => {
    expect(completeRun(startRun(never, 100), 40)).toMatchObject({ finishedAt: 40, durationMs: 0 });
  });
});

import { isCatalogTopic } from '../src/index';
import { MerchantLane, rejectionOf } from './merchant-lane';

const source = 'propexo';
const sync = { integration_id: 'practice-1', successful_job_count: 95, failed_job_count: 5, is_sync_finished: true };

async function laneAfter(...bodies: object[]): Promise<MerchantLane> {
  const lane = new MerchantLane();
  for (const body of bodies) await lane.apply('SYNC_COMPLETE', body, { source });
  return lane;
}

/** A finished sync of a hundred jobs. */
const withFailures = (failed: number): object => ({ ...sync, successful_job_count: 100 - failed, failed_job_count: failed });

describe("Propexo's events", () => {
  it.each([
    [
      'the envelope',
      {
        trigger: 'SYNC_COMPLETE',
        data: { ...sync, event: 'SYNC_COMPLETE', vendor: 'dentrix', job_schedule_id: null, models_synced: ['patients'] },
      },
    ],
    ['an envelope with fewer fields', { trigger: 'SYNC_COMPLETE', data: sync }],
    ['the flat shape', { ...sync, vendor: 'dentrix' }],
  ])('tell of a finished sync in %s', async (_, body) => {
    const lane = await laneAfter(body);
    expect(lane.status()).toMatchObject({
      catalogReady: true,
      tracks: { product: { state: 'synced', runs: 1, completed: 1, failed: 0, total: 100, synced: 95, startedAt: null } },
    });
  });

  it('make the catalogue ready at the first sync, which is not told of again', async () => {
    const lane = new MerchantLane();
    await lane.apply('FIRST_SYNC_COMPLETE', { trigger: 'FIRST_SYNC_COMPLETE', data: sync }, { source });
    expect(lane.status()).toMatchObject({ catalogReady: true, tracks: { product: { state: 'synced', completed: 1 } } });
  });

  it.each([
    ['its data until its first sync', ['DATA_NEW', 'JOB_FAILURE', 'FIRST_SYNC_COMPLETE'], 2_000],
    ['its first sync alone', ['FIRST_SYNC_COMPLETE'], null],
    ['a later sync: it was there before', ['DATA_NEW', 'SYNC_COMPLETE'], null],
  ])('tell how long an integration took to be ready from %s', async (_, topics, readyAfterMs) => {
    const lane = new MerchantLane();
    for (const topic of topics) await lane.apply(topic, { trigger: topic, data: sync }, { source });
    expect(lane.report?.notices.find(({ kind }) => kind === 'catalog.ready')?.data).toMatchObject({ readyAfterMs });
  });

  it('show a sync that is not finished as overdue, and its end as the end of the same run', async () => {
    const lane = await laneAfter({ ...sync, is_sync_finished: false });
    expect(lane.status()).toMatchObject({
      catalogReady: false,
      tracks: { product: { state: 'overdue', runs: 1, completed: 0, finishedAt: null, overdueSince: expect.any(String) } },
    });
    expect(lane.report?.notices.map(({ kind }) => kind)).toEqual(['sync.overdue']);
    await lane.apply('SYNC_COMPLETE', { ...sync, is_sync_finished: false }, { source });
    expect(lane.status().tracks.product).toMatchObject({ state: 'overdue', runs: 1 });
    expect(lane.report?.notices).toEqual([]);
    await lane.apply('SYNC_COMPLETE', sync, { source });
    expect(lane.status().tracks.product).toMatchObject({ state: 'synced', runs: 1, completed: 1 });
    expect(lane.status().tracks.product).not.toHaveProperty('overdueSince');
    expect(lane.report?.notices.map(({ kind }) => kind)).toEqual(['sync.recovered', 'catalog.ready', 'product.synced']);
  });

  it('show a sync of which no job succeeded as failed', async () => {
    const lane = await laneAfter(sync, { ...sync, successful_job_count: 0, failed_job_count: 4 });
    expect(lane.status()).toMatchObject({
      catalogReady: true,
      catalogStaleSince: expect.any(String),
      tracks: { product: { state: 'failed', runs: 2, failed: 1, lastError: 'None of 4 jobs succeeded' } },
    });
  });

  it.each([
    [{}],
    [{ successful_job_count: null, failed_job_count: 'many', is_sync_finished: 'yes' }],
    [{ data: 'none' }],
    [{ data: {} }],
    [{ successful_job_count: 0, failed_job_count: 0 }],
  ])('tell of a finished sync also without usable counts: %j', async (body) => {
    const lane = await laneAfter({ integration_id: 'practice-1', ...body });
    expect(lane.status().tracks.product).toMatchObject({ state: 'synced', completed: 1 });
  });

  it('of a failed job leave the sync as it is, and keep what it said until a sync completes', async () => {
    const lane = await laneAfter(sync);
    await lane.apply(
      'JOB_FAILURE',
      { trigger: 'JOB_FAILURE', data: { integration_id: 'practice-1', message: 'login refused' } },
      { source },
    );
    expect(lane.status().tracks.product).toMatchObject({ state: 'synced', completed: 1, failed: 0, lastError: 'login refused' });
    await lane.apply('SYNC_COMPLETE', sync, { source });
    expect(lane.status().tracks.product.lastError).toBeNull();
  });

  it.each(['DATA_NEW', 'DATA_UPDATE'])('%s says that data changed, and nothing of a sync', async (topic) => {
    const lane = new MerchantLane();
    await expect(
      lane.apply(topic, { trigger: topic, data: { integration_id: 'p', models_synced: ['patients'] } }, { source }),
    ).resolves.toBe('processed');
    expect(lane.status()).toMatchObject({ catalogReady: false, tracks: { product: { state: 'never', runs: 0 } } });
    expect(lane.document('merchant', 'status')).toMatchObject({ tracks: { product: { changedAt: expect.any(Number) } } });
  });

  it('that are about no sync are left to the user', () => {
    expect(isCatalogTopic(source, 'WRITE_OPERATION_FAILURE')).toBe(false);
  });

  it('whose body is no object are refused for good', async () => {
    await expect(rejectionOf(new MerchantLane().apply('SYNC_COMPLETE', [1], { source }))).resolves.toMatchObject({
      code: 'PERMANENT',
      reason: 'invalid',
    });
  });
});

describe('failures that rise', () => {
  const usual = [2, 3, 2, 1, 2].map(withFailures);

  it('are told of once, when more than five jobs failed and their share is more than three times the median before', async () => {
    const lane = await laneAfter(...usual, withFailures(7));
    expect(lane.report?.notices).toMatchObject([
      { kind: 'sync.failures-rising', data: { failedJobs: 7, failedShare: 0.07 } },
      { kind: 'product.synced', data: { failedJobs: 7, synced: 93, total: 100 } },
    ]);
    expect(lane.status().tracks.product).toMatchObject({ state: 'synced', failuresRisingSince: expect.any(String) });
    await lane.apply('SYNC_COMPLETE', withFailures(60), { source });
    expect(lane.report?.notices.map(({ kind }) => kind)).toEqual(['product.synced']);
    await lane.apply('SYNC_COMPLETE', withFailures(1), { source });
    expect(lane.status().tracks.product.failuresRisingSince).toBeUndefined();
  });

  it.each([
    ['at three times the median', [...usual, withFailures(6)]],
    ['at five failed jobs', [...[0, 0, 0].map(withFailures), withFailures(5)]],
    ['with fewer than three syncs to compare with', [...[0, 0].map(withFailures), withFailures(50)]],
  ])('are none %s', async (_, bodies) => {
    expect((await laneAfter(...bodies)).status().tracks.product.failuresRisingSince).toBeUndefined();
  });

  it('are measured against the last ten syncs only', async () => {
    const lane = await laneAfter(
      ...Array.from({ length: 9 }, () => withFailures(1)),
      ...Array.from({ length: 10 }, () => withFailures(20)),
    );
    await lane.apply('SYNC_COMPLETE', withFailures(30), { source });
    expect(lane.status().tracks.product.failuresRisingSince).toBeUndefined();
    await lane.apply('SYNC_COMPLETE', withFailures(90), { source });
    expect(lane.status().tracks.product.failuresRisingSince).toBeDefined();
  });
});

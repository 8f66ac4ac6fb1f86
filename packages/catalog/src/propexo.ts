import * as z from 'zod';
import { statusRef } from './documents';
import { errorOf } from './failure-text';
import { defineHandler, type Handler } from './handler';
import {
  catalogAwaited,
  catalogNotAwaited,
  dataChanged,
  jobFailed,
  jobsCounted,
  type StatusDocument,
  syncCompleted,
  syncFailed,
  syncOverdue,
} from './status';

const jobs = z.int().nonnegative().nullish().catch(null);

const job = z.looseObject({
  successful_job_count: jobs,
  failed_job_count: jobs,
  is_sync_finished: z.boolean().nullish().catch(null),
});

/** An envelope with the sync in `data`, or the sync itself. Every field may be missing; counts that are none count as missing. */
const body = z.looseObject({ data: z.looseObject({}).optional().catch(undefined) });

const payload = {
  parse(value: unknown): z.infer<typeof job> {
    const envelope = body.parse(value);
    return job.parse(envelope.data ?? envelope);
  },
};

type Sync = z.infer<typeof job>;

const shape = { source: 'propexo', payload, reads: () => [statusRef] };

/**
 * Propexo reports how a sync went when it ends, or when it has run for half a day and goes on. Some failed jobs are normal; a sync of
 * which no job succeeded failed.
 */
const syncReported = defineHandler({
  ...shape,
  topics: ['SYNC_COMPLETE', 'FIRST_SYNC_COMPLETE'],
  handle: ({ topic, payload: sync, receivedAt }, merchant) =>
    merchant.updateStatus((status) => afterSync(status, topic === 'FIRST_SYNC_COMPLETE', sync, receivedAt), {
      failedJobs: sync.failed_job_count ?? null,
      successfulJobs: sync.successful_job_count ?? null,
    }),
});

/** An integration tells when it is new only by its first sync; one whose first event tells of a later sync was there before. */
function afterSync(status: StatusDocument, isFirst: boolean, sync: Sync, at: number): StatusDocument {
  const { successful_job_count: successful, failed_job_count: failed } = sync;
  const counts = {
    total: typeof successful === 'number' && typeof failed === 'number' ? successful + failed : null,
    synced: successful ?? null,
  };
  if (sync.is_sync_finished === false) {
    return syncOverdue(isFirst ? catalogAwaited(status, at) : status, 'product', at, counts);
  }
  const noneSucceeded = successful === 0 && typeof failed === 'number' && failed > 0;
  const ended = noneSucceeded
    ? syncFailed(status, 'product', at, counts, errorOf(sync) ?? `None of ${failed} jobs succeeded`)
    : syncCompleted(isFirst ? status : catalogNotAwaited(status), 'product', at, counts);
  return jobsCounted(ended, 'product', at, failed ?? 0, successful ?? 0);
}

/** A job is a part of a sync, which goes on without it. */
const jobReported = defineHandler({
  ...shape,
  topics: ['JOB_FAILURE'],
  handle: ({ payload: failedJob, receivedAt }, merchant) =>
    merchant.updateStatus((status) => jobFailed(catalogAwaited(status, receivedAt), 'product', errorOf(failedJob))),
});

const dataReported = defineHandler({
  ...shape,
  topics: ['DATA_NEW', 'DATA_UPDATE'],
  handle: ({ receivedAt }, merchant) =>
    merchant.updateStatus((status) => dataChanged(catalogAwaited(status, receivedAt), 'product', receivedAt)),
});

/** Everything that the catalogue does on Propexo's events. WRITE_OPERATION_FAILURE is about no sync: it is kept for the user's handlers. */
export const propexoHandlers: readonly Handler[] = [syncReported, jobReported, dataReported];

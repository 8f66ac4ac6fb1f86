import { randomOf } from '@syncline/runtime';
import { propexo as door } from '@syncline/senders';
import { opaqueMerchantIdAfter, opaqueMerchantIdForm } from './opaque-merchant-id';
import {
  type Before,
  type Body,
  type MerchantModel,
  numbersTo,
  type PlannedEvent,
  type Scenario,
  type Setting,
  type SimulatedSender,
  single,
} from './simulated-sender';
import { end, goOn, tracksBefore } from './track-model';

interface Jobs {
  readonly successful: number;
  readonly failed: number;
  readonly isFinished?: boolean;
}

/**
 * Makes the events of one run. Propexo gives an event neither id nor date, so a repeated body is a repeated event: every body of a run
 * differs from the others, and its job schedule from that of other runs.
 */
function eventsOf({ merchantId, seed, startsAt }: Setting) {
  const random = randomOf('propexo', seed, merchantId);
  const common = {
    integration_id: merchantId,
    vendor: random.pick(['DENTRIX', 'OPEN_DENTAL', 'EAGLESOFT', 'ATHENA']),
    job_schedule_id: `schedule-${randomOf('schedule', seed, merchantId, startsAt).integer(100_000, 999_999)}-${startsAt}`,
  };
  const event = (trigger: string, data: Body): PlannedEvent => ({
    topic: trigger,
    entityId: merchantId,
    date: startsAt,
    body: () => ({ trigger, data: { event: trigger, ...common, ...data } }),
  });
  return {
    random,
    sync: (trigger: 'SYNC_COMPLETE' | 'FIRST_SYNC_COMPLETE', { successful, failed, isFinished = true }: Jobs) =>
      event(trigger, {
        is_backsync: trigger === 'FIRST_SYNC_COMPLETE',
        successful_job_count: successful,
        failed_job_count: failed,
        is_sync_finished: isFinished,
        models_synced: ['patients', 'appointments', 'providers'],
      }),
    data: (trigger: 'DATA_NEW' | 'DATA_UPDATE', batch: number) =>
      event(trigger, { models_synced: ['appointments'], ids: [batch * 10 + 1, batch * 10 + 2] }),
    jobFailure: (job: number) =>
      event('JOB_FAILURE', { job_id: `job-${job}`, message: `Job ${job}: the practice's server did not answer` }),
    writeFailure: (write: number) =>
      event('WRITE_OPERATION_FAILURE', { write_id: `write-${write}`, message: 'The appointment was taken meanwhile' }),
  };
}

const firstSync: Scenario = {
  name: 'first-sync',
  summary: 'an integration brings its first data, some jobs of its first sync fail, the sync is complete',
  plan(setting) {
    const { data, sync, random } = eventsOf(setting);
    return [
      { name: 'data', events: numbersTo(3).map((batch) => data('DATA_NEW', batch)) },
      single(sync('FIRST_SYNC_COMPLETE', { successful: random.integer(90, 99), failed: random.integer(0, 5) })),
    ];
  },
};

const daily: Scenario = {
  name: 'daily',
  summary: 'a week of daily syncs of which few jobs fail, with data between them and a write that fails',
  plan(setting) {
    const { data, sync, writeFailure, random } = eventsOf(setting);
    return numbersTo(7).flatMap((day) => [
      {
        name: `data of day ${day}`,
        events: [data('DATA_NEW', day), data('DATA_UPDATE', day), ...(day === 4 ? [writeFailure(day)] : [])],
      },
      single(sync('SYNC_COMPLETE', { successful: 90 + day, failed: random.integer(0, 5) })),
    ]);
  },
};

const longSync: Scenario = {
  name: 'long-sync',
  summary: 'a sync has run for half a day and goes on, is told of again, and is finished; the next one is as usual',
  plan(setting) {
    const { sync } = eventsOf(setting);
    return [
      single(sync('SYNC_COMPLETE', { successful: 40, failed: 1, isFinished: false })),
      single(sync('SYNC_COMPLETE', { successful: 80, failed: 2, isFinished: false })),
      single(sync('SYNC_COMPLETE', { successful: 120, failed: 2 })),
      single(sync('SYNC_COMPLETE', { successful: 119, failed: 3 })),
    ];
  },
};

const failuresRise: Scenario = {
  name: 'failures-rise',
  summary: 'few jobs fail for days, then many more, then all of them; the next sync is as usual',
  plan(setting) {
    const { sync, jobFailure } = eventsOf(setting);
    return [
      ...numbersTo(5).map((day) => single(sync('SYNC_COMPLETE', { successful: 195 + day, failed: 2 }))),
      { name: 'failed jobs', events: numbersTo(4).map(jobFailure) },
      single(sync('SYNC_COMPLETE', { successful: 150, failed: 50 })),
      single(sync('SYNC_COMPLETE', { successful: 0, failed: 200 })),
      single(sync('SYNC_COMPLETE', { successful: 199, failed: 1 })),
    ];
  },
};

/** What Propexo's events lead to. */
function propexoModel(before: Before): MerchantModel {
  const tracks = tracksBefore(before);
  const track = tracks.product;
  let catalogReady = before.merchant?.catalogReady ?? false;
  // Which share of the jobs failed in the syncs before is not shown.
  const shares: number[] | undefined = before.merchant === undefined ? [] : undefined;

  function ended(body: Body): void {
    const data = body.data as { successful_job_count: number; failed_job_count: number; is_sync_finished: boolean };
    const { successful_job_count: successful, failed_job_count: failed, is_sync_finished: isFinished } = data;
    const counts = { total: successful + failed, synced: successful };
    if (!isFinished) {
      goOn(track, counts);
      return;
    }
    const isFailed = successful === 0 && failed > 0;
    end(track, isFailed ? 'failed' : 'completed', counts, isFailed ? `None of ${failed} jobs succeeded` : null);
    catalogReady ||= !isFailed;
    const share = failed / (failed + successful);
    const sorted = shares?.slice(-10).sort((left, right) => left - right);
    const median = sorted === undefined ? 0 : ((sorted[(sorted.length - 1) >> 1] ?? 0) + (sorted[sorted.length >> 1] ?? 0)) / 2;
    track.isRising = sorted === undefined ? undefined : failed > 5 && sorted.length >= 3 && share > 3 * median;
    shares?.push(share);
  }

  return {
    apply(event) {
      switch (event.topic) {
        case 'SYNC_COMPLETE':
        case 'FIRST_SYNC_COMPLETE':
          ended(event.body());
          return ['processed'];
        case 'JOB_FAILURE':
          track.lastError = (event.body().data as Body).message;
          return ['processed'];
        case 'DATA_NEW':
        case 'DATA_UPDATE':
          return ['processed'];
        default:
          // A handler of the user's may take it.
          return ['unhandled', 'processed'];
      }
    },
    expected: () => ({
      connection: before.merchant?.connection ?? 'unknown',
      catalogReady,
      tracks,
      offers: new Map(),
      collections: new Map(),
    }),
  };
}

/** Propexo: the body alone says what happened; equal bodies within the time of its retries are one event. */
export const propexo: SimulatedSender = {
  source: 'propexo',
  name: 'Propexo',
  secretVariable: 'PROPEXO_WEBHOOK_SECRET',
  scenarios: [firstSync, daily, longSync, failuresRise],
  givesEventIds: false,
  defaultMerchantId: 'integration-10042',
  merchantIdForm: opaqueMerchantIdForm,
  merchantIdAfter: opaqueMerchantIdAfter,
  write(event, { eventId }, settings) {
    const body = JSON.stringify(event.body());
    return { body, headers: door.sign({ eventId, topic: event.topic, body }, settings) };
  },
  model: propexoModel,
};

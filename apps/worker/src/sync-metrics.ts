import { type CatalogDecider, violetPlatforms } from '@syncline/catalog';
import type { Logger, TurnObserver } from '@syncline/lanes';
import { Counter, Gauge, Histogram, type Registry } from 'prom-client';
import type { MerchantStandings } from './standings';

const SECOND_MS = 1_000;
const [MINUTE, HOUR] = [60, 3_600];

const knownPlatforms: ReadonlySet<string> = new Set(violetPlatforms.map((platform) => platform.toLowerCase()));

/** The platform as a label: one of those that Violet names, in lower case, `other`, or `unknown` while nothing was said of it. */
function platformLabel(platform: string | null | undefined): string {
  if (platform === null || platform === undefined) return 'unknown';
  const label = platform.toLowerCase();
  return knownPlatforms.has(label) ? label : 'other';
}

/** Notices that somebody should see in the log also when they are delivered nowhere. */
const alarming: ReadonlySet<string> = new Set([
  'sync.overdue',
  'sync.failing-repeatedly',
  'sync.failures-rising',
  'sync.missing',
]);

/**
 * Registers what a worker counts about syncs, and gives the part of an observer that counts it: what the handlers of an event reported
 * counts once the event is committed, by the worker that committed it.
 */
export function createSyncMetrics(
  registry: Registry,
  decider: Pick<CatalogDecider, 'reportOf'>,
  standings: Pick<MerchantStandings, 'learn'>,
  log: Logger,
): Pick<TurnObserver, 'committed'> {
  const registers = [registry];
  const labelNames = ['source', 'track', 'outcome'];
  const syncs = new Counter({
    name: 'syncline_syncs_total',
    help: 'Syncs that ended, or items of a sender that reports those.',
    labelNames: [...labelNames, 'platform'],
    registers,
  });
  const seconds = new Histogram({
    name: 'syncline_sync_seconds',
    help: 'Seconds from the start to the end of syncs whose start is known.',
    labelNames,
    buckets: [1, 10, 30, MINUTE, 5 * MINUTE, 15 * MINUTE, 30 * MINUTE, HOUR, 2 * HOUR, 4 * HOUR, 6 * HOUR, 12 * HOUR, 24 * HOUR],
    registers,
  });
  const timeToReady = new Histogram({
    name: 'syncline_time_to_ready_seconds',
    help: 'Seconds from the connect of a merchant to its catalogue being ready.',
    labelNames: ['source'],
    buckets: [10, 30, MINUTE, 5 * MINUTE, 15 * MINUTE, 30 * MINUTE, HOUR, 2 * HOUR, 6 * HOUR, 12 * HOUR, 24 * HOUR, 72 * HOUR],
    registers,
  });
  const orphans = new Counter({
    name: 'syncline_syncs_orphaned_total',
    help: 'Syncs that completed without ever having started, as far as events told.',
    labelNames: ['source', 'track'],
    registers,
  });
  return {
    committed(event, outcome) {
      const report = outcome === 'processed' ? decider.reportOf(event) : undefined;
      if (report === undefined) return;
      const { source, lane, eventId } = event;
      for (const { track, outcome: end, durationMs } of report.endedSyncs) {
        syncs.inc({ source, track, outcome: end, platform: platformLabel(report.status?.platform) });
        if (durationMs !== null) seconds.observe({ source, track, outcome: end }, durationMs / SECOND_MS);
      }
      for (const { kind, data } of report.notices) {
        const { track, error, consecutiveFailures, readyAfterMs } = data;
        if (kind === 'catalog.ready' && typeof readyAfterMs === 'number')
          timeToReady.observe({ source }, readyAfterMs / SECOND_MS);
        if (kind === 'sync.orphaned' && typeof track === 'string') orphans.inc({ source, track });
        const line = { lane, eventId, kind, track, error, consecutiveFailures };
        if (alarming.has(kind)) log.warn(line, 'notice');
        else log.debug(line, 'notice');
      }
      if (report.status !== undefined) standings.learn(lane, report.status);
    },
  };
}

/** Registers how many merchants are in trouble. They are absent until the worker has once looked at all merchants. */
export function registerSyncGauges(registry: Registry, standings: Pick<MerchantStandings, 'counts'>): void {
  const register = (name: string, help: string, of: 'overdue' | 'failingRepeatedly' | 'failuresRising' | 'missing'): void => {
    const gauge: Gauge = new Gauge({
      name,
      help,
      labelNames: ['source', 'track'],
      registers: [registry],
      collect() {
        for (const { source, track, ...counts } of standings.counts()) gauge.set({ source, track }, counts[of]);
      },
    });
  };
  register('syncline_syncs_overdue', 'Syncs that have been open for too long now.', 'overdue');
  register('syncline_syncs_missing', 'Tracks whose next sync should have ended by now, and none is under way.', 'missing');
  register('syncline_syncs_failing_repeatedly', 'Tracks on which sync after sync fails now.', 'failingRepeatedly');
  register('syncline_syncs_failures_rising', 'Tracks whose latest sync had far more failed jobs than before.', 'failuresRising');
}

import { isInternalTopic } from '@syncline/events';
import type { CatalogDecider, Handler } from '@syncline/catalog';
import type { Inspector, Logger, TurnObserver } from '@syncline/lanes';
import { createLimit, createRefreshHandlers, createVioletApi, refreshModes, refreshTopics } from '@syncline/refresh';
import { ConfigurationError } from '@syncline/runtime';
import { Counter, Histogram, type Registry } from 'prom-client';
import * as z from 'zod';
import type { WorkerConfig } from './config';
import { createGapWatch } from './gaps';

/** Of a handler's time, what a step of a refresh may take: it must have ended, and said why, before the engine cuts it off. */
const STEP_SHARE = 0.8;
const SECOND_MS = 1_000;

const credentials = [
  'VIOLET_API_URL',
  'VIOLET_API_APP_ID',
  'VIOLET_API_APP_SECRET',
  'VIOLET_API_USERNAME',
  'VIOLET_API_PASSWORD',
] as const;

/** The refreshing of catalogues as this worker is configured; switched off where there are no credentials. */
export interface Refreshing {
  /** Also where it is switched off: what another worker left behind must come to its end. */
  readonly handlers: readonly Handler[];
  /** Whether catalogues of this source are refreshed. */
  readonly refreshes: (source: string) => boolean;
  /** Begins to look for gaps. Idempotent, as `stop` is. */
  start(): void;
  stop(): Promise<void>;
}

/** Throws a ConfigurationError that names what is missing when only some of the credentials are set. */
export function refreshingOf(config: WorkerConfig, inspector: Inspector, registry: Registry, log: Logger): Refreshing {
  const missing = credentials.filter((variable) => config[variable] === undefined);
  const steps = {
    stepTimeoutMs: Math.max(1, Math.floor(config.HANDLER_TIMEOUT_MS * STEP_SHARE)),
    maxAttempts: config.RETRY_MAX_ATTEMPTS,
  };
  if (missing.length === credentials.length) {
    const handlers = createRefreshHandlers({ ...steps, api: undefined });
    return { handlers, refreshes: () => false, start() {}, stop: () => Promise.resolve() };
  }
  if (missing.length > 0) {
    throw new ConfigurationError(
      missing.map(
        (variable) =>
          `${variable}: Expected a value beside the other VIOLET_API_ credentials, got none. Set it, or unset them all.`,
      ),
    );
  }
  const api = createVioletApi({
    baseUrl: config.VIOLET_API_URL ?? '',
    appId: config.VIOLET_API_APP_ID ?? '',
    appSecret: config.VIOLET_API_APP_SECRET ?? '',
    username: config.VIOLET_API_USERNAME ?? '',
    password: config.VIOLET_API_PASSWORD ?? '',
    timeoutMs: steps.stepTimeoutMs,
    limits: [createLimit({ concurrent: config.VIOLET_API_CONCURRENCY, perSecond: config.VIOLET_API_PER_SECOND })],
  });
  const gaps = createGapWatch(config, inspector, registry, log);
  return {
    handlers: createRefreshHandlers({ ...steps, api, gaps: gaps.settings }),
    refreshes: (source) => source === 'violet',
    start: () => gaps.start(),
    stop: () => gaps.stop(),
  };
}

/** What the events of a refresh say of it, as far as it is counted. */
const counted = z.looseObject({
  mode: z.enum(refreshModes).optional(),
  found: z.looseObject({ startedAt: z.number().nullable() }).optional(),
});

/**
 * Registers what a worker counts about refreshes, and gives the part of an observer that counts it: by the events that were committed, so
 * that what is made again after a crash counts once.
 */
export function createRefreshMetrics(
  registry: Registry,
  decider: Pick<CatalogDecider, 'reportOf'>,
): Pick<TurnObserver, 'committed'> {
  const registers = [registry];
  const pages = new Counter({
    name: 'syncline_refresh_pages_total',
    help: "Pages read from a sender's API and applied.",
    labelNames: ['source'],
    registers,
  });
  const refreshes = new Counter({
    name: 'syncline_refreshes_total',
    help: 'Refreshes that ended.',
    labelNames: ['source', 'outcome'],
    registers,
  });
  const seconds = new Histogram({
    name: 'syncline_refresh_seconds',
    help: 'Seconds from the first request of a refresh to its end.',
    labelNames: ['source', 'mode'],
    buckets: [0.5, 1, 5, 10, 30, 60, 300, 900, 3_600, 14_400],
    registers,
  });
  return {
    committed(event, outcome) {
      if (outcome !== 'processed' || !isInternalTopic(event.topic)) return;
      const { source, topic } = event;
      if (topic === refreshTopics.page) pages.inc({ source });
      if (topic === refreshTopics.failed || topic === refreshTopics.stalled) refreshes.inc({ source, outcome: 'failed' });
      if (topic !== refreshTopics.settled) return;
      const mismatch = decider.reportOf(event)?.notices.some(({ kind }) => kind === 'refresh.mismatch') ?? false;
      refreshes.inc({ source, outcome: mismatch ? 'mismatch' : 'completed' });
      const { mode, found } = counted.parse(JSON.parse(event.body));
      const startedAt = found?.startedAt;
      if (mode === undefined || typeof startedAt !== 'number') return;
      seconds.observe({ source, mode }, Math.max(0, Date.now() - startedAt) / SECOND_MS);
    },
  };
}

import { readStatusDocument, statusRef } from '@syncline/catalog';
import { laneOf } from '@syncline/events';
import { type Acceptor, createAcceptor, type Inspector, type Logger } from '@syncline/lanes';
import { disabledWebhooksRef, GAPS_LANE, gapsEvent, type RefreshSettings } from '@syncline/refresh';
import { dedupWindows } from '@syncline/runtime';
import { Counter, Gauge, type Registry } from 'prom-client';
import type { WorkerConfig } from './config';

const HOUR_MS = 3_600_000;
const LOOK_BACK_MAX_MS = 48 * HOUR_MS;
/** Of the time for which ids are remembered, what is looked back over: an id that was forgotten would be taken for one never seen. */
const LOOK_BACK_SHARE = 0.8;
const ACCEPT_TIMEOUT_MS = 2_000;
/** Looks brought in within one stretch, so that one that failed, or a worker that started late, costs little. */
const TICKS = 4;
const STOP_MS = 500;

/** What was found missing at the sender, and how it is brought in: through a door of this worker's own into the same lanes. */
export interface GapWatch {
  readonly settings: NonNullable<RefreshSettings['gaps']>;
  /** Begins to ask for looks. Idempotent. */
  start(): void;
  /** Idempotent. */
  stop(): Promise<void>;
}

/** Registers what is counted about gaps, and makes a watch that is not started yet. */
export function createGapWatch(config: WorkerConfig, inspector: Inspector, registry: Registry, log: Logger): GapWatch {
  const everyMs = config.VIOLET_API_GAPS_EVERY_MS;
  const dedupWindowMs = dedupWindows(config);
  const acceptor: Acceptor = createAcceptor({
    redisUrl: config.REDIS_URL,
    prefix: config.KEY_PREFIX,
    shards: config.SHARDS,
    acceptTimeoutMs: ACCEPT_TIMEOUT_MS,
    tryTimeoutMs: ACCEPT_TIMEOUT_MS,
    dedupWindowMs,
    waitReplicas: 0,
    log,
    // The turn worker meets the same data set, and ends the process.
    onMismatch: (error) => log.error({ err: error }, 'gaps cannot be looked for'),
  });
  const healed = new Counter({
    name: 'syncline_healed_events_total',
    help: 'Events that had never arrived, and were brought in from the sender.',
    labelNames: ['source'],
    registers: [registry],
  });
  healed.inc({ source: 'violet' }, 0);
  registerWebhookGauge(registry, inspector, log);

  function ask(): void {
    acceptor.accept({ event: gapsEvent(Date.now(), everyMs), aliases: [] }).then(
      ({ status }) => log.debug({ status }, 'a look for gaps was asked for'),
      (error: unknown) => log.error({ err: error }, 'a look for gaps could not be asked for'),
    );
  }

  let timer: NodeJS.Timeout | undefined;
  return {
    settings: {
      lookBackMs: Math.min(LOOK_BACK_MAX_MS, dedupWindowMs('violet') * LOOK_BACK_SHARE),
      isKnown: async (eventId) => (await inspector.event('violet', eventId)) !== undefined,
      latestRun: async (merchantId, track) => {
        const document = await inspector.document(laneOf('violet', merchantId), statusRef.collection, statusRef.id);
        return readStatusDocument(document).tracks[track];
      },
      accept: async (request) => {
        const result = await acceptor.accept(request);
        if (result.status === 'accepted') {
          healed.inc({ source: 'violet' });
          const { eventId, topic, lane } = request.event;
          log.warn({ eventId, topic, lane }, 'an event that had never arrived was brought in');
        }
        return result;
      },
    },
    start() {
      if (timer !== undefined || everyMs === 0) return;
      acceptor.start();
      ask();
      timer = setInterval(ask, Math.max(1, everyMs / TICKS));
    },
    async stop() {
      clearInterval(timer);
      await acceptor.stop(STOP_MS);
    },
  };
}

/** Every worker tells the same, whichever of them looked. */
function registerWebhookGauge(registry: Registry, inspector: Inspector, log: Logger): void {
  const gauge: Gauge = new Gauge({
    name: 'syncline_webhooks_disabled',
    help: 'Webhooks that the sender has switched off, as it said when it was last asked.',
    labelNames: ['source'],
    registers: [registry],
    async collect() {
      try {
        const disabled = await inspector.document(GAPS_LANE, disabledWebhooksRef.collection, disabledWebhooksRef.id);
        if (Array.isArray(disabled)) gauge.set({ source: 'violet' }, disabled.length);
      } catch (error) {
        log.debug({ err: error }, 'the disabled webhooks cannot be read');
      }
    },
  });
}

import { createDecider } from '@syncline/catalog';
import { createInspector, createTurnWorker, DataSetMismatchError } from '@syncline/lanes';
import {
  ConfigurationError,
  closeServer,
  createOperations,
  createRegistry,
  dedupWindows,
  listen,
  loadConfig,
  runProcess,
} from '@syncline/runtime';
import { expectedTimes, overdueTimes, workerConfig } from './config';
import { createTurnMetrics, registerStoreGauges } from './metrics';
import { loadNotices } from './notices';
import { createRefreshMetrics, refreshingOf } from './refresh';
import { MerchantStandings } from './standings';
import { createSyncMetrics, registerSyncGauges } from './sync-metrics';
import { loadUserHandlers } from './user-handlers';

/** Of the time for shutting down, what remains to commit and release once the handlers had to be cut off. */
const RELEASE_MS = 2_000;
const HTTP_CLOSE_MS = 500;

runProcess('worker', async ({ env, log }) => {
  const config = loadConfig(workerConfig, env);
  const userHandlers = config.HANDLERS === undefined ? [] : await loadUserHandlers(config.HANDLERS, process.cwd());
  const registry = createRegistry();
  const notices = loadNotices(config.NOTICES_FILE, env, process.cwd(), registry);
  const store = { redisUrl: config.REDIS_URL, prefix: config.KEY_PREFIX, shards: config.SHARDS, log };
  const inspector = createInspector({ ...store, dedupWindowMs: dedupWindows(config) });
  const refreshing = refreshingOf(config, inspector, registry, log);
  const decider = createDecider([...refreshing.handlers, ...userHandlers, notices.handler], {
    overdueMs: overdueTimes(config),
    expectedMs: expectedTimes(config),
    failuresAlertAfter: config.SYNC_FAILURES_ALERT_AFTER,
    tombstoneMs: dedupWindows(config),
    refreshes: refreshing.refreshes,
    notify: notices.notify,
  });
  const standings = new MerchantStandings(inspector, log);
  const turns = createTurnMetrics(registry);
  const syncs = createSyncMetrics(registry, decider, standings, log);
  const refreshes = createRefreshMetrics(registry, decider);
  const worker = createTurnWorker({
    ...store,
    decider,
    retry: {
      maxAttempts: config.RETRY_MAX_ATTEMPTS,
      baseMs: config.RETRY_BASE_MS,
      factor: config.RETRY_FACTOR,
      capMs: config.RETRY_CAP_MS,
      jitter: config.RETRY_JITTER,
    },
    failurePolicy: config.FAILURE_POLICY,
    handlerTimeoutMs: config.HANDLER_TIMEOUT_MS,
    turnMaxEvents: config.TURN_MAX_EVENTS,
    turnMaxBytes: config.TURN_MAX_BYTES,
    historyMaxItems: config.HISTORY_MAX_PER_MERCHANT,
    historyMaxAgeMs: config.HISTORY_MAX_AGE_MS,
    concurrency: config.WORKER_CONCURRENCY,
    observer: {
      ...turns,
      committed: (...commit) => {
        turns.committed(...commit);
        syncs.committed(...commit);
        refreshes.committed(...commit);
      },
    },
  });
  registerStoreGauges(registry, inspector);
  registerSyncGauges(registry, standings);
  const operations = createOperations({ registry, ready: () => worker.ready() });
  const server = await listen(operations, { port: config.WORKER_PORT, host: config.BIND_HOST, variable: 'WORKER_PORT' });

  standings.start();
  refreshing.start();
  worker.start().then(
    () =>
      log.info(
        { address: server.address(), userHandlers: userHandlers.length, destinations: notices.destinations },
        'taking turns',
      ),
    (error: unknown) =>
      process.nextTick(() => {
        throw error instanceof DataSetMismatchError ? new ConfigurationError([error.message], { cause: error }) : error;
      }),
  );
  return {
    stop: async () => {
      await worker.stop(Math.max(0, config.SHUTDOWN_TIMEOUT_MS - RELEASE_MS));
      await refreshing.stop();
      const looked = standings.stop();
      await inspector.stop();
      await looked;
      await closeServer(server, HTTP_CLOSE_MS);
    },
  };
});

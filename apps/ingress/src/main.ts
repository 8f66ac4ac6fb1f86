import { isCatalogTopic } from '@syncline/catalog';
import { createAcceptor } from '@syncline/lanes';
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
import { createIngress } from './app';
import { ingressConfig, openSources } from './config';
import { createMetrics } from './metrics';

/** Slow or silent clients are cut off after these. Keep-alive outlasts the idle time of common load balancers (60 s). */
const SERVER_TIMEOUTS = { headersTimeout: 15_000, requestTimeout: 30_000, keepAliveTimeout: 65_000 } as const;

runProcess('ingress', async ({ env, log }) => {
  const config = loadConfig(ingressConfig, env);
  const acceptor = createAcceptor({
    redisUrl: config.REDIS_URL,
    prefix: config.KEY_PREFIX,
    shards: config.SHARDS,
    acceptTimeoutMs: config.ACCEPT_TIMEOUT_MS,
    tryTimeoutMs: Math.min(config.ACCEPT_TRY_TIMEOUT_MS, config.ACCEPT_TIMEOUT_MS),
    dedupWindowMs: dedupWindows(config),
    waitReplicas: config.ACCEPT_WAIT_REPLICAS,
    storeMaxBytes: config.STORE_MAX_BYTES,
    log,
    onMismatch: (error) =>
      process.nextTick(() => {
        throw new ConfigurationError([error.message], { cause: error });
      }),
  });
  const sources = openSources(config);
  const registry = createRegistry();
  const metrics = createMetrics(
    registry,
    sources.map(({ sender }) => sender.source),
    () => acceptor.waiting,
  );
  const app = createIngress({
    acceptor,
    sources,
    isHandled: isCatalogTopic,
    bodyLimitBytes: config.BODY_LIMIT_BYTES,
    log,
    metrics,
    operations: createOperations({ registry, ready: () => acceptor.ready }),
  });
  try {
    const server = await listen(app, { port: config.INGRESS_PORT, host: config.BIND_HOST, variable: 'INGRESS_PORT' });
    Object.assign(server, SERVER_TIMEOUTS);
    acceptor.start();
    log.info({ address: server.address(), sources: sources.map(({ sender }) => sender.source) }, 'receiving webhooks');
    return {
      stop: async () => {
        // What waits for the store is given most of the time, then answered 503: its sender repeats it.
        const remainingMs = config.SHUTDOWN_TIMEOUT_MS;
        await Promise.all([closeServer(server, remainingMs * 0.8), acceptor.stop(remainingMs * 0.6)]);
      },
    };
  } catch (error) {
    await acceptor.stop(0);
    throw error;
  }
});

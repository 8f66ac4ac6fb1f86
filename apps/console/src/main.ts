import { createInspector, createOperator } from '@syncline/lanes';
import { closeServer, createOperations, createRegistry, dedupWindows, listen, loadConfig, runProcess } from '@syncline/runtime';
import { createConsole } from './app';
import { consoleConfig } from './config';

runProcess('console', async ({ env, log }) => {
  const config = loadConfig(consoleConfig, env);
  const registry = createRegistry();
  const store = {
    redisUrl: config.REDIS_URL,
    prefix: config.KEY_PREFIX,
    shards: config.SHARDS,
    dedupWindowMs: dedupWindows(config),
    log,
  };
  const inspector = createInspector(store);
  const operator = createOperator(store);
  const stopStore = async (): Promise<void> => {
    await Promise.all([inspector.stop(), operator.stop()]);
  };
  const ready = async (): Promise<boolean> => {
    await inspector.ping();
    return true;
  };
  const app = createConsole({
    inspector,
    operator,
    token: config.CONSOLE_TOKEN,
    log,
    registry,
    operations: createOperations({ registry, ready }),
  });
  try {
    const server = await listen(app, { port: config.CONSOLE_PORT, host: config.BIND_HOST, variable: 'CONSOLE_PORT' });
    log.info({ address: server.address() }, 'answering reads');
    return {
      stop: async () => {
        await closeServer(server, config.SHUTDOWN_TIMEOUT_MS * 0.8);
        await stopStore();
      },
    };
  } catch (error) {
    await stopStore();
    throw error;
  }
});

import { createInspector } from '@syncline/lanes';
import { closeServer, createOperations, createRegistry, dedupWindows, listen, loadConfig, runProcess } from '@syncline/runtime';
import { createConsole } from './app';
import { consoleConfig } from './config';

runProcess('console', async ({ env, log }) => {
  const config = loadConfig(consoleConfig, env);
  const registry = createRegistry();
  const inspector = createInspector({
    redisUrl: config.REDIS_URL,
    prefix: config.KEY_PREFIX,
    shards: config.SHARDS,
    dedupWindowMs: dedupWindows(config),
    log,
  });
  const ready = async (): Promise<boolean> => {
    await inspector.ping();
    return true;
  };
  const app = createConsole({
    inspector,
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
        await closeServer(server, config.SHUTDOWN_TIMEOUT_MS);
        await inspector.stop();
      },
    };
  } catch (error) {
    await inspector.stop();
    throw error;
  }
});

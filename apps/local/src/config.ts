import path from 'node:path';
import { commonFields, type Environment, fields, loadConfig, repositoryRoot } from '@syncline/runtime';
import * as z from 'zod';

/** One app that the supervisor runs: a script that serves HTTP and starts through `runProcess`. */
export interface AppDefinition {
  readonly name: string;
  readonly script: string;
  readonly port: number;
}

export interface LocalConfig {
  readonly redisUrl: string | undefined;
  /** The host part of the apps' URLs, as this machine reaches them. */
  readonly host: string;
  readonly shutdownTimeoutMs: number;
  /** True when LOG_LEVEL was set: then the apps' whole logs are shown. */
  readonly showLogs: boolean;
  /** In the order in which they stop. */
  readonly apps: readonly [ingress: AppDefinition, worker: AppDefinition, console: AppDefinition];
}

const schema = z.object({
  ...commonFields,
  REDIS_URL: fields.requiredInProduction(fields.text()),
  CONSOLE_TOKEN: fields.requiredInProduction(fields.text()),
  INGRESS_PORT: fields.port(8080),
  WORKER_PORT: fields.port(8081),
  CONSOLE_PORT: fields.port(8082),
});

const scriptOf = (name: string): string => path.join(repositoryRoot, 'apps', name, 'dist', 'main.js');

/** Reads what the supervisor itself needs; each app reads its own. Throws a ConfigurationError. */
export function readConfig(env: Environment): LocalConfig {
  const values = loadConfig(schema, env);
  return {
    redisUrl: values.REDIS_URL,
    host: reachableHost(values.BIND_HOST),
    shutdownTimeoutMs: values.SHUTDOWN_TIMEOUT_MS,
    showLogs: Boolean(env.LOG_LEVEL?.trim()),
    apps: [
      { name: 'ingress', script: scriptOf('ingress'), port: values.INGRESS_PORT },
      { name: 'worker', script: scriptOf('worker'), port: values.WORKER_PORT },
      { name: 'console', script: scriptOf('console'), port: values.CONSOLE_PORT },
    ],
  };
}

function reachableHost(bindHost: string): string {
  if (bindHost === '0.0.0.0' || bindHost === '::') return '127.0.0.1';
  return bindHost.includes(':') ? `[${bindHost}]` : bindHost;
}

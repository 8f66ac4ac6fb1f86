import path from 'node:path';
import { type Environment, findRedis, freePort, pingRedis, withDevelopmentSecrets } from '@syncline/runtime';
import { AppProcess } from './app-process';
import { type LocalConfig, readConfig } from './config';
import { LocalRedis } from './redis';
import { announceRunningSet, claimDataDirectory, releaseDataDirectory } from './running-set';

export interface SupervisorSettings {
  readonly env: Environment;
  /** Where everything of this run is kept. */
  readonly dataDirectory: string;
  /** Shows one line to the user. */
  readonly say: (line: string) => void;
  /** An app found its configuration wrong: everything is to be stopped. */
  readonly onConfigurationError: () => void;
  /** Changes what is run; for tests. */
  readonly adapt?: (config: LocalConfig) => LocalConfig;
}

/** Runs Redis, ingress, worker and console, and keeps them running until it is stopped. */
export class Supervisor {
  readonly #settings: SupervisorSettings;
  #config: LocalConfig | undefined;
  #redis: LocalRedis | undefined;
  #apps: AppProcess[] = [];
  #starting: Promise<void> | undefined;
  #stopping: Promise<void> | undefined;
  readonly #stopRequested = new AbortController();

  constructor(settings: SupervisorSettings) {
    this.#settings = settings;
  }

  /** Resolves when all is ready, or when it was stopped meanwhile. Rejects, with nothing left running after `stop`, when it cannot start. */
  start(): Promise<void> {
    this.#starting ??= this.#start();
    return this.#starting;
  }

  /** Stops ingress, worker, console, then Redis. Idempotent. */
  stop(): Promise<void> {
    this.#stopping ??= this.#stop();
    return this.#stopping;
  }

  /** Makes a stop under way quick: the apps are not waited for. Nothing acknowledged is lost. */
  hurry(): void {
    for (const app of this.#apps) app.kill();
  }

  async #start(): Promise<void> {
    const { dataDirectory, say, env: givenEnv, adapt = (config) => config } = this.#settings;
    const config = adapt(readConfig(givenEnv));
    this.#config = config;
    claimDataDirectory(dataDirectory);
    const { env, filled, file } = withDevelopmentSecrets({ ...givenEnv, SYNCLINE_DATA_DIR: dataDirectory });
    if (filled.length > 0) say(`Development secrets: ${filled.join(', ')} are in ${file} (mode 600)`);

    const redisUrl = await this.#chooseRedis(config);
    if (this.#stopping !== undefined) return;
    const speaksTls = this.#redis === undefined || env.HANDLERS !== undefined;
    const urlOf = (port: number): string => `http://${config.host}:${port}`;
    this.#apps = config.apps.map(
      (definition) =>
        new AppProcess({
          definition,
          url: urlOf(definition.port),
          env: { ...(speaksTls ? env : withoutCertificates(env)), REDIS_URL: redisUrl },
          logFile: path.join(dataDirectory, 'logs', `${definition.name}.log`),
          showLogs: config.showLogs,
          say,
          onStart: (pid) => this.#redis?.appStarted(pid),
          onEnd: (pid) => this.#redis?.appEnded(pid),
          onConfigurationError: this.#settings.onConfigurationError,
        }),
    );
    const [ingress, worker, consoleApp] = config.apps;
    announceRunningSet(dataDirectory, {
      ingressUrl: urlOf(ingress.port),
      workerUrl: urlOf(worker.port),
      consoleUrl: urlOf(consoleApp.port),
    });
    // Side by side: the apps are still loading when Redis is up, and wait for it where it takes longer.
    await Promise.all([this.#redis?.start(), ...this.#apps.map((app) => app.start())]);
    if (this.#stopping === undefined) this.#sayWhatNext(config, filled.includes('CONSOLE_TOKEN') ? file : undefined);
  }

  /** Gives the URL of the Redis to use; a private one is still to be started. */
  async #chooseRedis({ redisUrl }: LocalConfig): Promise<string> {
    const { env, dataDirectory, say } = this.#settings;
    const found = await findRedis({
      env: { ...env, REDIS_URL: redisUrl },
      report: say,
      signal: this.#stopRequested.signal,
    });
    if (found.kind === 'url') {
      const reachable = await isReachable(found.url);
      say(
        `Redis: REDIS_URL, ${withoutPassword(found.url)}${reachable ? '' : ' (not reachable now: waiting for it, the ingress answers 503 until then)'}`,
      );
      return found.url;
    }
    this.#redis = new LocalRedis({
      program: found.program,
      directory: path.join(dataDirectory, 'redis'),
      port: await freePort(),
      say,
    });
    return this.#redis.url;
  }

  async #stop(): Promise<void> {
    this.#stopRequested.abort();
    const { say, dataDirectory } = this.#settings;
    const shutdownTimeoutMs = this.#config?.shutdownTimeoutMs ?? 0;
    for (const app of this.#apps) await app.stop(shutdownTimeoutMs);
    // A start under way may still be bringing Redis up; its own failure is reported by start.
    await this.#starting?.catch(() => {});
    for (const app of this.#apps) await app.stop(shutdownTimeoutMs);
    await this.#redis?.stop();
    releaseDataDirectory(dataDirectory);
    if (this.#apps.length > 0 || this.#redis !== undefined) say('Stopped.');
  }

  #sayWhatNext({ apps: [ingress, , consoleApp], host }: LocalConfig, secretsFile: string | undefined): void {
    const { say, dataDirectory } = this.#settings;
    const shownFile = secretsFile === undefined ? undefined : path.relative(process.cwd(), secretsFile);
    const token = shownFile === undefined ? '$CONSOLE_TOKEN' : `$(sed -n 's/^CONSOLE_TOKEN=//p' ${shownFile})`;
    say('');
    say('Syncline is running; Ctrl-C stops it.');
    say(`  Webhooks: http://${host}:${ingress.port}/webhooks/violet`);
    say(`  Logs:     ${path.relative(process.cwd(), path.join(dataDirectory, 'logs'))}`);
    say('Next, in another terminal:');
    say('  npm run simulate -- onboarding --merchant 10042 --offers 500');
    say(`  curl -H "Authorization: Bearer ${token}" http://${host}:${consoleApp.port}/api/v1/merchants/violet/10042`);
  }
}

/** Reading extra certificates takes a good part of a start, and an app that meets only the private Redis needs none. */
function withoutCertificates({ NODE_EXTRA_CA_CERTS: _certificates, ...env }: Environment): Environment {
  return env;
}

/** Only the first server of a list is asked; what cannot be read as a URL counts as reachable, the apps judge it. */
async function isReachable(url: string): Promise<boolean> {
  const [, host, port] = /^[a-z+-]+:\/\/(?:[^@/]*@)?(\[[^\]]+\]|[^:/,?]+)(?::(\d+))?/i.exec(url) ?? [];
  if (host === undefined) return true;
  return (await pingRedis({ host: host.replace(/^\[|\]$/g, ''), port: Number(port ?? 6379) })) !== undefined;
}

function withoutPassword(url: string): string {
  return url.replace(/\/\/.*@/, '//***@');
}

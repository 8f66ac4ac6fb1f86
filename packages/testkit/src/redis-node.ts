import { type ChildProcess, spawn } from 'node:child_process';
import fs from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { type AofCheck, checkAof, freePort, pingRedis, type RedisProgram, waitUntil } from '@syncline/runtime';
import { Redis } from 'ioredis';
import type { Keeper } from './keeper';

export interface RedisNodeSettings {
  readonly program: RedisProgram;
  readonly keeper: Keeper;
  /** The node's own folder; what is in it is what it starts with. */
  readonly directory: string;
  readonly port: number;
  /** Configuration beyond an append-only file with `appendfsync always`, by option name. */
  readonly options?: Readonly<Record<string, string>>;
}

/** One real server among several that form a whole. Its process ends with ours. */
export interface RedisNode {
  readonly port: number;
  readonly running: boolean;
  /** What the check of the append-only file found at each start, the first included. */
  readonly aofChecks: readonly AofCheck['status'][];
  /** SIGKILL; resolves when the process is gone. */
  kill(): Promise<void>;
  /** SIGSTOP: connections stay open and nothing is answered. */
  freeze(): void;
  thaw(): void;
  /** Starts it again on its port and data, the append-only file checked first. Does nothing while it runs. */
  restart(): Promise<void>;
  /** A section of INFO as fields. Rejects when the node does not answer within a second. */
  info(section: string): Promise<Readonly<Record<string, string>>>;
  /** One command, on a connection of its own. Rejects when the node does not answer within a second. */
  command(name: string, ...args: (string | number)[]): Promise<unknown>;
  /** Idempotent. */
  stop(): Promise<void>;
}

const LOAD_TIMEOUT_MS = 60_000;
const ANSWER_TIMEOUT_MS = 1_000;

/** Starts a node on 127.0.0.1. Resolves when it takes commands. */
export async function startRedisNode(settings: RedisNodeSettings): Promise<RedisNode> {
  const node = new ServerNode(settings);
  await node.restart();
  return node;
}

/** Starts them all at once. When one cannot be started the others are stopped. */
export async function startRedisNodes(settings: readonly RedisNodeSettings[]): Promise<RedisNode[]> {
  const starts = await Promise.allSettled(settings.map(startRedisNode));
  const nodes = starts.flatMap((start) => (start.status === 'fulfilled' ? [start.value] : []));
  const failed = starts.find((start) => start.status === 'rejected');
  if (failed === undefined) return nodes;
  await Promise.all(nodes.map((node) => node.stop()));
  throw failed.reason;
}

/** A port that is free together with that 10,000 further, on which a cluster node's bus listens. */
export async function freeNodePort(): Promise<number> {
  for (;;) {
    const port = await freePort();
    if (port <= 55_535 && (await isFree(port + 10_000))) return port;
  }
}

function isFree(port: number): Promise<boolean> {
  const probe = net.createServer();
  return new Promise((resolve) => {
    probe.once('error', () => resolve(false));
    probe.listen(port, '127.0.0.1', () => probe.close(() => resolve(true)));
  });
}

/** What every Redis server program takes: no defaults of a distribution's file. */
export function serverEnvironment({ libraryPath }: RedisProgram): NodeJS.ProcessEnv {
  return { ...process.env, ...(libraryPath === undefined ? {} : { LD_LIBRARY_PATH: libraryPath }) };
}

/** One command to the server on a port of 127.0.0.1, on a connection of its own. Rejects when there is no answer within a second. */
export async function askRedis(port: number, name: string, ...args: (string | number)[]): Promise<unknown> {
  const client = new Redis({
    port,
    host: '127.0.0.1',
    replyMapping: 'legacy',
    retryStrategy: null,
    maxRetriesPerRequest: 0,
    connectTimeout: ANSWER_TIMEOUT_MS,
    commandTimeout: ANSWER_TIMEOUT_MS,
    enableReadyCheck: false,
  });
  client.on('error', () => {});
  try {
    return await client.call(name, ...args);
  } finally {
    client.disconnect();
  }
}

class ServerNode implements RedisNode {
  readonly #settings: RedisNodeSettings;
  readonly aofChecks: AofCheck['status'][] = [];
  #child: ChildProcess | undefined;
  #gone: Promise<void> = Promise.resolve();

  constructor(settings: RedisNodeSettings) {
    this.#settings = settings;
  }

  get port(): number {
    return this.#settings.port;
  }

  get running(): boolean {
    return this.#child !== undefined;
  }

  async kill(): Promise<void> {
    this.#child?.kill('SIGKILL');
    await this.#gone;
  }

  freeze(): void {
    this.#child?.kill('SIGSTOP');
  }

  thaw(): void {
    this.#child?.kill('SIGCONT');
  }

  async restart(): Promise<void> {
    if (this.#child) return;
    const { program, directory, port, keeper } = this.#settings;
    fs.mkdirSync(directory, { recursive: true });
    this.aofChecks.push((await checkAof(program, directory)).status);
    const child = spawn(program.binary, this.#arguments(), { stdio: 'ignore', env: serverEnvironment(program) });
    const { pid } = child;
    if (pid !== undefined) keeper.keep(pid);
    this.#child = child;
    this.#gone = new Promise((resolve) => {
      const end = (): void => {
        if (pid !== undefined) keeper.release(pid);
        this.#child = undefined;
        resolve();
      };
      child.once('error', end);
      child.once('exit', end);
    });
    const ready = await waitUntil(
      async () => {
        if (this.#child !== child) throw new Error(`Redis on port ${port} ended at its start. See ${this.#logFile}.`);
        const answer = await pingRedis({ port });
        return answer?.ready === true && answer.pid === pid;
      },
      { timeoutMs: LOAD_TIMEOUT_MS, intervalMs: 20 },
    );
    if (!ready) throw new Error(`Redis on port ${port} was not ready within ${LOAD_TIMEOUT_MS} ms. See ${this.#logFile}.`);
  }

  async info(section: string): Promise<Record<string, string>> {
    const text = String(await this.command('INFO', section));
    return Object.fromEntries([...text.matchAll(/^(\w+):(.*?)\r?$/gm)].map(([, name = '', value = '']) => [name, value]));
  }

  command(name: string, ...args: (string | number)[]): Promise<unknown> {
    return askRedis(this.port, name, ...args);
  }

  async stop(): Promise<void> {
    await this.kill();
  }

  get #logFile(): string {
    return path.join(this.#settings.directory, 'redis.log');
  }

  #arguments(): string[] {
    const options: Record<string, string> = {
      port: String(this.port),
      bind: '127.0.0.1',
      dir: this.#settings.directory,
      logfile: this.#logFile,
      daemonize: 'no',
      save: '',
      appendonly: 'yes',
      appendfsync: 'always',
      hz: '100',
      'maxmemory-policy': 'noeviction',
      'auto-aof-rewrite-min-size': '256mb',
      'list-max-ziplist-size': '-4',
      // A master waits for further replicas before it begins to send its data: here none comes.
      'repl-diskless-sync-delay': '0',
      ...this.#settings.options,
    };
    return Object.entries(options).flatMap(([name, value]) => [`--${name}`, value]);
  }
}

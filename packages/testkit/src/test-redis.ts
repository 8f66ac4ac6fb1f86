import { findRedisProgram, freePort, type RedisProgram, type RedisServer, startRedisServer } from '@syncline/runtime';
import { temporaryFolder } from './temporary-folder';

export interface TestRedisSettings {
  /** `everysec` by default; `always` where a test is about durability. */
  readonly appendfsync?: 'always' | 'everysec';
  /** A folder with data to start from; a new empty one by default. */
  readonly directory?: string;
  readonly port?: number;
}

/** A real private Redis. It ends with the test process, even when that is killed. */
export interface TestRedis {
  readonly url: string;
  readonly port: number;
  readonly directory: string;
  /** The running server's process; changes with each restart. Throws when none runs. */
  readonly pid: number;
  /** Stops it gracefully; the data stays for `restart`. Idempotent. */
  stop(): Promise<void>;
  /** SIGKILL; resolves when the process is gone. */
  kill(): Promise<void>;
  /** SIGSTOP: connections stay open and nothing is answered. */
  freeze(): void;
  thaw(): void;
  /** Starts it again on the same port and data, after stopping it if it runs. The append-only file is checked first. */
  restart(): Promise<void>;
}

/** Starts a Redis of its own for a test, on a free port of 127.0.0.1. */
export async function startTestRedis({
  appendfsync = 'everysec',
  directory = temporaryFolder(),
  port,
}: TestRedisSettings = {}): Promise<TestRedis> {
  const program = await testRedisProgram();
  const fixedPort = port ?? (await freePort());
  const start = () => startRedisServer({ program, directory, port: fixedPort, appendfsync, appGraceMs: 1_000 });
  let server: RedisServer | undefined = await start();
  const running = (): RedisServer => {
    if (server === undefined) throw new Error('Expected a running Redis, got one that was stopped: restart it first.');
    return server;
  };
  const stop = async (): Promise<void> => {
    await server?.stop();
    server = undefined;
  };
  return {
    url: `redis://127.0.0.1:${fixedPort}`,
    port: fixedPort,
    directory,
    get pid() {
      return running().pid;
    },
    stop,
    kill: async () => {
      process.kill(running().pid, 'SIGKILL');
      await running().ended;
      server = undefined;
    },
    freeze: () => void process.kill(running().pid, 'SIGSTOP'),
    thaw: () => void process.kill(running().pid, 'SIGCONT'),
    restart: async () => {
      await stop();
      server = await start();
    },
  };
}

/** The program that `npm test` found, else one found now. REDIS_URL is left alone: tests stop and freeze their Redis. */
export async function testRedisProgram(): Promise<RedisProgram> {
  const given = process.env.SYNCLINE_REDIS_SERVER;
  return given === undefined ? findRedisProgram({ env: process.env }) : (JSON.parse(given) as RedisProgram);
}

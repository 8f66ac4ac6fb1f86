import { type ChildProcess, spawn } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { type AofCheck, checkAof } from './check-aof';
import { programEnvironment, type RedisProgram } from './find-redis';
import { freePort } from './free-port';
import type { FromGuard, GuardOrder, ServerState, ToGuard } from './guard-protocol';
import { pingRedis } from './ping-redis';
import { commandOf, endProcess, waitUntil } from './process-control';

export interface RedisServerSettings {
  readonly program: RedisProgram;
  /** The server's own folder, made if missing. Only one server can run on it. */
  readonly directory: string;
  /** A free one by default. */
  readonly port?: number;
  /** `always` by default: an answered write survives a power loss. */
  readonly appendfsync?: 'always' | 'everysec';
  /** How long the server stays up for the apps when this process is killed; 15,000 ms by default. */
  readonly appGraceMs?: number;
  /** How long loading the data may take; 120,000 ms by default. */
  readonly loadTimeoutMs?: number;
}

/** How a server came to its end: asked to (`stopped`), or by itself, with what it said last. */
export interface RedisEnd {
  readonly stopped: boolean;
  readonly reason: string;
}

/** A private server that takes commands. */
export interface RedisServer {
  readonly url: string;
  readonly port: number;
  readonly pid: number;
  readonly directory: string;
  readonly aof: AofCheck;
  /** Resolves when the server's process is gone. */
  readonly ended: Promise<RedisEnd>;
  /** Names an app that uses the server: should this process be killed, the server waits for the app's end, at most `appGraceMs`, then kills it. */
  appStarted(pid: number): void;
  appEnded(pid: number): void;
  /** Stops the server gracefully and waits for its end; idempotent. */
  stop(): Promise<void>;
}

const STOP_TIMEOUT_MS = 10_000;
const PORT_TRIES = 5;
const LOG_MAX_BYTES = 1024 * 1024;

/** Checks the append-only file and starts a private server on 127.0.0.1. Rejects when another server is alive on the folder, or this one does not start. */
export async function startRedisServer(settings: RedisServerSettings): Promise<RedisServer> {
  const directory = path.resolve(settings.directory);
  fs.mkdirSync(directory, { recursive: true });
  await freeDirectory(directory, settings.appGraceMs);
  const aof = await checkAof(settings.program, directory);
  for (let attempt = 1; ; attempt++) {
    try {
      return await launch({ ...settings, directory }, settings.port ?? (await freePort()), aof);
    } catch (error) {
      const portTaken = error instanceof Error && /Address already in use/i.test(error.message);
      if (!portTaken || settings.port !== undefined || attempt === PORT_TRIES) throw error;
    }
  }
}

async function launch(settings: RedisServerSettings, port: number, aof: AofCheck): Promise<RedisServer> {
  const { program, directory, appGraceMs = 15_000, loadTimeoutMs = 120_000 } = settings;
  const logFile = path.join(directory, 'redis.log');
  if (fs.existsSync(logFile) && fs.statSync(logFile).size > LOG_MAX_BYTES) fs.renameSync(logFile, `${logFile}.1`);
  const logStart = fs.existsSync(logFile) ? fs.statSync(logFile).size : 0;
  const order: GuardOrder = {
    binary: program.binary,
    args: serverArguments(settings, port, logFile),
    stateFile: stateFileOf(directory),
    port,
    appGraceMs,
    stopTimeoutMs: STOP_TIMEOUT_MS,
  };
  const guard = spawn(process.execPath, [guardScript(), JSON.stringify(order)], {
    detached: true,
    stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
    env: guardEnvironment(program),
  });
  const { running, ended, stop } = supervise(guard, order.stateFile);

  let end: RedisEnd | undefined;
  ended.then(
    (value) => {
      end = value;
    },
    () => {},
  );
  const pid = await running;
  const isReady = async (): Promise<boolean> => {
    if (end !== undefined)
      throw new Error(`Redis did not start: ${end.reason} ${fs.existsSync(logFile) ? readFrom(logFile, logStart) : ''}`.trim());
    const answer = await pingRedis({ port });
    return answer?.ready === true && answer.pid === pid;
  };
  try {
    if (!(await waitUntil(isReady, { timeoutMs: loadTimeoutMs, intervalMs: 20 })))
      throw new Error(`Redis was not ready within ${loadTimeoutMs} ms. See ${logFile}.`);
  } catch (error) {
    await stop();
    throw error;
  }
  // The server must not keep this process from ending: the guard notices.
  guard.unref();
  guard.channel?.unref();
  return {
    url: `redis://127.0.0.1:${port}`,
    port,
    pid,
    directory,
    aof,
    ended,
    appStarted: (appPid) => sendTo(guard, { type: 'appStarted', pid: appPid }),
    appEnded: (appPid) => sendTo(guard, { type: 'appEnded', pid: appPid }),
    stop,
  };
}

/** The same file whether this module runs compiled, bundled or from source. Looked for when needed: an app alone has none. */
function guardScript(): string {
  return path.join(path.dirname(require.resolve('@syncline/runtime/package.json')), 'dist', 'redis', 'guard.js');
}

function serverArguments({ directory, appendfsync = 'always' }: RedisServerSettings, port: number, logFile: string): string[] {
  const options: Record<string, string> = {
    port: String(port),
    bind: '127.0.0.1',
    dir: directory,
    logfile: logFile,
    daemonize: 'no',
    save: '',
    appendonly: 'yes',
    appendfsync,
    hz: '100',
    'maxmemory-policy': 'noeviction',
    // A rewrite under load costs latency; local data sets rarely reach this size.
    'auto-aof-rewrite-min-size': '256mb',
    // Nodes of 32 KB for lists, under the name that 6.2 knows: of 8 KB, events of 1 KB leave up to an eighth unused.
    'list-max-ziplist-size': '-4',
  };
  return Object.entries(options).flatMap(([name, value]) => [`--${name}`, value]);
}

/** Reading extra certificates costs every Node process tenths of a second at its start; the guard uses none. */
function guardEnvironment(program: RedisProgram): NodeJS.ProcessEnv {
  const { NODE_EXTRA_CA_CERTS: _certificates, ...env } = programEnvironment(program);
  return env;
}

function supervise(
  guard: ChildProcess,
  stateFile: string,
): { running: Promise<number>; ended: Promise<RedisEnd>; stop: () => Promise<void> } {
  let serverPid: number | undefined;
  let stopped = false;
  let lastWords: Extract<FromGuard, { type: 'ended' }> | undefined;

  const endOf = async (reason: string): Promise<RedisEnd> => {
    if (lastWords !== undefined)
      return { stopped, reason: lastWords.output || (lastWords.signal ?? `exit code ${lastWords.code}`) };
    // The guard was killed: nobody else can stop the server now.
    if (serverPid !== undefined) await endProcess(serverPid, STOP_TIMEOUT_MS);
    fs.rmSync(stateFile, { force: true });
    return { stopped, reason };
  };
  const ended = new Promise<RedisEnd>((resolve) => {
    guard.once('error', (error) => resolve(endOf(error.message)));
    guard.once('exit', (code, signal) => {
      const finish = (): void => resolve(endOf(`its guard ended (${signal ?? code})`));
      // Its last message may still be on the way when it exits.
      if (guard.connected) guard.once('disconnect', finish);
      else finish();
    });
  });
  const running = new Promise<number>((resolve, reject) => {
    guard.on('message', (message: FromGuard) => {
      if (message.type === 'running') {
        serverPid = message.pid;
        resolve(message.pid);
      } else {
        lastWords = message;
      }
    });
    ended.then(({ reason }) => reject(new Error(`Redis did not start: ${reason}`)), reject);
  });
  return {
    running,
    ended,
    stop: async () => {
      stopped = true;
      guard.ref();
      guard.channel?.ref();
      sendTo(guard, { type: 'stop' });
      await ended;
    },
  };
}

function sendTo(guard: ChildProcess, message: ToGuard): void {
  if (guard.connected) guard.send(message, undefined, undefined, () => {});
}

function stateFileOf(directory: string): string {
  return path.join(directory, 'server.json');
}

/** Makes sure that no server is alive on the folder: waits for one that is about to stop, ends one that was left behind. */
async function freeDirectory(directory: string, appGraceMs = 15_000): Promise<void> {
  const stateFile = stateFileOf(directory);
  const state = readState(stateFile);
  if (state === undefined) {
    fs.rmSync(stateFile, { force: true });
    return;
  }
  const isAlive = () => isServer(state);
  // Asked again and again: a guard that was just killed can look alive for a moment.
  const isGuarded = () => isAlive() && (commandOf(state.guardPid)?.includes('guard.js') ?? false);
  if (!(await waitUntil(() => !isGuarded(), { timeoutMs: appGraceMs + STOP_TIMEOUT_MS, intervalMs: 50 }))) {
    throw new Error(
      `Expected ${directory} to be free, got a Redis running on it (process ${state.pid}). Stop what uses it first.`,
    );
  }
  if (isAlive()) await endProcess(state.pid, STOP_TIMEOUT_MS);
  fs.rmSync(stateFile, { force: true });
}

function readState(stateFile: string): ServerState | undefined {
  try {
    const state = JSON.parse(fs.readFileSync(stateFile, 'utf8')) as Partial<ServerState>;
    return typeof state.pid === 'number' && typeof state.guardPid === 'number' && typeof state.port === 'number'
      ? (state as ServerState)
      : undefined;
  } catch {
    return undefined;
  }
}

/** Process ids are used again: only a server that names our port in its command is ours. */
function isServer({ pid, port }: ServerState): boolean {
  const command = commandOf(pid);
  return command !== undefined && /(redis|valkey)-/.test(command) && command.includes(String(port));
}

function readFrom(file: string, fromByte: number): string {
  const text = fs.readFileSync(file).subarray(fromByte).toString();
  return text
    .split('\n')
    .filter((line) => / # /.test(line))
    .slice(-3)
    .join(' ')
    .slice(-500);
}

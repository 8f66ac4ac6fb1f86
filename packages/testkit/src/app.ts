import { spawn } from 'node:child_process';
import path from 'node:path';
import { freePort, repositoryRoot, type StartedMessage } from '@syncline/runtime';
import { temporaryFolder } from './temporary-folder';
import { waitFor } from './wait-for';

/** How an app's process ended. */
export interface AppExit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** An app running as a process of its own. It ends with the test process. */
export interface SpawnedApp {
  readonly pid: number;
  readonly port: number;
  readonly url: string;
  /** Everything it printed so far, standard output and error together. */
  output(): string;
  readonly exited: Promise<AppExit>;
  /** Resolves when it says that it can do its work: it starts without its Redis, and answers 503 until it has reached that. */
  ready(): Promise<void>;
  /** SIGTERM; resolves when it is gone. Idempotent. */
  stop(): Promise<AppExit>;
  kill(): Promise<AppExit>;
  freeze(): void;
  thaw(): void;
}

export type ServingApp = 'ingress' | 'worker' | 'console';

export interface SpawnSettings {
  /** The folder under which the built apps are; the clone by default. */
  readonly root?: string;
  /** Told the process's id at once, before it has started. */
  readonly onSpawn?: (pid: number) => void;
}

/**
 * Starts `apps/<name>/dist/main.js` under `root` with only the given environment (and PATH, HOME), on a free port unless its port variable is given.
 * Resolves when the app says that it has started; rejects with its output when it exits before.
 */
export async function spawnApp(
  name: ServingApp,
  env: Readonly<Record<string, string>> = {},
  { root = repositoryRoot, onSpawn }: SpawnSettings = {},
): Promise<SpawnedApp> {
  const portVariable = `${name.toUpperCase()}_PORT`;
  const port = Number(env[portVariable] ?? (await freePort()));
  const child = spawn(process.execPath, [path.join(root, 'apps', name, 'dist', 'main.js')], {
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    env: {
      PATH: process.env.PATH,
      HOME: process.env.HOME,
      SYNCLINE_DATA_DIR: env.SYNCLINE_DATA_DIR ?? temporaryFolder(),
      ...env,
      [portVariable]: String(port),
    },
  });
  if (child.pid !== undefined) onSpawn?.(child.pid);
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream?.on('data', (chunk: Buffer) => {
      output += chunk.toString();
    });
  }
  const exited = new Promise<AppExit>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code, signal) => resolve({ code, signal }));
  });
  const signal = (which: NodeJS.Signals): Promise<AppExit> => {
    child.kill(which);
    if (which === 'SIGTERM') child.kill('SIGCONT');
    return exited;
  };
  await new Promise<void>((resolve, reject) => {
    child.on('message', (message: StartedMessage) => {
      if (message.type === 'started') resolve();
    });
    exited.then(
      ({ code, signal: cause }) => reject(new Error(`${name} ended before it had started (${cause ?? code}):\n${output}`)),
      reject,
    );
  });
  if (child.pid === undefined) throw new Error(`${name} has no process id`);
  return {
    pid: child.pid,
    port,
    url: `http://127.0.0.1:${port}`,
    output: () => output,
    exited,
    ready: async () => {
      await waitFor(async () => (await fetch(`http://127.0.0.1:${port}/readyz`)).ok, { message: `${name} to be ready` });
    },
    stop: () => signal('SIGTERM'),
    kill: () => signal('SIGKILL'),
    freeze: () => void child.kill('SIGSTOP'),
    thaw: () => void child.kill('SIGCONT'),
  };
}

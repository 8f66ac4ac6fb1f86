import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import http from 'node:http';
import path from 'node:path';
import { isAlive } from '@syncline/runtime';
import { freePort, startTestRedis, temporaryFolder, testRedisProgram, waitFor } from '@syncline/testkit';

interface Run {
  readonly child: ChildProcess;
  readonly pid: number;
  readonly data: string;
  readonly env: Readonly<Record<string, string>>;
  output(): string;
  readonly exit: Promise<[number | null, string | null]>;
}

const runs: Run[] = [];
let PATH: string;

beforeAll(async () => {
  PATH = `${path.dirname((await testRedisProgram()).binary)}${path.delimiter}${process.env.PATH ?? ''}`;
});

afterEach(() => end(runs.splice(0)));

/** Whatever a test left running is ended, and nothing may stay behind. */
async function end(ended: readonly Run[]): Promise<void> {
  for (const { pid } of ended) if (isAlive(pid)) process.kill(pid, 'SIGKILL');
  for (const { data, exit } of ended) {
    await exit;
    await waitFor(() => processesOf(data).length === 0, { message: `everything of ${data} to be gone` });
  }
}

async function portsAndData(): Promise<Record<string, string>> {
  const [ingress, worker, consolePort] = [await freePort(), await freePort(), await freePort()];
  return {
    SYNCLINE_DATA_DIR: temporaryFolder(),
    INGRESS_PORT: String(ingress),
    WORKER_PORT: String(worker),
    CONSOLE_PORT: String(consolePort),
  };
}

/** The real supervisor with stand-in apps, in a process group of its own. */
function supervise(env: Readonly<Record<string, string>>): Run {
  const child = spawn(process.execPath, [path.join(__dirname, 'fixtures', 'supervise.cjs')], {
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { PATH, ...env },
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => (output += chunk.toString()));
  const run: Run = {
    child,
    pid: child.pid ?? 0,
    data: env.SYNCLINE_DATA_DIR ?? '',
    env,
    output: () => output,
    exit: once(child, 'close') as Run['exit'],
  };
  runs.push(run);
  return run;
}

async function superviseUntilReady(env?: Readonly<Record<string, string>>): Promise<Run> {
  const run = supervise(env ?? (await portsAndData()));
  await waitFor(() => run.output().includes('curl -H'), { message: 'the set to run' }).catch((cause: unknown) => {
    throw new Error(run.output(), { cause });
  });
  return run;
}

/** Apps, guard and Redis of a run: whatever names its data folder in its command. */
function processesOf(data: string): { pid: number; command: string }[] {
  return fs.readdirSync('/proc').flatMap((name) => {
    try {
      const command = /^\d+$/.test(name) ? fs.readFileSync(`/proc/${name}/cmdline`, 'utf8').replaceAll('\0', ' ') : '';
      return command.includes(data) && isAlive(Number(name)) ? [{ pid: Number(name), command }] : [];
    } catch {
      return [];
    }
  });
}

function pidOf(run: Run, name: 'ingress' | 'worker' | 'console' | 'redis' | 'guard'): number {
  if (name === 'redis' || name === 'guard') {
    const state = JSON.parse(fs.readFileSync(path.join(run.data, 'redis', 'server.json'), 'utf8')) as {
      pid: number;
      guardPid: number;
    };
    return name === 'redis' ? state.pid : state.guardPid;
  }
  const found = processesOf(run.data).find(({ command }) => command.includes(`${name}.cjs`));
  if (found === undefined) throw new Error(`No process of ${name}`);
  return found.pid;
}

const journalOf = ({ data }: Run): string[] =>
  fs
    .readFileSync(path.join(data, 'journal'), 'utf8')
    .trim()
    .split('\n')
    .map((line) => line.split(' ').slice(0, 2).join(' '));
const stops = ['ingress stopping', 'ingress stopped', 'worker stopping', 'worker stopped', 'console stopping', 'console stopped'];

describe.each([
  ['the parent alone', (pid: number) => pid],
  ['the whole group', (pid: number) => -pid],
])('a signal to %s', (_whom, target) => {
  test.each(['SIGINT', 'SIGTERM'] as const)('stops everything once, in order, Redis last (%s)', async (signal) => {
    const run = await superviseUntilReady();
    process.kill(target(run.pid), signal);
    process.kill(target(run.pid), signal);
    expect(await run.exit).toEqual([0, null]);
    expect(journalOf(run).slice(-6)).toEqual(stops);
    expect(run.output().match(/Stopped\./g)).toHaveLength(1);
    expect(processesOf(run.data)).toEqual([]);
    expect(fs.existsSync(path.join(run.data, 'running.json'))).toBe(false);
    expect(fs.existsSync(path.join(run.data, 'supervisor.lock'))).toBe(false);
  });
});

test('killing the parent with SIGKILL leaves no process, and the next start works on the same data', async () => {
  const run = await superviseUntilReady();
  process.kill(run.pid, 'SIGKILL');
  await run.exit;
  await waitFor(() => processesOf(run.data).length === 0);
  expect(journalOf(run)).toEqual(expect.arrayContaining(stops.filter((entry) => entry.endsWith('stopped'))));
  const next = await superviseUntilReady(run.env);
  expect(next.output()).toContain('append-only file checked and intact');
});

test('a taken port names the variable, exits with 78 and leaves nothing running', async () => {
  const env = await portsAndData();
  const occupant = http.createServer().listen(Number(env.WORKER_PORT), '127.0.0.1');
  await once(occupant, 'listening');
  const run = supervise(env);
  expect(await run.exit).toEqual([78, null]);
  expect(run.output()).toMatch(
    new RegExp(`WORKER_PORT: Expected a free port, got ${env.WORKER_PORT}.*Set WORKER_PORT to another port`),
  );
  expect(processesOf(run.data)).toEqual([]);
  occupant.close();
});

test('a wrong variable is reported before anything is started', async () => {
  const run = supervise({ ...(await portsAndData()), INGRESS_PORT: 'high', SHUTDOWN_TIMEOUT_MS: '-1' });
  expect(await run.exit).toEqual([78, null]);
  expect(run.output()).toMatch(/SHUTDOWN_TIMEOUT_MS: Expected.*INGRESS_PORT: Expected an integer from 0 to 65535, got "high"/s);
  expect(run.output()).not.toContain('Redis:');
});

test('in production nothing is made up: missing values are errors', async () => {
  const run = supervise({ ...(await portsAndData()), NODE_ENV: 'production' });
  expect(await run.exit).toEqual([78, null]);
  expect(run.output()).toMatch(/REDIS_URL: Expected a value.*CONSOLE_TOKEN: Expected a value/s);
});

test('a lock left by a killed run, also with a process id that is someone else’s now, does not hold up the start', async () => {
  const env = await portsAndData();
  const stranger = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1e6)', 'start', 'local']);
  fs.writeFileSync(path.join(env.SYNCLINE_DATA_DIR ?? '', 'supervisor.lock'), `${stranger.pid} another-beginning`);
  await superviseUntilReady(env);
  stranger.kill('SIGKILL');
});

test('with REDIS_URL no Redis is run, and one that is down is waited for', async () => {
  const port = await freePort();
  const run = await superviseUntilReady({ ...(await portsAndData()), REDIS_URL: `redis://user:hunter2@127.0.0.1:${port}` });
  expect(run.output()).toContain(`Redis: REDIS_URL, redis://***@127.0.0.1:${port} (not reachable now: waiting for it`);
  expect(run.output()).not.toContain('hunter2');
  expect(fs.existsSync(path.join(run.data, 'redis'))).toBe(false);

  const redis = await startTestRedis();
  const other = await superviseUntilReady({ ...(await portsAndData()), REDIS_URL: redis.url });
  expect(other.output()).toContain(`Redis: REDIS_URL, ${redis.url}\n`);
  await redis.stop();
});

test('the apps’ warnings are shown, their whole logs are in files, and LOG_LEVEL shows all', async () => {
  const quiet = await superviseUntilReady({ ...(await portsAndData()), FAKE_WARN: '1' });
  // What an app prints does not come on the way on which it says that it has started.
  await waitFor(() => quiet.output().includes('ingress | WARN something to see detail=7'));
  await waitFor(() => fs.readFileSync(path.join(quiet.data, 'logs', 'ingress.log'), 'utf8').includes('quiet detail'));
  expect(quiet.output()).not.toContain('quiet detail');
  const chatty = await superviseUntilReady({ ...(await portsAndData()), LOG_LEVEL: 'info' });
  await waitFor(() => chatty.output().includes('ingress | INFO quiet detail'));
});

describe('a running set', () => {
  let run: Run;
  beforeAll(async () => {
    run = await superviseUntilReady();
    runs.length = 0;
  });
  afterAll(() => end([run]));

  test('the start says what runs, where, and what to type next, without any secret', async () => {
    const { INGRESS_PORT, CONSOLE_PORT } = run.env;
    for (const part of [
      `Development secrets: VIOLET_APP_SECRET, `,
      `${run.data}/development.env (mode 600)`,
      /^Redis: (redis|valkey)-server \d+\.\d+\.\d+ \((?:PATH|private copy): .*data in .*\/redis$/m,
      `ingress: ready at http://127.0.0.1:${INGRESS_PORT}`,
      'worker: ready at',
      'console: ready at',
      'npm run simulate -- onboarding',
      `http://127.0.0.1:${CONSOLE_PORT}/api/v1/merchants/violet/10042`,
    ]) {
      expect(run.output()).toMatch(part);
    }
    for (const secret of fs.readFileSync(path.join(run.data, 'development.env'), 'utf8').match(/(?<==)\S+$/gm) ?? [])
      expect(run.output()).not.toContain(secret);
    expect(JSON.parse(fs.readFileSync(path.join(run.data, 'running.json'), 'utf8'))).toMatchObject({
      pid: run.pid,
      ingressUrl: `http://127.0.0.1:${INGRESS_PORT}`,
      consoleUrl: `http://127.0.0.1:${CONSOLE_PORT}`,
    });
  });

  test('a second start on the same folder says that one is running, and leaves that one alone', async () => {
    const second = supervise(run.env);
    runs.length = 0;
    expect(await second.exit).toEqual([78, null]);
    expect(second.output()).toMatch(
      new RegExp(`already running from this folder \\(process ${run.pid}; ingress http://127.0.0.1:${run.env.INGRESS_PORT}`),
    );
    expect((await fetch(`http://127.0.0.1:${run.env.INGRESS_PORT}/healthz`)).status).toBe(200);
    expect(fs.existsSync(path.join(run.data, 'running.json'))).toBe(true);
  });

  test('a process that dies is said so and started again', async () => {
    const first = pidOf(run, 'worker');
    process.kill(first, 'SIGKILL');
    await waitFor(() => run.output().match(/worker: ready/g)?.length === 2);
    expect(run.output()).toMatch(/worker: ended \(SIGKILL\), starting it again in 250 ms/);
    expect(pidOf(run, 'worker')).not.toBe(first);
  });

  test.each(['redis', 'guard'] as const)(
    'Redis is started again on the same port when its %s process is killed',
    async (name) => {
      const before = pidOf(run, 'redis');
      const restarts = () => run.output().match(/Redis: running again at/g)?.length ?? 0;
      const restartsBefore = restarts();
      process.kill(pidOf(run, name), 'SIGKILL');
      await waitFor(() => restarts() > restartsBefore);
      expect(pidOf(run, 'redis')).not.toBe(before);
      const [, port] = /at 127\.0\.0\.1:(\d+), data in/.exec(run.output()) ?? [];
      expect(run.output()).toContain(`Redis: running again at 127.0.0.1:${port}, append-only file checked`);
    },
  );
});

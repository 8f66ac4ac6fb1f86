import { spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import {
  type AofCheck,
  checkAof,
  findRedisProgram,
  isAlive,
  pingRedis,
  type RedisProgram,
  type RedisServer,
  startRedisServer,
  waitUntil,
} from '../src/index';

let program: RedisProgram;
let folder: string;
let server: RedisServer | undefined;

beforeAll(async () => {
  const given = process.env.SYNCLINE_REDIS_SERVER;
  program = given === undefined ? await findRedisProgram({ env: process.env }) : (JSON.parse(given) as RedisProgram);
});
beforeEach(() => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), 'syncline-redis-'));
});
afterEach(async () => {
  await server?.stop();
  server = undefined;
  fs.rmSync(folder, { recursive: true, force: true });
});

async function start(): Promise<RedisServer> {
  server = await startRedisServer({ program, directory: folder, appGraceMs: 500 });
  return server;
}

/** Sends one command to the running server and gives its raw reply, errors included. */
async function command(...words: string[]): Promise<string> {
  const socket = net.connect(server?.port ?? 0, '127.0.0.1');
  socket.write(`*${words.length}\r\n${words.map((word) => `$${Buffer.byteLength(word)}\r\n${word}\r\n`).join('')}`);
  const [reply] = (await once(socket, 'data')) as [Buffer];
  socket.destroy();
  return reply.toString().trim();
}

async function kill(): Promise<void> {
  const running = server;
  if (running === undefined) throw new Error('Expected a running server');
  process.kill(running.pid, 'SIGKILL');
  expect(await running.ended).toMatchObject({ stopped: false });
}

const SCRIPT = "redis.call('INCR','a') redis.call('INCR','b') redis.call('INCR','c') return 1";
const increments = () =>
  path.join(
    folder,
    'appendonlydir',
    fs.readdirSync(path.join(folder, 'appendonlydir')).find((name) => name.endsWith('.incr.aof')) ?? '',
  );

/** Five scripts are written, then the server is killed. */
async function writeScriptsAndDie(): Promise<void> {
  await start();
  for (let run = 0; run < 5; run++) expect(await command('EVAL', SCRIPT, '0')).toBe(':1');
  await kill();
}

const counts = async (): Promise<string[]> => [await command('GET', 'a'), await command('GET', 'b'), await command('GET', 'c')];

test('a new folder has no append-only file, a killed server leaves an intact one', async () => {
  await writeScriptsAndDie();
  expect((await start()).aof).toEqual({ status: 'intact' } satisfies AofCheck);
  expect(await counts()).toEqual(['$1\r\n5', '$1\r\n5', '$1\r\n5']);
});

test('a tail torn inside a script takes the whole script back, at this start and at the next', async () => {
  await writeScriptsAndDie();
  const size = fs.statSync(increments()).size;
  fs.truncateSync(increments(), size - 40);
  const { aof } = await start();
  expect(aof).toMatchObject({ status: 'repaired', file: increments() });
  expect(await counts()).toEqual(['$1\r\n4', '$1\r\n4', '$1\r\n4']);
  await command('INCR', 'after');
  await kill();
  expect((await start()).aof).toEqual({ status: 'intact' });
  expect(await counts()).toEqual(['$1\r\n4', '$1\r\n4', '$1\r\n4']);
});

test('what is cut off is counted and kept, also when the damage is in the middle', async () => {
  await writeScriptsAndDie();
  const bytes = fs.readFileSync(increments());
  const secondScript = bytes.indexOf('MULTI', bytes.indexOf('EXEC')) - '*1\r\n$5\r\n'.length;
  bytes.write('*X', secondScript);
  fs.writeFileSync(increments(), bytes);
  const check = await checkAof(program, folder);
  if (check.status !== 'repaired') throw new Error(`Expected a repair, got ${check.status}`);
  expect(check.cutOffBytes).toBe(bytes.length - secondScript);
  expect(fs.readFileSync(check.keptIn)).toEqual(bytes.subarray(secondScript));
  expect(path.dirname(check.keptIn)).toBe(path.join(folder, 'cut-off'));
  expect(await checkAof(program, folder)).toEqual({ status: 'intact' });
  await start();
  expect(await counts()).toEqual(['$1\r\n1', '$1\r\n1', '$1\r\n1']);
});

test('damage that cutting off cannot mend is an error that says what to do, and changes nothing', async () => {
  await writeScriptsAndDie();
  const manifest = path.join(folder, 'appendonlydir', 'appendonly.aof.manifest');
  fs.writeFileSync(manifest, 'nonsense\n');
  await expect(start()).rejects.toMatchObject({
    code: 'AOF_UNREADABLE',
    message: expect.stringMatching(/Restore the folder from a copy, or move it aside/),
  });
  expect(fs.readFileSync(manifest, 'utf8')).toBe('nonsense\n');
});

test('a single append-only file, as older servers write it, is checked as well', async () => {
  const whole = '*3\r\n$3\r\nSET\r\n$1\r\na\r\n$1\r\n1\r\n';
  fs.writeFileSync(path.join(folder, 'appendonly.aof'), `${whole}*3\r\n$3\r\nSET\r\n$1`);
  expect(await checkAof(program, folder)).toMatchObject({ status: 'repaired', cutOffBytes: 15 });
  expect(fs.readFileSync(path.join(folder, 'appendonly.aof'), 'utf8')).toBe(whole);
});

test('an empty folder needs no check', async () => {
  expect(await checkAof(program, folder)).toEqual({ status: 'absent' });
});

test('a taken port is an error that says so', async () => {
  const taken = net.createServer().listen(0, '127.0.0.1');
  await once(taken, 'listening');
  const address = taken.address();
  const port = address !== null && typeof address === 'object' ? address.port : 0;
  await expect(startRedisServer({ program, directory: folder, port })).rejects.toThrow(
    /Redis did not start.*Address already in use/s,
  );
  taken.close();
});

test('two servers never run on one folder', async () => {
  await start();
  await expect(startRedisServer({ program, directory: folder, appGraceMs: -9_900 })).rejects.toThrow(
    /Expected .* to be free, got a Redis running on it/,
  );
});

test('a server is stopped when its guard is killed', async () => {
  const { pid, ended } = await start();
  const { guardPid } = JSON.parse(fs.readFileSync(path.join(folder, 'server.json'), 'utf8')) as { guardPid: number };
  process.kill(guardPid, 'SIGKILL');
  expect(await ended).toMatchObject({ stopped: false, reason: 'its guard ended (SIGKILL)' });
  expect(isAlive(pid)).toBe(false);
  expect((await start()).aof.status).toBe('intact');
});

test('a server whose guard and supervisor were both killed is ended by the next start', async () => {
  const holder = holdServer();
  const { pid } = await holder.started;
  const { guardPid } = JSON.parse(fs.readFileSync(path.join(folder, 'server.json'), 'utf8')) as { guardPid: number };
  process.kill(holder.pid, 'SIGSTOP');
  process.kill(guardPid, 'SIGKILL');
  process.kill(holder.pid, 'SIGKILL');
  expect(isAlive(pid)).toBe(true);
  const next = await start();
  expect(isAlive(pid)).toBe(false);
  expect(next.aof.status).toBe('intact');
});

test('a state file of an earlier run does not hold up the start, nor end a stranger’s process', async () => {
  fs.writeFileSync(path.join(folder, 'server.json'), JSON.stringify({ guardPid: process.pid, pid: process.pid, port: 6379 }));
  await start();
  await server?.stop();
  fs.writeFileSync(path.join(folder, 'server.json'), 'half writ');
  await start();
});

/** Another process that starts a server in the folder, with an app that outlives it for as long as the app's input is open. */
function holdServer(): { pid: number; started: Promise<{ pid: number; appPid: number }> } {
  const script = `
    const { startRedisServer } = require(${JSON.stringify(path.join(__dirname, '..'))});
    const app = require('node:child_process').spawn('sleep', ['1000'], { detached: true, stdio: 'ignore' });
    startRedisServer({ program: ${JSON.stringify(program)}, directory: ${JSON.stringify(folder)}, appGraceMs: 60_000 }).then((server) => {
      server.appStarted(app.pid);
      setTimeout(() => console.log(JSON.stringify({ pid: server.pid, appPid: app.pid })), 50);
    });
    setInterval(() => {}, 1000);`;
  const child = spawn(process.execPath, ['-e', script], { stdio: ['ignore', 'pipe', 'inherit'], detached: true });
  const started = once(child.stdout, 'data').then(([line]) => JSON.parse(String(line)) as { pid: number; appPid: number });
  return { pid: child.pid ?? 0, started };
}

test('when the supervisor is killed, the server waits for its apps and then stops', async () => {
  const holder = holdServer();
  const { pid, appPid } = await holder.started;
  process.kill(holder.pid, 'SIGKILL');
  expect(await waitUntil(() => !isAlive(holder.pid), { timeoutMs: 60_000, intervalMs: 10 })).toBe(true);
  expect(isAlive(pid)).toBe(true);
  process.kill(appPid, 'SIGKILL');
  expect(await waitUntil(() => !isAlive(pid), { timeoutMs: 60_000, intervalMs: 20 })).toBe(true);
});

test('signals to the supervisor’s whole process group do not reach the server', async () => {
  const holder = holdServer();
  const { pid, appPid } = await holder.started;
  const port = (JSON.parse(fs.readFileSync(path.join(folder, 'server.json'), 'utf8')) as { port: number }).port;
  process.kill(-holder.pid, 'SIGINT');
  expect(await waitUntil(() => !isAlive(holder.pid), { timeoutMs: 60_000, intervalMs: 10 })).toBe(true);
  expect(await pingRedis({ port, timeoutMs: 60_000 })).toEqual({ ready: true, pid });
  process.kill(appPid, 'SIGKILL');
  expect(await waitUntil(() => !isAlive(pid), { timeoutMs: 60_000, intervalMs: 20 })).toBe(true);
});

test('nothing that answers is told apart from a server', async () => {
  const silent = net.createServer((socket) => socket.resume()).listen(0, '127.0.0.1');
  await once(silent, 'listening');
  const address = silent.address();
  const port = address !== null && typeof address === 'object' ? address.port : 0;
  expect(await pingRedis({ port, timeoutMs: 50 })).toBeUndefined();
  silent.close();
  await once(silent, 'close');
  expect(await pingRedis({ port })).toBeUndefined();
});

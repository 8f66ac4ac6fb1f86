import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { ConfigurationError, describeRedisProgram, findRedis, findRedisProgram, waitUntil } from '../src/index';

let folder: string;
beforeEach(() => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), 'syncline-find-'));
});
afterEach(() => fs.rmSync(folder, { recursive: true, force: true }));

const shell = fs.existsSync('/usr/bin/sh') ? '/usr/bin/sh' : '/bin/sh';

/** A program of the given name in the folder `bin`, which prints a text. */
function program(name: string, body: string): string {
  const bin = path.join(folder, 'bin');
  fs.mkdirSync(bin, { recursive: true });
  fs.writeFileSync(path.join(bin, name), `#!${shell}\n${body}\n`, { mode: 0o755 });
  return bin;
}

const versionOf = (text: string): string => `echo '${text}'`;
const cacheDirectory = () => path.join(folder, 'cache');

test('REDIS_URL wins over everything else', async () => {
  const PATH = program('redis-server', versionOf('Redis server v=7.0.15 sha=0'));
  expect(await findRedis({ env: { PATH, REDIS_URL: ' redis://elsewhere:6379 ' } })).toEqual({
    kind: 'url',
    url: 'redis://elsewhere:6379',
  });
});

test('a server on PATH is taken with its version, redis-server before valkey-server', async () => {
  const PATH = program('redis-server', versionOf('Redis server v=6.2.0 sha=0'));
  program('valkey-server', versionOf('Valkey server v=8.1.1 sha=0'));
  const found = await findRedisProgram({ env: { PATH }, cacheDirectory: cacheDirectory() });
  expect(describeRedisProgram(found)).toBe(`redis-server 6.2.0 (PATH: ${path.join(PATH, 'redis-server')})`);
});

test.each(['Redis server v=6.0.16 sha=0', 'Redis server v=5.0.14', 'something else', ''])(
  'a redis-server that says %j is passed over for a Valkey that is new enough',
  async (text) => {
    const PATH = program('redis-server', versionOf(text));
    program('valkey-server', versionOf('Valkey server v=7.2.5 sha=0'));
    expect(await findRedisProgram({ env: { PATH }, cacheDirectory: cacheDirectory() })).toMatchObject({
      name: 'valkey-server',
      version: '7.2.5',
    });
  },
);

test('with no server and nothing to fetch one with, the error gives three ways out', async () => {
  const PATH = program('redis-server', versionOf('Redis server v=6.0.16'));
  const attempt = findRedisProgram({ env: { PATH }, cacheDirectory: cacheDirectory() });
  await expect(attempt).rejects.toThrow(ConfigurationError);
  await expect(attempt).rejects.toThrow(
    /is older or does not run; there is no apt-get.*1\. set REDIS_URL.*2\. install one.*3\. .*docker compose up/s,
  );
});

/** Stands in for the distribution's tools, so that the test needs no network: the "package" holds a program that prints a version. */
function packageTools({ downloads = 'true' } = {}): string {
  program(
    'dpkg-deb',
    '[ "$1" = --version ] && exit 0\n/bin/mkdir -p "$3/usr/bin"; /bin/cp "$2" "$3/usr/bin/redis-server"; /bin/chmod +x "$3/usr/bin/redis-server"',
  );
  return program(
    'apt-get',
    `case "$*" in
*--version*) exit 0;;
*install*) echo 'Inst redis-server (5:7.0.15-1 Debian)';;
*download*) ${downloads} || { echo 'E: cannot reach the archive'; exit 100; }
  printf '#!${shell}\\necho "Redis server v=7.0.15 sha=0"\\n' > redis-server.deb;;
esac`,
  );
}

test('without one, a private copy is fetched from the distribution, said, and used again at the next start', async () => {
  const PATH = packageTools();
  const said: string[] = [];
  const settings = { env: { PATH }, cacheDirectory: cacheDirectory(), report: (line: string) => said.push(line) };
  const fetched = await findRedisProgram(settings);
  expect(fetched).toMatchObject({
    origin: 'distribution packages',
    version: '7.0.15',
    binary: path.join(cacheDirectory(), 'root/usr/bin/redis-server'),
  });
  expect(said).toHaveLength(1);
  fs.rmSync(path.join(PATH, 'apt-get'));
  expect(await findRedisProgram(settings)).toMatchObject({ origin: 'private copy', version: '7.0.15' });
  expect(said).toHaveLength(1);
  expect(fs.readdirSync(folder).sort()).toEqual(['bin', 'cache']);
});

test('two processes that fetch at the same time both get a whole copy', async () => {
  const settings = { env: { PATH: packageTools() }, cacheDirectory: cacheDirectory() };
  const found = await Promise.all([findRedisProgram(settings), findRedisProgram(settings)]);
  for (const { version } of found) expect(version).toBe('7.0.15');
});

test('a fetch that fails says why and leaves nothing behind', async () => {
  const attempt = findRedisProgram({ env: { PATH: packageTools({ downloads: 'false' }) }, cacheDirectory: cacheDirectory() });
  await expect(attempt).rejects.toThrow(/apt-get could not download redis-server: E: cannot reach the archive/);
  expect(fs.readdirSync(folder)).toEqual(['bin']);
});

test('a fetch under way ends when it is asked to, and leaves nothing behind', async () => {
  const stop = new AbortController();
  const started = path.join(folder, 'bin', 'started');
  const PATH = packageTools({ downloads: `{ : > ${started}; exec /bin/sleep 1000; }` });
  const attempt = findRedisProgram({ env: { PATH }, cacheDirectory: cacheDirectory(), signal: stop.signal });
  const ended = attempt.then(
    () => undefined,
    (error: unknown) => error,
  );
  expect(await waitUntil(() => fs.existsSync(started), { timeoutMs: 20_000, intervalMs: 10 })).toBe(true);
  stop.abort();
  expect(await ended).toBeInstanceOf(ConfigurationError);
  expect(fs.readdirSync(folder)).toEqual(['bin']);
});

test('a private copy that no longer runs is fetched anew', async () => {
  const PATH = packageTools();
  fs.mkdirSync(path.join(cacheDirectory(), 'root/usr/bin'), { recursive: true });
  fs.writeFileSync(path.join(cacheDirectory(), 'root/usr/bin/redis-server'), 'not a program', { mode: 0o755 });
  expect(await findRedisProgram({ env: { PATH }, cacheDirectory: cacheDirectory() })).toMatchObject({
    origin: 'distribution packages',
  });
});

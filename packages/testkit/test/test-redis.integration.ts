import { spawn } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { isAlive } from '@syncline/runtime';
import { Redis } from 'ioredis';
import { startTestRedis, waitFor } from '../src/index';

async function connected<T>(port: number, use: (client: Redis) => Promise<T>, commandTimeout = 60_000): Promise<T> {
  const client = new Redis({ port, host: '127.0.0.1', commandTimeout, retryStrategy: null, maxRetriesPerRequest: 0 });
  client.on('error', () => {});
  try {
    return await use(client);
  } finally {
    client.disconnect();
  }
}

test('a test Redis keeps its data and port over stop, kill and restart', async () => {
  const redis = await startTestRedis({ appendfsync: 'always' });
  try {
    await connected(redis.port, (client) => client.set('kept', '1'));
    const firstPid = redis.pid;
    await redis.kill();
    expect(isAlive(firstPid)).toBe(false);
    expect(() => redis.pid).toThrow('restart it first');
    await redis.restart();
    await connected(redis.port, (client) => client.incr('kept'));
    await redis.stop();
    await redis.restart();
    expect(await connected(redis.port, (client) => client.get('kept'))).toBe('2');
  } finally {
    await redis.stop();
  }
});

test('a frozen test Redis answers nothing until it is thawed, and stops even when frozen', async () => {
  const redis = await startTestRedis();
  await connected(redis.port, (client) => client.ping());
  redis.freeze();
  await expect(connected(redis.port, (client) => client.ping(), 200)).rejects.toThrow('Command timed out');
  redis.thaw();
  expect(await connected(redis.port, (client) => client.ping())).toBe('PONG');
  redis.freeze();
  const { pid } = redis;
  await redis.stop();
  expect(isAlive(pid)).toBe(false);
});

test('it runs with the settings that the product promises', async () => {
  const redis = await startTestRedis({ appendfsync: 'always' });
  try {
    const settings = await connected(redis.port, async (client) =>
      Promise.all(
        ['appendonly', 'appendfsync', 'maxmemory-policy', 'hz', 'save', 'bind'].map((name) => client.config('GET', name)),
      ),
    );
    expect(settings.flat()).toEqual([
      'appendonly',
      'yes',
      'appendfsync',
      'always',
      'maxmemory-policy',
      'noeviction',
      'hz',
      '100',
      'save',
      '',
      'bind',
      '127.0.0.1',
    ]);
  } finally {
    await redis.stop();
  }
});

test('no Redis is left when the test process is killed', async () => {
  const script = `require(${JSON.stringify(path.join(__dirname, '..'))}).startTestRedis().then((redis) => console.log(redis.pid)); setInterval(() => {}, 1000)`;
  const child = spawn(process.execPath, ['-e', script], { stdio: ['ignore', 'pipe', 'inherit'] });
  const [line] = (await once(child.stdout, 'data')) as [Buffer];
  const pid = Number(line.toString());
  expect(isAlive(pid)).toBe(true);
  child.kill('SIGKILL');
  await waitFor(() => !isAlive(pid), { message: 'its Redis to end' });
});

test('waiting in vain says what was waited for and what went wrong last', async () => {
  const failing = waitFor(
    () => {
      throw new Error('still closed');
    },
    { timeoutMs: 30, message: 'the door to open' },
  );
  await expect(failing).rejects.toMatchObject({
    message: 'Waited 30 ms in vain for the door to open',
    cause: { message: 'still closed' },
  });
  expect(await waitFor(() => 'value')).toBe('value');
});

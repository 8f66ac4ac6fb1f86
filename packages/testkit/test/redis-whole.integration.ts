import { spawn } from 'node:child_process';
import path from 'node:path';
import { isAlive } from '@syncline/runtime';
import { Cluster, Redis } from 'ioredis';
import {
  type Keeper,
  type RedisWhole,
  startCluster,
  startKeeper,
  startSentinelSet,
  startSingleRedis,
  temporaryFolder,
  testRedisProgram,
  waitFor,
} from '../src/index';

let keeper: Keeper;
let redis: RedisWhole | undefined;

beforeEach(() => {
  keeper = startKeeper();
});
afterEach(async () => {
  await redis?.stop();
  redis = undefined;
  await keeper.stop();
});

async function started(start: typeof startSingleRedis): Promise<RedisWhole> {
  redis = await start({ program: await testRedisProgram(), keeper, directory: temporaryFolder() });
  return redis;
}

test('a single Redis keeps its data when it is killed, and its append-only file is checked before it starts again', async () => {
  const single = await started(startSingleRedis);
  const [node] = single.nodes;
  await node?.command('SET', 'kept', '1');
  await node?.kill();
  expect(node?.running).toBe(false);
  await expect(single.whole()).rejects.toThrow();
  await node?.restart();
  expect(await single.whole()).toBe(true);
  expect(await node?.command('GET', 'kept')).toBe('1');
  expect(node?.aofChecks).toEqual(['absent', 'intact']);
});

test('the sentinels replace a killed master, and the set is whole again when it comes back as a replica', async () => {
  const set = await started(startSentinelSet);
  expect(set.url).toMatch(/^redis\+sentinel:\/\/127\.0\.0\.1:\d+,127\.0\.0\.1:\d+,127\.0\.0\.1:\d+\/syncline$/);
  expect(await set.whole()).toBe(true);
  const [first] = await set.masters();
  await first?.command('SET', 'kept', '1');
  await first?.command('WAIT', 2, 1_000);
  await first?.kill();
  await waitFor(async () => (await set.masters()).length === 1, { timeoutMs: 60_000 });
  await first?.restart();
  await waitFor(() => set.whole(), { timeoutMs: 60_000 });
  const [second] = await set.masters();
  expect(second?.port).not.toBe(first?.port);
  expect(await second?.command('GET', 'kept')).toBe('1');
}, 180_000);

test('a replica of the cluster takes over from a killed master, and the cluster is whole again when that comes back', async () => {
  const cluster = await started(startCluster);
  expect(cluster.nodes).toHaveLength(6);
  expect(await cluster.whole()).toBe(true);
  const before = await cluster.masters();
  expect(before).toHaveLength(3);
  const [victim] = before;
  await victim?.kill();
  await waitFor(async () => (await cluster.masters()).length === 3, { timeoutMs: 60_000 });
  await victim?.restart();
  await waitFor(() => cluster.whole(), { timeoutMs: 60_000 });
  const client = new Cluster(cluster.nodes.map(({ port }) => ({ port, host: '127.0.0.1' })));
  client.on('error', () => {});
  try {
    for (const key of ['a', 'b', 'c', 'd']) expect(await client.set(key, key)).toBe('OK');
  } finally {
    client.disconnect();
  }
}, 180_000);

test('the keeper ends a frozen Redis and a frozen process when the process that started them is killed', async () => {
  const parent = spawn(process.execPath, ['-e', PARENT, path.join(__dirname, '..')], { stdio: ['ignore', 'pipe', 'inherit'] });
  let output = '';
  parent.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
  const pids = await waitFor(() => /pids (\d+) (\d+)/.exec(output)?.slice(1).map(Number), { timeoutMs: 60_000 });
  expect(pids.every(isAlive)).toBe(true);
  parent.kill('SIGKILL');
  await waitFor(() => !pids.some(isAlive), { timeoutMs: 60_000 });
}, 180_000);

const PARENT = `
  const { spawn } = require('node:child_process');
  const { startKeeper, startSingleRedis, temporaryFolder, testRedisProgram } = require(process.argv[1]);
  (async () => {
    const keeper = startKeeper();
    const redis = await startSingleRedis({ program: await testRedisProgram(), keeper, directory: temporaryFolder() });
    const [node] = redis.nodes;
    const { process_id } = await node.info('server');
    const sleeper = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'], { detached: true, stdio: 'ignore' });
    keeper.keep(sleeper.pid);
    node.freeze();
    sleeper.kill('SIGSTOP');
    console.log('pids', process_id, sleeper.pid);
    setInterval(() => {}, 1000);
  })();
`;

test('a client of the sentinels reaches the master', async () => {
  const set = await started(startSentinelSet);
  const [, hosts = '', name = ''] = /\/\/(.*)\/(.*)/.exec(set.url) ?? [];
  const sentinels = hosts.split(',').map((host) => ({ host: '127.0.0.1', port: Number(host.split(':')[1]) }));
  const client = new Redis({ sentinels, name });
  client.on('error', () => {});
  try {
    expect(await client.set('reached', '1')).toBe('OK');
    const [master] = await set.masters();
    expect(await master?.command('GET', 'reached')).toBe('1');
  } finally {
    client.disconnect();
  }
}, 120_000);

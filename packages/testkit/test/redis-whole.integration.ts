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

test('a client of the sentinels reaches the master, and when that is killed they replace it; the set is whole again when it comes back as a replica', async () => {
  const set = await started(startSentinelSet);
  expect(set.url).toMatch(/^redis\+sentinel:\/\/127\.0\.0\.1:\d+,127\.0\.0\.1:\d+,127\.0\.0\.1:\d+\/syncline$/);
  await waitFor(() => set.whole());
  const [first] = await set.masters();
  await throughSentinels(set, (client) => client.set('kept', '1'));
  expect(await first?.command('GET', 'kept')).toBe('1');
  // Less than a command may take.
  await waitFor(async () => (await first?.command('WAIT', 2, 500)) === 2, { message: 'both replicas to have it' });
  await first?.kill();
  await waitFor(async () => (await set.masters()).length === 1);
  await first?.restart();
  await waitFor(() => set.whole());
  const [second] = await set.masters();
  expect(second?.port).not.toBe(first?.port);
  expect(await second?.command('GET', 'kept')).toBe('1');
});

async function throughSentinels(set: RedisWhole, use: (client: Redis) => Promise<unknown>): Promise<void> {
  const [, hosts = '', name = ''] = /\/\/(.*)\/(.*)/.exec(set.url) ?? [];
  const sentinels = hosts.split(',').map((host) => ({ host: '127.0.0.1', port: Number(host.split(':')[1]) }));
  const client = new Redis({ sentinels, name });
  client.on('error', () => {});
  try {
    await use(client);
  } finally {
    client.disconnect();
  }
}

test('a replica of the cluster takes over from a killed master, and the cluster is whole again when that comes back', async () => {
  const cluster = await started(startCluster);
  expect(cluster.nodes).toHaveLength(6);
  await waitFor(() => cluster.whole());
  const before = await cluster.masters();
  expect(before).toHaveLength(3);
  const [victim] = before;
  await victim?.kill();
  await waitFor(async () => (await cluster.masters()).length === 3);
  await victim?.restart();
  await waitFor(() => cluster.whole());
  const client = new Cluster(cluster.nodes.map(({ port }) => ({ port, host: '127.0.0.1' })));
  client.on('error', () => {});
  try {
    for (const key of ['a', 'b', 'c', 'd']) expect(await client.set(key, key)).toBe('OK');
  } finally {
    client.disconnect();
  }
});

test('the keeper ends a frozen Redis and a frozen process when the process that started them is killed', async () => {
  const parent = spawn(process.execPath, ['-e', PARENT, path.join(__dirname, '..')], { stdio: ['ignore', 'pipe', 'inherit'] });
  let output = '';
  parent.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
  const pids = await waitFor(() => /pids (\d+) (\d+)/.exec(output)?.slice(1).map(Number));
  expect(pids.every(isAlive)).toBe(true);
  parent.kill('SIGKILL');
  await waitFor(() => !pids.some(isAlive));
});

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

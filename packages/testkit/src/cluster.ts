import path from 'node:path';
import type { RedisProgram } from '@syncline/runtime';
import type { Keeper } from './keeper';
import { freeNodePort, type RedisNode, type RedisNodeSettings, startRedisNodes } from './redis-node';
import type { RedisWhole } from './redis-whole';
import { mastersAmong, replicasOnline } from './sentinel';
import { waitFor } from './wait-for';

const MASTERS = 3;
const SLOTS = 16_384;
/** How long a node may be silent before the others take it for failed. */
const NODE_TIMEOUT_MS = 2_000;
const START_TIMEOUT_MS = 30_000;

/** A cluster of three masters with a replica each: all real processes, in folders of their own under `directory`. */
export async function startCluster({
  program,
  keeper,
  directory,
}: {
  program: RedisProgram;
  keeper: Keeper;
  directory: string;
}): Promise<RedisWhole> {
  let nodes: RedisNode[] = [];
  const stop = async (): Promise<void> => {
    await Promise.all(nodes.map((node) => node.stop()));
  };
  const whole = async (): Promise<boolean> => {
    const states = await Promise.all(nodes.map((node) => node.command('CLUSTER', 'INFO')));
    if (!states.every((state) => String(state).includes('cluster_state:ok'))) return false;
    const standings = await Promise.all(nodes.map((node) => node.info('replication')));
    const masters = standings.filter(({ role }) => role === 'master');
    const inStep = standings.filter((standing) => standing.role === 'slave' && standing.master_link_status === 'up');
    return masters.length === MASTERS && inStep.length === MASTERS && masters.every((standing) => replicasOnline(standing) === 1);
  };
  try {
    const options = {
      'cluster-enabled': 'yes',
      'cluster-config-file': 'nodes.conf',
      'cluster-node-timeout': String(NODE_TIMEOUT_MS),
      'cluster-require-full-coverage': 'no',
      // A replica that was cut off for long must still be able to take over: the test decides what is lost, not its age.
      'cluster-replica-validity-factor': '0',
    };
    const settings: RedisNodeSettings[] = [];
    for (let index = 0; index < 2 * MASTERS; index++) {
      const port = await freeNodePort();
      settings.push({ program, keeper, directory: path.join(directory, `node-${index}`), port, options });
    }
    nodes = await startRedisNodes(settings);
    await join(nodes);
    await waitFor(whole, { timeoutMs: START_TIMEOUT_MS, message: 'the cluster to be whole' });
  } catch (error) {
    await stop();
    throw error;
  }
  return {
    url: `redis+cluster://${nodes.map(({ port }) => `127.0.0.1:${port}`).join(',')}`,
    nodes,
    masters: async () => await mastersAmong(nodes),
    whole,
    stop,
  };
}

async function join(nodes: readonly RedisNode[]): Promise<void> {
  const [first, ...others] = nodes;
  if (!first) return;
  for (const [index, node] of nodes.entries()) await node.command('CLUSTER', 'SET-CONFIG-EPOCH', index + 1);
  for (const { port } of others) await first.command('CLUSTER', 'MEET', '127.0.0.1', port);
  await waitFor(async () => (await Promise.all(nodes.map(knownBy))).every((known) => known === nodes.length), {
    timeoutMs: START_TIMEOUT_MS,
    message: 'the nodes to know each other',
  });
  for (const [index, master] of nodes.slice(0, MASTERS).entries()) {
    const from = Math.floor((index * SLOTS) / MASTERS);
    const to = Math.floor(((index + 1) * SLOTS) / MASTERS);
    await master.command('CLUSTER', 'ADDSLOTS', ...Array.from({ length: to - from }, (_, offset) => from + offset));
    const id = String(await master.command('CLUSTER', 'MYID'));
    const replica = nodes[MASTERS + index];
    await waitFor(async () => (await replica?.command('CLUSTER', 'REPLICATE', id)) === 'OK', {
      timeoutMs: START_TIMEOUT_MS,
      message: 'a replica to know its master',
    });
  }
}

async function knownBy(node: RedisNode): Promise<number> {
  const known = /cluster_known_nodes:(\d+)/.exec(String(await node.command('CLUSTER', 'INFO')));
  return Number(known?.[1]);
}

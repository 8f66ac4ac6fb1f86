import { type ChildProcess, spawn } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { freePort, pingRedis, type RedisProgram } from '@syncline/runtime';
import type { Keeper } from './keeper';
import { askRedis, type RedisNode, type RedisNodeSettings, serverEnvironment, startRedisNodes } from './redis-node';
import type { RedisWhole } from './redis-whole';
import { waitFor } from './wait-for';

const MASTER_NAME = 'syncline';
const SENTINELS = 3;
const REPLICAS = 2;
/** How long a master may be silent before the sentinels replace it. */
const DOWN_AFTER_MS = 1_000;
const START_TIMEOUT_MS = 30_000;

/** A master with two replicas, watched by three sentinels: all real processes, all in folders of their own under `directory`. */
export async function startSentinelSet({
  program,
  keeper,
  directory,
}: {
  program: RedisProgram;
  keeper: Keeper;
  directory: string;
}): Promise<RedisWhole> {
  let nodes: RedisNode[] = [];
  const sentinels: ChildProcess[] = [];
  const ports: number[] = [];
  const stop = async (): Promise<void> => {
    await Promise.all(sentinels.map((sentinel) => endOf(sentinel)));
    await Promise.all(nodes.map((node) => node.stop()));
  };
  const whole = async (): Promise<boolean> => {
    const standings = await Promise.all(nodes.map((node) => node.info('replication')));
    const masters = standings.filter(({ role }) => role === 'master');
    return masters.length === 1 && masters[0] !== undefined && replicasOnline(masters[0]) === REPLICAS;
  };
  try {
    const masterPort = await freePort();
    const settings: RedisNodeSettings[] = [];
    for (let index = 0; index <= REPLICAS; index++) {
      const port = index === 0 ? masterPort : await freePort();
      const options: Record<string, string> = index === 0 ? {} : { replicaof: `127.0.0.1 ${masterPort}` };
      settings.push({ program, keeper, directory: path.join(directory, `node-${index}`), port, options });
    }
    nodes = await startRedisNodes(settings);
    await waitFor(whole, { timeoutMs: START_TIMEOUT_MS, message: 'both replicas to be in step' });
    for (let index = 0; index < SENTINELS; index++) {
      const port = await freePort();
      ports.push(port);
      sentinels.push(startSentinel(program, keeper, path.join(directory, `sentinel-${index}`), port, masterPort));
    }
    await waitFor(async () => (await Promise.all(ports.map((port) => pingRedis({ port })))).every((answer) => answer?.ready), {
      timeoutMs: START_TIMEOUT_MS,
      message: 'the sentinels to answer',
    });
    await waitFor(async () => (await Promise.all(ports.map(othersKnown))).every((others) => others === SENTINELS - 1), {
      timeoutMs: START_TIMEOUT_MS,
      message: 'the sentinels to know each other',
    });
  } catch (error) {
    await stop();
    throw error;
  }
  return {
    url: `redis+sentinel://${ports.map((port) => `127.0.0.1:${port}`).join(',')}/${MASTER_NAME}`,
    nodes,
    masters: async () => await mastersAmong(nodes),
    whole,
    stop,
  };
}

/** The nodes that say that they are masters; a node that does not answer is none. */
export async function mastersAmong(nodes: readonly RedisNode[]): Promise<RedisNode[]> {
  const roles = await Promise.all(
    nodes.map((node) =>
      node.info('replication').then(
        ({ role }) => role,
        () => undefined,
      ),
    ),
  );
  return nodes.filter((_, index) => roles[index] === 'master');
}

/** How many replicas a master's own account shows as in step. */
export function replicasOnline(replication: Readonly<Record<string, string>>): number {
  return Object.entries(replication).filter(([name, value]) => /^slave\d+$/.test(name) && value.includes('state=online')).length;
}

function startSentinel(program: RedisProgram, keeper: Keeper, directory: string, port: number, masterPort: number): ChildProcess {
  fs.mkdirSync(directory, { recursive: true });
  const file = path.join(directory, 'sentinel.conf');
  const lines = [
    `port ${port}`,
    'bind 127.0.0.1',
    `dir ${directory}`,
    `logfile ${path.join(directory, 'sentinel.log')}`,
    `sentinel monitor ${MASTER_NAME} 127.0.0.1 ${masterPort} 2`,
    `sentinel down-after-milliseconds ${MASTER_NAME} ${DOWN_AFTER_MS}`,
    `sentinel failover-timeout ${MASTER_NAME} 5000`,
    `sentinel parallel-syncs ${MASTER_NAME} 1`,
  ];
  fs.writeFileSync(file, `${lines.join('\n')}\n`);
  const child = spawn(program.binary, [file, '--sentinel'], { stdio: 'ignore', env: serverEnvironment(program) });
  const { pid } = child;
  if (pid !== undefined) {
    keeper.keep(pid);
    child.once('exit', () => keeper.release(pid));
  }
  child.on('error', () => {});
  return child;
}

async function othersKnown(port: number): Promise<number> {
  return ((await askRedis(port, 'SENTINEL', 'SENTINELS', MASTER_NAME)) as unknown[]).length;
}

async function endOf(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  child.kill('SIGKILL');
  await ended;
}

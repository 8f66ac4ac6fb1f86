import os from 'node:os';
import { testRedisProgram } from '@syncline/testkit';

/** What the figures depend on, besides the code. */
export interface Environment {
  readonly node: string;
  readonly redis: string;
  readonly cpu: string;
  readonly cores: number;
  readonly memoryGiB: number;
  readonly platform: string;
  /** Processes that were running or waiting to, averaged over the last minute: what else the machine was doing. */
  readonly loadAtStart: number;
}

export async function readEnvironment(): Promise<Environment> {
  const { name, version } = await testRedisProgram();
  const cpus = os.cpus();
  return {
    node: process.versions.node,
    redis: `${name} ${version}`,
    cpu: cpus[0]?.model.trim() || 'unknown processor',
    cores: cpus.length,
    memoryGiB: Math.round(os.totalmem() / 2 ** 30),
    platform: `${os.type()} ${os.arch()}`,
    loadAtStart: os.loadavg()[0] ?? 0,
  };
}

/** The environment in one line. */
export function environmentLine({ node, redis, cpu, cores, memoryGiB, platform, loadAtStart }: Environment): string {
  return `Node ${node}, ${redis}, ${cores} cores of ${cpu}, ${memoryGiB} GiB, ${platform}, load ${loadAtStart.toFixed(1)} at the start`;
}

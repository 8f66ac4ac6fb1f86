import path from 'node:path';
import { freePort, type RedisProgram } from '@syncline/runtime';
import type { Keeper } from './keeper';
import { type RedisNode, startRedisNode } from './redis-node';

/** Redis as the product sees it, of one server or several: something that can be broken in parts and becomes whole again. */
export interface RedisWhole {
  /** As REDIS_URL takes it. */
  readonly url: string;
  /** All data nodes. */
  readonly nodes: readonly RedisNode[];
  /** The nodes that take writes now. */
  masters(): Promise<RedisNode[]>;
  /** True when every node answers, and every replica is in step with its master. Rejects while one does not answer. */
  whole(): Promise<boolean>;
  /** Idempotent. */
  stop(): Promise<void>;
}

/** One server alone. */
export async function startSingleRedis({
  program,
  keeper,
  directory,
}: {
  program: RedisProgram;
  keeper: Keeper;
  directory: string;
}): Promise<RedisWhole> {
  const node = await startRedisNode({ program, keeper, directory: path.join(directory, 'node-0'), port: await freePort() });
  return {
    url: `redis://127.0.0.1:${node.port}`,
    nodes: [node],
    masters: () => Promise.resolve([node]),
    whole: async () => (await node.command('PING')) === 'PONG',
    stop: () => node.stop(),
  };
}

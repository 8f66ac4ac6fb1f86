import fs from 'node:fs';
import { startTestRedis, waitFor } from '@syncline/testkit';
import { Redis } from 'ioredis';
import type { Persistence } from './benchmark';

/** A new private Redis that can be asked what it spent. */
export interface MeasuredRedis {
  readonly url: string;
  /** Processor time since its start, of all its threads and children, in microseconds. */
  readonly cpuMicros: () => Promise<number>;
  /** Bytes that its data take. */
  usedMemory(): Promise<number>;
  /** Bytes of memory that the system gave it. */
  readonly residentMemory: () => Promise<number>;
  /** Bytes of memory by kind of key, the kind as `kindOf` says; looks at every key. */
  memoryByKind(kindOf: (key: string) => string): Promise<ReadonlyMap<string, number>>;
  /** Resolves once it does nothing in the background: a rewrite of the append-only file takes a core. */
  settled(): Promise<void>;
  /** Stops it and removes its data. Idempotent. */
  stop(): Promise<void>;
}

const SETTLE_TIMEOUT_MS = 300_000;
const SCAN_COUNT = 1_000;

export async function startMeasuredRedis(appendfsync: Persistence): Promise<MeasuredRedis> {
  const server = await startTestRedis({ appendfsync });
  const client = new Redis(server.url, { replyMapping: 'legacy', maxRetriesPerRequest: null });
  client.on('error', () => {});
  const info = async (section: string): Promise<ReadonlyMap<string, string>> => {
    const lines = (await client.info(section)).split('\r\n');
    return new Map(lines.map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 1)]));
  };
  const number = async (section: string, ...names: string[]): Promise<number> => {
    const fields = await info(section);
    return names.reduce((sum, name) => {
      const value = Number(fields.get(name));
      if (Number.isNaN(value)) throw new Error(`Expected Redis to tell ${name}, got ${fields.get(name)}`);
      return sum + value;
    }, 0);
  };
  return {
    url: server.url,
    cpuMicros: async () =>
      (await number('cpu', 'used_cpu_sys', 'used_cpu_user', 'used_cpu_sys_children', 'used_cpu_user_children')) * 1e6,
    usedMemory: () => number('memory', 'used_memory'),
    residentMemory: () => number('memory', 'used_memory_rss'),
    memoryByKind: async (kindOf) => {
      const bytes = new Map<string, number>();
      for (let cursor = '0', first = true; first || cursor !== '0'; first = false) {
        const [next, keys] = await client.scan(cursor, 'COUNT', SCAN_COUNT);
        cursor = next;
        const pipeline = client.pipeline();
        for (const key of keys) pipeline.memory('USAGE', key, 'SAMPLES', 0);
        const usages = (await pipeline.exec()) ?? [];
        for (const [index, key] of keys.entries()) {
          const kind = kindOf(key);
          bytes.set(kind, (bytes.get(kind) ?? 0) + Number(usages[index]?.[1] ?? 0));
        }
      }
      return bytes;
    },
    settled: async () => {
      await waitFor(async () => (await number('persistence', 'aof_rewrite_in_progress', 'aof_rewrite_scheduled')) === 0, {
        timeoutMs: SETTLE_TIMEOUT_MS,
        message: 'Redis to end its rewrite',
        intervalMs: 100,
      });
    },
    stop: async () => {
      client.disconnect();
      await server.stop();
      fs.rmSync(server.directory, { recursive: true, force: true });
    },
  };
}

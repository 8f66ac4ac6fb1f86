import { setTimeout as pause } from 'node:timers/promises';
import { createInspector, type Inspector } from '@syncline/lanes';
import { type ServingApp, type SpawnedApp, spawnApp, waitFor } from '@syncline/testkit';
import { SECRET } from './events';

/** One of the product's processes, with its defaults, as it runs in production. */
export interface ProductProcess {
  readonly port: number;
  /** Processor time since its start, in microseconds. */
  readonly cpuMicros: () => Promise<number>;
  /** Bytes of memory that the system gave it. */
  readonly residentMemory: () => Promise<number>;
  /** Idempotent. */
  readonly stop: () => Promise<void>;
}

/** Starts a process of the product and waits until it can do its work. */
export async function startProduct(name: ServingApp, redisUrl: string): Promise<ProductProcess> {
  const app = await spawnApp(name, {
    NODE_ENV: 'production',
    REDIS_URL: redisUrl,
    VIOLET_APP_SECRET: SECRET,
    CONSOLE_TOKEN: SECRET,
  });
  await waitFor(async () => (await fetch(`${app.url}/readyz`)).ok, { timeoutMs: 30_000, message: `the ${name} to be ready` });
  return {
    port: app.port,
    cpuMicros: async () => (await metric(app, 'process_cpu_seconds_total')) * 1e6,
    residentMemory: () => metric(app, 'process_resident_memory_bytes'),
    stop: async () => void (await app.stop()),
  };
}

async function metric(app: SpawnedApp, name: string): Promise<number> {
  const exposition = await (await fetch(`${app.url}/metrics`)).text();
  const value = Number(new RegExp(`^${name} (\\S+)$`, 'm').exec(exposition)?.[1]);
  if (Number.isNaN(value)) throw new Error(`Expected ${name} among the metrics of ${app.url}, got none`);
  return value;
}

/** Reads what the store holds while `use` runs. */
export async function inspecting<T>(redisUrl: string, use: (inspector: Inspector) => Promise<T>): Promise<T> {
  const log = { debug() {}, info() {}, warn() {}, error() {} };
  const inspector = createInspector({ redisUrl, prefix: 'syncline', shards: 1, dedupWindowMs: () => 0, log });
  try {
    await waitFor(() => inspector.ping().then(() => true), { message: 'the store to be readable' });
    return await use(inspector);
  } finally {
    await inspector.stop();
  }
}

/** Events accepted and not committed. */
export function waitingEvents(redisUrl: string): Promise<number> {
  return inspecting(redisUrl, async (inspector) => {
    const { events } = await inspector.overview();
    return events.waiting + events.retrying;
  });
}

/** Share of one core that something uses over a time in which it is left alone. */
export async function cpuShareOver(ms: number, cpuMicros: () => Promise<number>): Promise<number> {
  const before = await cpuMicros();
  const startedAt = performance.now();
  await pause(ms);
  const after = await cpuMicros();
  return (after - before) / 1_000 / (performance.now() - startedAt);
}

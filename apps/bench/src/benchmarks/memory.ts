import { type Benchmark, type BenchmarkSettings, type Row, scaled } from '../benchmark';
import { BODY_BYTES } from '../events';
import { type Figure, figureOf } from '../figure';
import { interleave, measuredOf } from '../interleave';
import { type MeasuredRedis, startMeasuredRedis } from '../measured-redis';
import { type Driver, startDriver } from '../queue-driver';
import { shown } from '../render';

const WORKER_CONCURRENCY = 50;

/** Bytes for each of what was counted: in all, and by kind of key. */
interface Held {
  readonly each: number;
  readonly byKind: ReadonlyMap<string, number>;
}

export const memory: Benchmark = {
  name: 'memory',
  description:
    "Bytes of Redis' memory for each waiting event of 1 KB, each remembered id, and each idle lane that has committed one event: by the growth of used_memory, and by kind of key.",
  byDefault: true,
  async run(settings) {
    const variants = [
      { name: 'waiting event', measure: () => onNewRedis((redis, driver) => waitingEvent(redis, driver, settings)) },
      { name: 'remembered id', measure: () => onNewRedis((redis, driver) => rememberedId(redis, driver, settings)) },
      { name: 'idle lane', measure: () => onNewRedis((redis, driver) => idleLane(redis, driver, settings)) },
    ].map((variant) => ({ ...variant, tell: ({ each }: Held) => `${shown(each, 'bytes')} each` }));
    const measured = await interleave(variants, settings.repetitions, (line) => settings.say(`memory: ${line}`));

    const figure = (name: string, value: (held: Held) => number): Figure => figureOf('bytes', measuredOf(measured, name), value);
    const row = (name: string, kinds: readonly string[]): Row => ({
      name,
      figures: {
        'in all': figure(name, ({ each }) => each),
        ...Object.fromEntries(kinds.map((kind) => [kind, figure(name, ({ byKind }) => byKind.get(kind) ?? 0)])),
      },
    });
    return {
      tables: [
        {
          title: 'Bytes of Redis, each, and by kind of key',
          rows: [
            row('waiting event', ['queue', 'seen', 'lane', 'log']),
            row('remembered id', ['seen']),
            row('idle lane', ['lane', 'lanes', 'history', 'seen', 'recent']),
          ],
        },
      ],
      budgets: [
        {
          what: 'waiting event of 1 KB',
          figure: figure('waiting event', ({ each }) => each),
          limit: { atMost: 1.25 * BODY_BYTES + 150 },
        },
        { what: 'remembered id', figure: figure('remembered id', ({ each }) => each), limit: { atMost: 32 } },
        {
          what: 'idle lane, without its history',
          figure: figure('idle lane', ({ byKind }) => (byKind.get('lane') ?? 0) + (byKind.get('lanes') ?? 0)),
          limit: { atMost: 250 },
        },
      ],
    };
  },
};

async function onNewRedis(measure: (redis: MeasuredRedis, driver: Driver) => Promise<Held>): Promise<Held> {
  // Memory does not depend on how often the file comes to disk; filling does.
  const redis = await startMeasuredRedis('everysec');
  let driver: Driver | undefined;
  try {
    driver = await startDriver('lanes', redis.url);
    return await measure(redis, driver);
  } finally {
    await driver?.stop();
    await redis.stop();
  }
}

async function waitingEvent(redis: MeasuredRedis, driver: Driver, settings: BenchmarkSettings): Promise<Held> {
  const events = scaled(100_000, settings, 1_000);
  const merchants = scaled(1_000, settings, 10);
  return heldBy(redis, events, () => driver.ask('fill', { series: 'waiting', from: 0, to: events, merchants }));
}

async function rememberedId(redis: MeasuredRedis, driver: Driver, settings: BenchmarkSettings): Promise<Held> {
  await driver.ask('fill', { series: 'known', from: 0, to: 1, merchants: 1 });
  const ids = scaled(1_000_000, settings, 1_000);
  return heldBy(redis, ids, () => driver.ask('remember', { series: 'known', ids }));
}

async function idleLane(redis: MeasuredRedis, driver: Driver, settings: BenchmarkSettings): Promise<Held> {
  const lanes = scaled(100_000, settings, 1_000);
  return heldBy(redis, lanes, async () => {
    await driver.ask('fill', { series: 'idle', from: 0, to: lanes, merchants: lanes });
    await driver.ask('drain', { events: lanes, concurrency: WORKER_CONCURRENCY });
    // Also the worker's and BullMQ's own connections are gone before the memory is read.
    await driver.stop();
  });
}

async function heldBy(redis: MeasuredRedis, count: number, work: () => Promise<unknown>): Promise<Held> {
  const before = await redis.usedMemory();
  await work();
  await redis.settled();
  const each = ((await redis.usedMemory()) - before) / count;
  // `{prefix:shard}:kind:…`
  const bytes = await redis.memoryByKind((key) => key.split('}:')[1]?.split(':')[0] ?? key);
  return { each, byKind: new Map([...bytes].map(([kind, total]) => [kind, total / count])) };
}

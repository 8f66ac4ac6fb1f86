import {
  type Benchmark,
  type BenchmarkSettings,
  type Findings,
  type Persistence,
  type Row,
  scaled,
  type Table,
} from '../benchmark';
import { figureOf, ratio } from '../figure';
import { interleave, measuredOf, type Variant } from '../interleave';
import { startMeasuredRedis } from '../measured-redis';
import { type Driver, startDriver, type SystemName } from '../queue-driver';
import { grouped, shown } from '../render';

const WORKER_CONCURRENCY = 50;
const CONCURRENCIES = [50, 100, 200, 400];

interface Drained {
  readonly perSecond: number;
  readonly nodeMicros: number;
  readonly redisMicros: number;
}

interface Backlog {
  readonly system: SystemName;
  readonly persistence: Persistence;
  readonly events: number;
  readonly merchants: number;
  readonly concurrency: number;
}

export const drain: Benchmark = {
  name: 'drain',
  description:
    'A backlog of 100,000 events of 1 KB, applied by one process with a handler that does nothing: the lanes with their defaults, beside plain BullMQ (in no order) and GroupMQ (in order by merchant), each of these at the best of several concurrencies.',
  byDefault: true,
  async run(settings) {
    const findings: Findings[] = [];
    for (const persistence of settings.persistences) findings.push(await compare(persistence, settings));
    return { tables: findings.flatMap(({ tables }) => tables), budgets: findings.flatMap(({ budgets }) => budgets) };
  },
};

async function compare(persistence: Persistence, settings: BenchmarkSettings): Promise<Findings> {
  const events = scaled(100_000, settings, 100);
  const dense = scaled(1_000, settings, 20);
  const sparse = events;
  const merchantCounts = [10, dense, sparse];
  const where = `appendfsync ${persistence}`;
  const say = (line: string): void => settings.say(`drain, ${where}: ${line}`);

  const best = async (system: SystemName): Promise<number> => {
    const trialEvents = Math.ceil(events / 10);
    const candidates = CONCURRENCIES.filter((concurrency) => concurrency <= trialEvents);
    // Fewer events than the least of them would tell nothing.
    if (candidates.length === 0) return WORKER_CONCURRENCY;
    const found = { concurrency: WORKER_CONCURRENCY, perSecond: 0 };
    for (const concurrency of candidates) {
      const trial = { system, persistence, events: trialEvents, merchants: dense, concurrency };
      const { perSecond } = await drainBacklog(trial);
      say(`${system}, trial at concurrency ${concurrency}: ${shown(perSecond, 'per second')}`);
      if (perSecond > found.perSecond) Object.assign(found, { concurrency, perSecond });
    }
    return found.concurrency;
  };
  const concurrency = { lanes: WORKER_CONCURRENCY, bull: await best('bull'), group: await best('group') };

  const variantOf = (name: string, system: SystemName, merchants: number): Variant<Drained> => ({
    name,
    measure: () => drainBacklog({ system, persistence, events, merchants, concurrency: concurrency[system] }),
    tell: ({ perSecond }) => shown(perSecond, 'per second'),
  });
  const lanes = (merchants: number): string => `Syncline, ${grouped(merchants)} merchants`;
  const groups = (merchants: number): string => `GroupMQ, ${grouped(merchants)} merchants`;
  const plain = 'BullMQ, in no order';
  const measured = await interleave(
    [
      variantOf(plain, 'bull', dense),
      ...merchantCounts.flatMap((merchants) => [
        variantOf(lanes(merchants), 'lanes', merchants),
        variantOf(groups(merchants), 'group', merchants),
      ]),
    ],
    settings.repetitions,
    say,
  );

  const rate = (name: string) => figureOf('per second', measuredOf(measured, name), ({ perSecond }) => perSecond);
  const row = (name: string, besideGroup?: string): Row => ({
    name,
    figures: {
      rate: rate(name),
      'of BullMQ': ratio(rate(name), rate(plain)),
      ...(besideGroup !== undefined && { 'of GroupMQ': ratio(rate(name), rate(besideGroup)) }),
      'Node per event': figureOf('µs', measuredOf(measured, name), ({ nodeMicros }) => nodeMicros),
      'Redis per event': figureOf('µs', measuredOf(measured, name), ({ redisMicros }) => redisMicros),
    },
  });
  const table: Table = {
    title: `Draining ${grouped(events)} events of 1 KB, ${where} (concurrency: BullMQ ${concurrency.bull}, GroupMQ ${concurrency.group})`,
    rows: [
      row(plain),
      ...merchantCounts.map((merchants) => row(groups(merchants), groups(merchants))),
      ...merchantCounts.map((merchants) => row(lanes(merchants), groups(merchants))),
    ],
  };
  return {
    tables: [table],
    budgets: [
      {
        what: `${where}: ${grouped(dense)} merchants beside BullMQ`,
        figure: ratio(rate(lanes(dense)), rate(plain)),
        limit: { atLeast: 15 },
      },
      {
        what: `${where}: ${grouped(dense)} merchants beside GroupMQ`,
        figure: ratio(rate(lanes(dense)), rate(groups(dense))),
        limit: { atLeast: 15 },
      },
      {
        what: `${where}: a merchant for each event beside BullMQ`,
        figure: ratio(rate(lanes(sparse)), rate(plain)),
        limit: { atLeast: 3 },
      },
    ],
  };
}

async function drainBacklog({ system, persistence, events, merchants, concurrency }: Backlog): Promise<Drained> {
  const redis = await startMeasuredRedis(persistence);
  let driver: Driver | undefined;
  try {
    driver = await startDriver(system, redis.url);
    await driver.ask('fill', { series: 'drain', from: 0, to: events, merchants });
    await redis.settled();
    const redisBefore = await redis.cpuMicros();
    const { seconds, nodeMicros } = await driver.ask('drain', { events, concurrency });
    const redisMicros = (await redis.cpuMicros()) - redisBefore;
    return { perSecond: events / seconds, nodeMicros: nodeMicros / events, redisMicros: redisMicros / events };
  } finally {
    await driver?.stop();
    await redis.stop();
  }
}

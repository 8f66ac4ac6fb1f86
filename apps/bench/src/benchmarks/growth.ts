import { type Benchmark, type BenchmarkSettings, scaled } from '../benchmark';
import { type Figure, figureOf, ratio } from '../figure';
import { interleave, measuredOf } from '../interleave';
import { startMeasuredRedis } from '../measured-redis';
import { cpuShareOver, startProduct } from '../product';
import { type Driver, startDriver } from '../queue-driver';
import { grouped, shown } from '../render';

const WORKER_CONCURRENCY = 50;

export const growth: Benchmark = {
  name: 'growth',
  description:
    'What size costs: the rate at which the first 100,000 events are applied while 100,000 and while 1,000,000 wait over 1,000 merchants, and the processor time of Redis and an idle worker with no lanes and with 100,000 idle ones.',
  byDefault: true,
  async run(settings) {
    const say = (line: string): void => settings.say(`growth: ${line}`);
    const few = scaled(100_000, settings, 100);
    const many = 10 * few;
    const waitingName = (waiting: number): string => `${grouped(waiting)} waiting`;
    const rates = await interleave(
      [few, many].map((waiting) => ({
        name: waitingName(waiting),
        measure: () => drainRate(waiting, few, settings),
        tell: (perSecond: number) => shown(perSecond, 'per second'),
      })),
      settings.repetitions,
      say,
    );
    const lanesName = (lanes: number): string => `${grouped(lanes)} idle lanes`;
    const shares = await interleave(
      [0, few].map((lanes) => ({
        name: lanesName(lanes),
        measure: () => idleShare(lanes, settings),
        tell: (share: number) => shown(share, 'share'),
      })),
      settings.repetitions,
      say,
    );
    const [fewWaiting, manyWaiting, noLanes, idleLanes] = [waitingName(few), waitingName(many), lanesName(0), lanesName(few)];
    const rate = (name: string): Figure => figureOf('per second', measuredOf(rates, name), (value) => value);
    const share = (name: string): Figure => figureOf('share', measuredOf(shares, name), (value) => value);
    const extra: Figure = {
      unit: 'share',
      values: share(idleLanes).values.map((value, index) => value - (share(noLanes).values[index] ?? Number.NaN)),
    };
    return {
      tables: [
        {
          title: 'Drain rate by backlog',
          rows: [fewWaiting, manyWaiting].map((name) => ({
            name,
            figures: { rate: rate(name), [`of ${fewWaiting}`]: ratio(rate(name), rate(fewWaiting)) },
          })),
        },
        {
          title: 'One core, share used by Redis and an idle worker',
          rows: [noLanes, idleLanes].map((name) => ({ name, figures: { used: share(name) } })),
        },
      ],
      budgets: [
        {
          what: `${manyWaiting} beside ${fewWaiting}`,
          figure: ratio(rate(manyWaiting), rate(fewWaiting)),
          limit: { atLeast: 0.9 },
        },
        { what: `${idleLanes}, over none`, figure: extra, limit: { atMost: 0.002 } },
      ],
    };
  },
};

async function drainRate(waiting: number, events: number, settings: BenchmarkSettings): Promise<number> {
  const [persistence = 'always'] = settings.persistences;
  const redis = await startMeasuredRedis(persistence);
  const drivers: Driver[] = [];
  const openDriver = async (): Promise<Driver> => {
    const driver = await startDriver('lanes', redis.url);
    drivers.push(driver);
    return driver;
  };
  try {
    const filler = await openDriver();
    await filler.ask('fill', { series: 'growth', from: 0, to: waiting, merchants: scaled(1_000, settings, 10) });
    await filler.stop();
    await redis.settled();
    // A process of its own: the heap and the compiled code of a longer fill must not count.
    const { seconds } = await (await openDriver()).ask('drain', { events, concurrency: WORKER_CONCURRENCY });
    return events / seconds;
  } finally {
    await Promise.all(drivers.map((driver) => driver.stop()));
    await redis.stop();
  }
}

async function idleShare(lanes: number, settings: BenchmarkSettings): Promise<number> {
  const [persistence = 'always'] = settings.persistences;
  const redis = await startMeasuredRedis(persistence);
  try {
    if (lanes > 0) {
      const driver = await startDriver('lanes', redis.url);
      await driver.ask('fill', { series: 'idle', from: 0, to: lanes, merchants: lanes });
      await driver.ask('drain', { events: lanes, concurrency: WORKER_CONCURRENCY });
      await driver.stop();
    }
    await redis.settled();
    const worker = await startProduct('worker', redis.url);
    // What a start costs is over after the first of these.
    await cpuShareOver(scaled(5_000, settings, 500), worker.cpuMicros);
    const share = await cpuShareOver(
      scaled(30_000, settings, 1_000),
      async () => (await worker.cpuMicros()) + (await redis.cpuMicros()),
    );
    await worker.stop();
    return share;
  } finally {
    await redis.stop();
  }
}

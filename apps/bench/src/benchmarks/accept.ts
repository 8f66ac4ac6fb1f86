import type { BaselineQuestions } from '../baseline-server';
import { type Benchmark, type BenchmarkSettings, type Findings, type Persistence, type Row, scaled } from '../benchmark';
import { figureOf, ratio } from '../figure';
import { interleave, measuredOf } from '../interleave';
import type { Load, LoadQuestions } from '../load-generator';
import { startMeasuredRedis } from '../measured-redis';
import { type Part, startPart } from '../part';
import { startProduct, waitingEvents } from '../product';
import { shown } from '../render';

const CONNECTIONS = 64;
const VERIFY_ONLY = 'Express, verify only';
const BULLMQ_ADD = 'Express, verify, BullMQ add';
const INGRESS = 'Syncline ingress';
const INGRESS_SPARSE = 'Syncline ingress, each event a new merchant';

/** Makes events durable behind HTTP, or only says so. */
interface Server {
  readonly port: number;
  cpuMicros(): Promise<number>;
  stop(): Promise<void>;
}

interface Accepted {
  readonly perSecond: number;
  readonly full: Load;
  readonly half: Load;
  readonly nodeMicros: number;
  readonly redisMicros: number;
}

export const accept: Benchmark = {
  name: 'accept',
  description:
    'Signed deliveries of 1 KB over 64 connections, each a new event: the ingress process beside Express that only verifies the signature, and Express that verifies and adds a BullMQ job. Then each at half of the rate that it has just reached. No worker runs.',
  byDefault: true,
  async run(settings) {
    const generator = startPart<LoadQuestions>('load-generator');
    try {
      const findings: Findings[] = [];
      for (const persistence of settings.persistences) findings.push(await compare(generator, persistence, settings));
      return { tables: findings.flatMap(({ tables }) => tables), budgets: findings.flatMap(({ budgets }) => budgets) };
    } finally {
      await generator.stop();
    }
  },
};

async function compare(generator: Part<LoadQuestions>, persistence: Persistence, settings: BenchmarkSettings): Promise<Findings> {
  const requests = scaled(40_000, settings, 200);
  const counts = { warmUp: Math.ceil(requests / 10), full: requests, half: Math.ceil(requests / 2) };
  const all = counts.warmUp + counts.full + counts.half;
  await generator.ask('prepare', { series: 'shared', first: 0, requests: all, merchants: scaled(1_000, settings, 10) });
  await generator.ask('prepare', { series: 'single', first: 0, requests: all, merchants: all });

  const measure = async (series: string, start: (redisUrl: string) => Promise<Server>): Promise<Accepted> => {
    const redis = await startMeasuredRedis(persistence);
    try {
      const server = await start(redis.url);
      const send = (from: number, count: number, perSecond?: number): Promise<Load> =>
        generator.ask('send', {
          series,
          port: server.port,
          connections: CONNECTIONS,
          from,
          count,
          ...(perSecond !== undefined && { perSecond }),
        });
      await send(0, counts.warmUp);
      const nodeBefore = await server.cpuMicros();
      const redisBefore = await redis.cpuMicros();
      const full = await send(counts.warmUp, counts.full);
      const redisMicros = ((await redis.cpuMicros()) - redisBefore) / counts.full;
      const nodeMicros = ((await server.cpuMicros()) - nodeBefore) / counts.full;
      const perSecond = counts.full / full.seconds;
      const half = await send(counts.warmUp + counts.full, counts.half, perSecond / 2);
      if (start === startIngress) {
        const kept = await waitingEvents(redis.url);
        if (kept !== all) throw new Error(`Expected ${all} events to be kept, got ${kept}`);
      }
      await server.stop();
      return { perSecond, full, half, nodeMicros, redisMicros };
    } finally {
      await redis.stop();
    }
  };

  const variants = [
    { name: VERIFY_ONLY, measure: () => measure('shared', () => startBaseline()) },
    { name: INGRESS, measure: () => measure('shared', startIngress) },
    { name: BULLMQ_ADD, measure: () => measure('shared', (redisUrl) => startBaseline(redisUrl)) },
    { name: INGRESS_SPARSE, measure: () => measure('single', startIngress) },
  ].map((variant) => ({ ...variant, tell: ({ perSecond }: Accepted) => shown(perSecond, 'per second') }));
  const say = (line: string): void => settings.say(`accept, appendfsync ${persistence}: ${line}`);
  const measured = await interleave(variants, settings.repetitions, say);

  const rate = (name: string) => figureOf('per second', measuredOf(measured, name), ({ perSecond }) => perSecond);
  const rows = variants.map(({ name }): Row => {
    const ones = measuredOf(measured, name);
    return {
      name,
      figures: {
        rate: rate(name),
        'of verify only': ratio(rate(name), rate(VERIFY_ONLY)),
        'of BullMQ add': ratio(rate(name), rate(BULLMQ_ADD)),
        'p99 at full load': figureOf('ms', ones, ({ full }) => full.p99Ms),
        'p50 at half load': figureOf('ms', ones, ({ half }) => half.p50Ms),
        'p99 at half load': figureOf('ms', ones, ({ half }) => half.p99Ms),
        'Node per event': figureOf('µs', ones, ({ nodeMicros }) => nodeMicros),
        ...(name !== VERIFY_ONLY && { 'Redis per event': figureOf('µs', ones, ({ redisMicros }) => redisMicros) }),
      },
    };
  });
  const ingress = rate(INGRESS);
  const half = figureOf('ms', measuredOf(measured, INGRESS), (one) => one.half.p99Ms);
  const where = `appendfsync ${persistence}`;
  return {
    tables: [{ title: `Accepting 1 KB deliveries, ${where}`, rows }],
    budgets: [
      {
        what: `${where}: ingress beside Express that only verifies`,
        figure: ratio(ingress, rate(VERIFY_ONLY)),
        limit: { atLeast: 0.9 },
      },
      {
        what: `${where}: ingress beside Express and BullMQ add`,
        figure: ratio(ingress, rate(BULLMQ_ADD)),
        limit: { atLeast: 3 },
      },
      { what: `${where}: accept p99 at half load`, figure: half, limit: { atMost: 25 } },
    ],
  };
}

function startIngress(redisUrl: string): Promise<Server> {
  return startProduct('ingress', redisUrl);
}

async function startBaseline(redisUrl?: string): Promise<Server> {
  const part = startPart<BaselineQuestions>('baseline-server');
  const { port } = await part.ask('listen', redisUrl === undefined ? {} : { redisUrl });
  return { port, cpuMicros: () => part.ask('cpuMicros', null), stop: () => part.stop() };
}

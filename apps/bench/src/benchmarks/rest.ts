import { type Benchmark, type BenchmarkSettings, type Row, scaled } from '../benchmark';
import { type Figure, median } from '../figure';
import type { LoadQuestions } from '../load-generator';
import { startMeasuredRedis } from '../measured-redis';
import { startPart } from '../part';
import { cpuShareOver, startProduct } from '../product';
import { shown } from '../render';

const MINUTE_MS = 60_000;
const PER_SECOND = 20;
const CONNECTIONS = 4;
const MERCHANTS = 100;
const WINDOWS = 20;
/** Windows after which heaps and compiled code have found their size. */
const WARM_UP_WINDOWS = 4;

interface Watched {
  readonly name: string;
  readonly cpuMicros: () => Promise<number>;
  readonly residentMemory: () => Promise<number>;
}

export const rest: Benchmark = {
  name: 'rest',
  description:
    'At rest: processor time of each process over an idle minute; then growth of resident memory over a soak at 20 events a second for 100 merchants, the first fifth left out. Once, whatever the repetitions.',
  byDefault: false,
  async run(settings) {
    const [persistence = 'always'] = settings.persistences;
    const redis = await startMeasuredRedis(persistence);
    const generator = startPart<LoadQuestions>('load-generator');
    const stops: (() => Promise<void>)[] = [];
    try {
      const started = await Promise.all(
        (['ingress', 'worker', 'console'] as const).map(async (name) => {
          const product = await startProduct(name, redis.url);
          stops.push(product.stop);
          return { name, ...product };
        }),
      );
      const [ingress] = started;
      if (ingress === undefined) throw new Error('Expected an ingress, got none');
      const watched: readonly Watched[] = [...started, { name: 'redis', ...redis }];

      await cpuShareOver(scaled(10_000, settings, 500), ingress.cpuMicros);
      const shares = await Promise.all(
        watched.map(({ cpuMicros }) => cpuShareOver(scaled(MINUTE_MS, settings, 1_000), cpuMicros)),
      );
      settings.say(`rest: idle, ${watched.map(({ name }, index) => `${name} ${shown(shares[index] ?? 0, 'share')}`).join(', ')}`);

      const samples = await soak(watched, settings, async (first, count) => {
        await generator.ask('prepare', { series: 'soak', first, requests: count, merchants: MERCHANTS });
        await generator.ask('send', {
          series: 'soak',
          port: ingress.port,
          connections: CONNECTIONS,
          from: 0,
          count,
          perSecond: PER_SECOND,
        });
      });
      return findingsOf(watched, shares, samples);
    } finally {
      await Promise.all(stops.map((stop) => stop()));
      await generator.stop();
      await redis.stop();
    }
  },
};

/** Resident memory of each process after each window of the soak. */
async function soak(
  watched: readonly Watched[],
  settings: BenchmarkSettings,
  send: (first: number, count: number) => Promise<void>,
): Promise<number[][]> {
  const perWindow = scaled((settings.soakMinutes * 60 * PER_SECOND) / WINDOWS, settings, 4);
  const samples: number[][] = watched.map(() => []);
  for (let window = 0; window < WINDOWS; window++) {
    await send(window * perWindow, perWindow);
    const resident = await Promise.all(watched.map(({ residentMemory }) => residentMemory()));
    for (const [index, bytes] of resident.entries()) samples[index]?.push(bytes);
    if (window % 4 === 3) {
      const now = watched.map(({ name }, index) => `${name} ${shown(resident[index] ?? 0, 'bytes')}`);
      settings.say(`rest: soak, ${window + 1} of ${WINDOWS}: ${now.join(', ')}`);
    }
  }
  return samples;
}

function findingsOf(watched: readonly Watched[], shares: readonly number[], samples: readonly number[][]) {
  const one = (unit: Figure['unit'], value: number): Figure => ({ unit, values: [value] });
  const growthOf = (resident: readonly number[]): { start: number; end: number; growth: number } => {
    const start = median(resident.slice(WARM_UP_WINDOWS, WARM_UP_WINDOWS + 3));
    const end = median(resident.slice(-3));
    return { start, end, growth: end / start - 1 };
  };
  const rows = watched.map(({ name }, index): Row => {
    const { start, end, growth } = growthOf(samples[index] ?? []);
    return {
      name,
      figures: {
        'idle, of one core': one('share', shares[index] ?? Number.NaN),
        'resident at the start': one('bytes', start),
        'at the end': one('bytes', end),
        growth: one('share', growth),
      },
    };
  });
  const products = rows.filter(({ name }) => name !== 'redis');
  return {
    tables: [{ title: 'At rest, and over a soak (Redis also keeps what was sent)', rows }],
    budgets: [
      {
        what: 'all processes together, idle',
        figure: one(
          'share',
          shares.reduce((sum, share) => sum + share, 0),
        ),
        limit: { atMost: 0.01 },
      },
      ...products.flatMap(({ name, figures }) => {
        const figure = figures.growth;
        return figure === undefined
          ? []
          : [{ what: `resident memory of the ${name} over the soak`, figure, limit: { atMost: 0.1 } }];
      }),
    ],
  };
}

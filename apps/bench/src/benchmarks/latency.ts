import { waitFor } from '@syncline/testkit';
import { type Benchmark, type BenchmarkSettings, type Findings, type Persistence, scaled } from '../benchmark';
import { laneOfMerchant } from '../events';
import { figureOf, percentile } from '../figure';
import { interleave, measuredOf } from '../interleave';
import type { Load, LoadQuestions } from '../load-generator';
import { startMeasuredRedis } from '../measured-redis';
import { type Part, startPart } from '../part';
import { inspecting, startProduct, waitingEvents } from '../product';
import { shown } from '../render';

const CONNECTIONS = 64;
const HISTORY_PAGE = 1_000;
const DRAIN_TIMEOUT_MS = 600_000;

interface Commits {
  readonly p50Ms: number;
  readonly p99Ms: number;
}

interface Measured {
  readonly half: { readonly offered: number; readonly load: Load; readonly commits: Commits };
  readonly quarter: { readonly offered: number; readonly load: Load; readonly commits: Commits };
}

export const latency: Benchmark = {
  name: 'latency',
  description:
    "From receipt to commit, with one ingress and one worker process and the catalogue's own handlers, as the history tells: at half and at a quarter of the rate that the ingress reaches alone over 64 connections.",
  byDefault: true,
  async run(settings) {
    const generator = startPart<LoadQuestions>('load-generator');
    try {
      const findings: Findings[] = [];
      for (const persistence of settings.persistences) findings.push(await measureWith(generator, persistence, settings));
      return { tables: findings.flatMap(({ tables }) => tables), budgets: findings.flatMap(({ budgets }) => budgets) };
    } finally {
      await generator.stop();
    }
  },
};

async function measureWith(
  generator: Part<LoadQuestions>,
  persistence: Persistence,
  settings: BenchmarkSettings,
): Promise<Findings> {
  const merchants = scaled(1_000, settings, 10);
  const full = scaled(40_000, settings, 200);
  const counts = { full, warmUp: Math.ceil(full / 10), half: Math.ceil(full / 2), quarter: Math.ceil(full / 4) };
  await generator.ask('prepare', {
    series: 'latency',
    first: 0,
    requests: counts.full + counts.warmUp + counts.half + counts.quarter,
    merchants,
  });

  const measure = async (): Promise<Measured> => {
    const redis = await startMeasuredRedis(persistence);
    try {
      const ingress = await startProduct('ingress', redis.url);
      let from = 0;
      const send = async (count: number, perSecond?: number): Promise<Load> => {
        const load = await generator.ask('send', {
          series: 'latency',
          port: ingress.port,
          connections: CONNECTIONS,
          from,
          count,
          ...(perSecond !== undefined && { perSecond }),
        });
        from += count;
        return load;
      };
      const alone = counts.full / (await send(counts.full)).seconds;
      const worker = await startProduct('worker', redis.url);
      const drained = (): Promise<unknown> =>
        waitFor(async () => (await waitingEvents(redis.url)) === 0, {
          timeoutMs: DRAIN_TIMEOUT_MS,
          message: 'all events to be committed',
          intervalMs: 200,
        });
      await drained();
      const under = async (count: number, perSecond: number) => {
        const since = Date.now();
        const load = await send(count, perSecond);
        await drained();
        return { offered: perSecond, load, commits: await commitsSince(redis.url, since, merchants, count) };
      };
      await under(counts.warmUp, alone / 4);
      const half = await under(counts.half, alone / 2);
      const quarter = await under(counts.quarter, alone / 4);
      await worker.stop();
      await ingress.stop();
      return { half, quarter };
    } finally {
      await redis.stop();
    }
  };

  const where = `appendfsync ${persistence}`;
  const variant = {
    name: 'ingress and worker',
    measure,
    tell: ({ half }: Measured) =>
      `${shown(half.offered, 'per second')} offered, committed after ${shown(half.commits.p99Ms, 'ms')} (p99)`,
  };
  const measured = measuredOf(
    await interleave([variant], settings.repetitions, (line) => settings.say(`latency, ${where}: ${line}`)),
    variant.name,
  );
  const row = (name: string, of: (one: Measured) => Measured['half']) => ({
    name,
    figures: {
      offered: figureOf('per second', measured, (one) => of(one).offered),
      'accept p50': figureOf('ms', measured, (one) => of(one).load.p50Ms),
      'accept p99': figureOf('ms', measured, (one) => of(one).load.p99Ms),
      'receipt to commit p50': figureOf('ms', measured, (one) => of(one).commits.p50Ms),
      'receipt to commit p99': figureOf('ms', measured, (one) => of(one).commits.p99Ms),
    },
  });
  return {
    tables: [
      {
        title: `From receipt to commit, ${where}`,
        rows: [row('half of the accept rate', ({ half }) => half), row('a quarter of it', ({ quarter }) => quarter)],
      },
    ],
    budgets: [
      {
        what: `${where}: receipt to commit p99 at half load`,
        figure: figureOf('ms', measured, ({ half }) => half.commits.p99Ms),
        limit: { atMost: 50 },
      },
    ],
  };
}

/** How long the events received since then took to be committed. Rejects when they are not as many as were sent. */
function commitsSince(redisUrl: string, since: number, merchants: number, sent: number): Promise<Commits> {
  return inspecting(redisUrl, async (inspector) => {
    const took: number[] = [];
    for (let merchant = 0; merchant < merchants; merchant++) {
      let cursor: string | undefined;
      do {
        const page = await inspector.history(laneOfMerchant(merchant), {
          limit: HISTORY_PAGE,
          ...(cursor !== undefined && { cursor }),
        });
        for (const { receivedAt, committedAt } of page.items) if (receivedAt >= since) took.push(committedAt - receivedAt);
        cursor = page.nextCursor ?? undefined;
      } while (cursor !== undefined);
    }
    if (took.length !== sent) throw new Error(`Expected ${sent} events in the history, got ${took.length}`);
    return { p50Ms: percentile(took, 0.5), p99Ms: percentile(took, 0.99) };
  });
}

import { takePart } from './part';
import { Bull } from './queues/bull';
import { Group } from './queues/group';
import { Lanes } from './queues/lanes';
import type { QueueSystem } from './queues/queue-system';

export type SystemName = 'lanes' | 'bullmq' | 'groupmq';

/** Wall time and this process's processor time. */
export interface Spent {
  readonly seconds: number;
  readonly nodeMicros: number;
}

export type DriverQuestions = {
  open: { told: { system: SystemName; redisUrl: string }; answer: true };
  fill: { told: { series: string; from: number; to: number; merchants: number }; answer: Spent };
  drain: { told: { events: number; concurrency: number }; answer: Spent };
  /** Of the lanes only. */
  remember: { told: { series: string; ids: number }; answer: Spent };
};

const systems = { lanes: Lanes, bullmq: Bull, groupmq: Group } as const;

let opened: QueueSystem | undefined;

takePart<DriverQuestions>({
  open: async ({ system, redisUrl }) => {
    opened = new systems[system](redisUrl);
    return true;
  },
  fill: ({ series, from, to, merchants }) => spentOn((system) => system.fill(series, from, to, merchants)),
  drain: ({ events, concurrency }) => spentOn((system) => system.drain(events, concurrency)),
  remember: ({ series, ids }) =>
    spentOn((system) => {
      if (!(system instanceof Lanes)) throw new Error('Expected the lanes: the others remember no further ids');
      return system.remember(series, ids);
    }),
});

async function spentOn(work: (system: QueueSystem) => Promise<void>): Promise<Spent> {
  if (opened === undefined) throw new Error('Expected an open system: ask to open one first');
  const cpuBefore = process.cpuUsage();
  const startedAt = performance.now();
  await work(opened);
  const seconds = (performance.now() - startedAt) / 1_000;
  const { user, system } = process.cpuUsage(cpuBefore);
  return { seconds, nodeMicros: user + system };
}

import { type Part, startPart, takePart } from './part';
import type { QueueSystem } from './queues/queue-system';

export type SystemName = 'lanes' | 'bull' | 'group';

/** Wall time and this process's processor time. */
export interface Spent {
  readonly seconds: number;
  readonly nodeMicros: number;
}

export type DriverQuestions = {
  open: { told: { redisUrl: string }; answer: true };
  fill: { told: { series: string; from: number; to: number; merchants: number }; answer: Spent };
  drain: { told: { events: number; concurrency: number }; answer: Spent };
  remember: { told: { series: string; ids: number }; answer: Spent };
};

export type Driver = Part<DriverQuestions>;

/** Starts a process that has loaded this system and no other, on a Redis. */
export async function startDriver(system: SystemName, redisUrl: string): Promise<Driver> {
  const driver = startPart<DriverQuestions>(`queues/${system}`);
  await driver.ask('open', { redisUrl });
  return driver;
}

/** Makes this process the driver of a system. */
export function drive(open: (redisUrl: string) => QueueSystem): void {
  let opened: QueueSystem | undefined;

  const spentOn = async (work: (system: QueueSystem) => Promise<void>): Promise<Spent> => {
    if (opened === undefined) throw new Error('Expected an open system: ask to open one first');
    const cpuBefore = process.cpuUsage();
    const startedAt = performance.now();
    await work(opened);
    const seconds = (performance.now() - startedAt) / 1_000;
    const { user, system } = process.cpuUsage(cpuBefore);
    return { seconds, nodeMicros: user + system };
  };

  takePart<DriverQuestions>({
    open: async ({ redisUrl }) => {
      opened = open(redisUrl);
      return true;
    },
    fill: ({ series, from, to, merchants }) => spentOn((system) => system.fill(series, from, to, merchants)),
    drain: ({ events, concurrency }) => spentOn((system) => system.drain(events, concurrency)),
    remember: ({ series, ids }) =>
      spentOn((system) => {
        if (system.remember === undefined) throw new Error('Expected a system that remembers further ids of an event');
        return system.remember(series, ids);
      }),
  });
}

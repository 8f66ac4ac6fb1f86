import { type DeliverySettings, deliver } from '../src/delivery';
import { Interrupted } from '../src/failure';
import { createTestClock, startReceiver } from './receiver';

const phase = (name: string, count: number): string[] => Array.from({ length: count }, () => name);

function settings(changes: Partial<DeliverySettings> = {}): DeliverySettings {
  return { concurrency: 4, ratePerSecond: undefined, clock: createTestClock(), signal: new AbortController().signal, ...changes };
}

test('a phase begins only when every delivery before it in its run is taken, whatever other runs do', async () => {
  const log: string[] = [];
  const runs = ['x', 'y', 'z'].map((run) => [phase(`${run} a`, 5), [], phase(`${run} b`, 1), phase(`${run} c`, 7)]);
  await deliver(
    runs,
    async (delivery) => {
      log.push(`begin ${delivery}`);
      await new Promise(setImmediate);
      log.push(`end ${delivery}`);
    },
    settings(),
  );
  for (const run of ['x', 'y', 'z']) {
    const at = (entry: string, which: 'indexOf' | 'lastIndexOf') => log[which](entry.replace(' ', ` ${run} `));
    expect(at('begin b', 'indexOf')).toBeGreaterThan(at('end a', 'lastIndexOf'));
    expect(at('begin c', 'indexOf')).toBeGreaterThan(at('end b', 'lastIndexOf'));
  }
  expect(log).toHaveLength(3 * 26);
});

test('runs take turns: none is sent whole before another begins', async () => {
  const sent: number[] = [];
  const runs = [0, 1, 2].map(() => [phase('a', 3)]);
  await deliver(runs, async (_delivery, run) => void sent.push(run), settings({ concurrency: 1 }));
  expect(sent).toEqual([0, 1, 2, 0, 1, 2, 0, 1, 2]);
});

test.each([
  [1, 1],
  [3, 3],
  [50, 9],
])('with a concurrency of %i at most %i of nine requests are open at once', async (concurrency, most) => {
  const receiver = await startReceiver(async () => {
    await new Promise(setImmediate);
    return { status: 202 };
  });
  try {
    await deliver([[phase('a', 9)]], async () => void (await fetch(receiver.url, { method: 'POST' })), settings({ concurrency }));
    expect(receiver.received).toHaveLength(9);
    expect(receiver.mostAtOnce()).toBeLessThanOrEqual(most);
  } finally {
    await receiver.close();
  }
});

test('a rate spaces the events evenly over all phases', async () => {
  const clock = createTestClock();
  const startedAt = clock.now();
  const sentAt: number[] = [];
  const record = async () => void sentAt.push(clock.now() - startedAt);
  await deliver([[phase('a', 3), phase('b', 3)]], record, settings({ clock, concurrency: 1, ratePerSecond: 20 }));
  expect(sentAt).toEqual([0, 50, 100, 150, 200, 250]);
});

test('without a rate nobody waits', async () => {
  const clock = createTestClock();
  await deliver([[phase('a', 100)]], async () => {}, settings({ clock }));
  expect(clock.slept).toEqual([]);
});

test('the first failure ends it: what is under way is finished and nothing more is begun', async () => {
  const begun: string[] = [];
  const ended: string[] = [];
  const send = async (delivery: string): Promise<void> => {
    begun.push(delivery);
    if (begun.length === 2) throw new Error('refused');
    await new Promise(setImmediate);
    ended.push(delivery);
  };
  await expect(deliver([[phase('a', 100), phase('b', 1)]], send, settings({ concurrency: 3 }))).rejects.toThrow('refused');
  expect(begun.length).toBeLessThanOrEqual(4);
  expect(ended).toHaveLength(begun.length - 1);
});

test('nothing is sent once the operator has stopped', async () => {
  const stopping = new AbortController();
  const begun: string[] = [];
  const send = async (delivery: string): Promise<void> => {
    begun.push(delivery);
    stopping.abort();
  };
  await expect(deliver([[phase('a', 9)]], send, settings({ concurrency: 1, signal: stopping.signal }))).rejects.toBeInstanceOf(
    Interrupted,
  );
  expect(begun).toEqual(['a']);
});

test('no runs, and runs without deliveries, are delivered at once', async () => {
  await expect(deliver([], async () => {}, settings())).resolves.toBeUndefined();
  await expect(deliver([[], [[], []]], async () => {}, settings())).resolves.toBeUndefined();
});

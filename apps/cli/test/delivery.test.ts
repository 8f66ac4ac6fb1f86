import { deliver, type DeliverySettings, type RunEvent, runEventsOf } from '../src/delivery';
import { Interrupted } from '../src/failure';
import { retryAfterMs } from '../src/retry-after';
import type { Phase } from '../src/scenarios';
import { createTestClock, startReceiver } from './receiver';

const phase = (name: string, count: number): Phase => ({
  name,
  events: Array.from({ length: count }, (_item, index) => ({ topic: name, entityId: index, body: () => ({}) })),
});

function settings(changes: Partial<DeliverySettings> = {}): DeliverySettings {
  return { concurrency: 4, ratePerSecond: undefined, clock: createTestClock(), signal: new AbortController().signal, ...changes };
}

test('events are numbered through all phases', () => {
  const events = runEventsOf([phase('a', 2), phase('b', 0), phase('c', 1)]);
  expect(events.map(({ index, phase: place, event }) => [index, place, event.topic])).toEqual([
    [0, 0, 'a'],
    [1, 0, 'a'],
    [2, 2, 'c'],
  ]);
});

test('a phase begins only when every event before it is taken', async () => {
  const log: string[] = [];
  await deliver(
    runEventsOf([phase('a', 5), phase('b', 1), phase('c', 7)]),
    async ({ event }) => {
      log.push(`begin ${event.topic}`);
      await new Promise(setImmediate);
      log.push(`end ${event.topic}`);
    },
    settings(),
  );
  const at = (entry: string, which: 'indexOf' | 'lastIndexOf') => log[which](entry);
  expect(at('begin b', 'indexOf')).toBeGreaterThan(at('end a', 'lastIndexOf'));
  expect(at('begin c', 'indexOf')).toBeGreaterThan(at('end b', 'lastIndexOf'));
  expect(log).toHaveLength(26);
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
    await deliver(
      runEventsOf([phase('a', 9)]),
      async () => void (await fetch(receiver.url, { method: 'POST' })),
      settings({ concurrency }),
    );
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
  await deliver(runEventsOf([phase('a', 3), phase('b', 3)]), record, settings({ clock, concurrency: 1, ratePerSecond: 20 }));
  expect(sentAt).toEqual([0, 50, 100, 150, 200, 250]);
});

test('without a rate nobody waits', async () => {
  const clock = createTestClock();
  await deliver(runEventsOf([phase('a', 100)]), async () => {}, settings({ clock }));
  expect(clock.slept).toEqual([]);
});

test('the first failure ends it: what is under way is finished and nothing more is begun', async () => {
  const begun: number[] = [];
  const ended: number[] = [];
  const send = async ({ index }: RunEvent): Promise<void> => {
    begun.push(index);
    if (index === 1) throw new Error('refused');
    await new Promise(setImmediate);
    ended.push(index);
  };
  await expect(deliver(runEventsOf([phase('a', 100), phase('b', 1)]), send, settings({ concurrency: 3 }))).rejects.toThrow(
    'refused',
  );
  expect(begun.length).toBeLessThanOrEqual(4);
  expect(ended).toHaveLength(begun.length - 1);
});

test('nothing is sent once the operator has stopped', async () => {
  const stopping = new AbortController();
  const begun: number[] = [];
  const send = async ({ index }: RunEvent): Promise<void> => {
    begun.push(index);
    stopping.abort();
  };
  await expect(
    deliver(runEventsOf([phase('a', 9)]), send, settings({ concurrency: 1, signal: stopping.signal })),
  ).rejects.toBeInstanceOf(Interrupted);
  expect(begun).toEqual([0]);
});

test('no phases are delivered at once', async () => {
  await expect(deliver([], async () => {}, settings())).resolves.toBeUndefined();
});

describe('Retry-After', () => {
  const now = Date.UTC(2026, 0, 1);

  test.each([
    ['0', 0],
    ['3', 3_000],
    [' 3 ', 3_000],
    ['99999999', 60_000],
    [new Date(now + 5_000).toUTCString(), 5_000],
    [new Date(now - 5_000).toUTCString(), 0],
    [new Date(now + 9_000_000).toUTCString(), 60_000],
    ['soon', undefined],
    ['', undefined],
    [null, undefined],
  ])('%j is %p ms', (header, ms) => {
    expect(retryAfterMs(header, now)).toBe(ms);
  });
});

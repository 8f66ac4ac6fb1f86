import { Pace, type PaceSettings } from '../src/pace';

let now = 0;
beforeEach(() => {
  now = 1_000_000;
});

const paceOf = (settings: Partial<PaceSettings> = {}): Pace =>
  new Pace(
    { perSecond: 2, burst: 1, concurrency: 100, ...settings },
    () => now,
    () => 0.5,
  );

function made(pace: Pace, id: string): boolean {
  const entered = pace.enter(id) === 0;
  if (entered) pace.leave();
  return entered;
}

test('a burst is made at once, and the rest at the rate, each at a time of its own', () => {
  const pace = paceOf({ burst: 3 });
  expect(['a', 'b', 'c', 'd', 'e', 'f'].map((id) => pace.enter(id))).toEqual([0, 0, 0, 500, 1_000, 1_500]);
});

test('a delivery that comes back at its time is made, whoever asked meanwhile', () => {
  const pace = paceOf();
  expect(made(pace, 'a')).toBe(true);
  expect(pace.enter('b')).toBe(500);
  now += 499;
  expect(pace.enter('late')).toBe(501);
  expect(pace.enter('b')).toBe(1);
  now += 1;
  expect(made(pace, 'b')).toBe(true);
});

test('a delivery that asks too early again and again takes no further slot', () => {
  const pace = paceOf();
  made(pace, 'a');
  for (let index = 0; index < 10; index++) expect(pace.enter('b')).toBe(500);
  expect(pace.enter('c')).toBe(1_000);
});

test('over any time no more are made than the rate and one burst', () => {
  const pace = paceOf({ perSecond: 5, burst: 4 });
  const dueAt = new Map<string, number>();
  let count = 0;
  for (let index = 0; index < 200; index++) dueAt.set(`d${index}`, now);
  const end = now + 10_000;
  while (now < end) {
    for (const [id, due] of dueAt) {
      if (due > now) continue;
      const waitMs = pace.enter(id);
      if (waitMs > 0) dueAt.set(id, now + waitMs);
      else {
        dueAt.delete(id);
        pace.leave();
        count++;
      }
    }
    now += 50;
  }
  expect(count).toBeLessThanOrEqual(54);
  expect(count).toBeGreaterThanOrEqual(50);
});

test('without a rate only those under way at once are bounded', () => {
  const pace = paceOf({ perSecond: undefined, concurrency: 2 });
  expect([pace.enter('a'), pace.enter('b')]).toEqual([0, 0]);
  expect(pace.enter('c')).toBeGreaterThan(0);
  pace.leave();
  expect(pace.enter('c')).toBe(0);
});

test('a destination that asks for a pause is given nothing until it is over', () => {
  const pace = paceOf({ perSecond: undefined });
  pace.pause(2_000);
  pace.pause(1_000);
  expect(pace.enter('a')).toBe(2_000);
  now += 2_000;
  expect(pace.enter('a')).toBe(0);
});

test('however long the queue, a delivery asks again within five minutes', () => {
  const pace = paceOf({ perSecond: 0.001 });
  made(pace, 'a');
  expect(pace.enter('b')).toBe(300_000);
});

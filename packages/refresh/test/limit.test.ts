import { createLimit, type VioletApiError } from '../src/index';
import { enterAll } from '../src/violet-api/limit';

const never = (): AbortSignal => new AbortController().signal;
const fast = { perSecond: 1_000_000 };

describe('a limit', () => {
  it('lets so many in and no more, then the next in the order in which they asked', async () => {
    const limit = createLimit({ concurrent: 2, ...fast, waitMs: 60_000 });
    const order: number[] = [];
    const leaves: (() => void)[] = [];
    const entering = [1, 2, 3, 4].map(async (number) => {
      leaves.push(await limit.enter(never()));
      order.push(number);
    });
    await Promise.all(entering.slice(0, 2));
    expect(order).toEqual([1, 2]);
    leaves[0]?.();
    leaves[0]?.();
    await entering[2];
    expect(order).toEqual([1, 2, 3]);
    leaves[1]?.();
    await entering[3];
    expect(order).toEqual([1, 2, 3, 4]);
  });

  it('sends away whom it has no place for, each to come again at another time', async () => {
    const limit = createLimit({ concurrent: 1, perSecond: 10, waitMs: 0, now: () => 1_000 });
    await limit.enter(never());
    const refusals = await Promise.all(
      [1, 2, 3].map(() =>
        limit.enter(never()).then(
          () => undefined,
          (error: unknown) => error as VioletApiError,
        ),
      ),
    );
    expect(refusals.map((error) => [error?.problem, error?.retryAfterMs])).toEqual([
      ['busy', 1_100],
      ['busy', 1_200],
      ['busy', 1_300],
    ]);
  });

  it('spreads what it lets in over the second', async () => {
    let now = 0;
    const limit = createLimit({ concurrent: 100, perSecond: 2, waitMs: 0, now: () => now });
    await limit.enter(never());
    now = 499;
    await expect(limit.enter(never())).rejects.toMatchObject({ problem: 'busy' });
    now = 500;
    await expect(limit.enter(never())).resolves.toBeDefined();
  });

  it('forgets who stopped waiting', async () => {
    const limit = createLimit({ concurrent: 1, ...fast, waitMs: 60_000 });
    const leave = await limit.enter(never());
    const controller = new AbortController();
    const waiting = limit.enter(controller.signal);
    controller.abort(new Error('gone'));
    await expect(waiting).rejects.toThrow('gone');
    await expect(limit.enter(controller.signal)).rejects.toThrow('gone');
    leave();
    await expect(limit.enter(never())).resolves.toBeDefined();
  });

  it('that refuses gives back the places taken under others', async () => {
    const outer = createLimit({ concurrent: 1, ...fast, waitMs: 0 });
    const inner = createLimit({ concurrent: 1, ...fast, waitMs: 0 });
    const leave = await inner.enter(never());
    await expect(enterAll([outer, inner], never())).rejects.toMatchObject({ problem: 'busy' });
    leave();
    await expect(enterAll([outer, inner], never())).resolves.toBeDefined();
  });
});

import { HandlerTimeout } from '../src/handler-timeout';

const never = (): Promise<never> => new Promise(() => undefined);

describe("the time limit of a run's handlers", () => {
  let end: AbortController;
  let timeout: HandlerTimeout;
  beforeEach(() => {
    end = new AbortController();
    timeout = new HandlerTimeout(40, end.signal);
  });
  afterEach(() => timeout.clear());

  it('holds for each attempt, also when one before it was cut off and ends during it', async () => {
    let endLate = (): void => undefined;
    const late = new Promise<void>((resolve) => {
      endLate = resolve;
    });
    await expect(timeout.race(1, false, () => late)).rejects.toThrow('HANDLER_TIMEOUT_MS');
    const second = timeout.race(1, false, never);
    endLate();
    await expect(second).rejects.toThrow('HANDLER_TIMEOUT_MS');
  });

  it('fires the signal of the attempt that is cut off, and not that of one that has ended', async () => {
    const signals: AbortSignal[] = [];
    const keep = async ({ signal }: { signal: AbortSignal }): Promise<void> => void signals.push(signal);
    await timeout.race(1, false, keep);
    await expect(
      timeout.race(2, false, async (context) => {
        await keep(context);
        await never();
      }),
    ).rejects.toThrow('HANDLER_TIMEOUT_MS');
    expect(signals.map(({ aborted }) => aborted)).toEqual([false, true]);
  });

  it('ends the attempt that runs, and every later one, when the worker ends', async () => {
    const running = timeout.race(1, false, never);
    end.abort();
    await expect(running).rejects.toThrow('ended before');
    await expect(timeout.race(1, false, never)).rejects.toThrow('ended before');
  });
});

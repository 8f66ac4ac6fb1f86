import type { Clock } from './clock';
import { throwIfInterrupted } from './failure';

export interface DeliverySettings {
  /** Deliveries at the same time, at least 1. */
  readonly concurrency: number;
  /** Deliveries a second; undefined for as fast as they are taken. */
  readonly ratePerSecond: number | undefined;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

/** What is sent to one merchant: phase after phase, the deliveries of a phase side by side. */
export type DeliveryRun<Delivery> = readonly (readonly Delivery[])[];

/** Where a run stands: its phase, the next delivery of it, and those that are not taken yet. */
interface Cursor<Delivery> {
  readonly run: DeliveryRun<Delivery>;
  readonly number: number;
  phase: number;
  next: number;
  underWay: number;
}

/**
 * Delivers several runs side by side, one delivery of each in turn. A phase begins when every delivery before it in its run is taken.
 * The first failure ends it: what is under way is finished, nothing more is begun, and the failure is thrown.
 */
export async function deliver<Delivery>(
  runs: readonly DeliveryRun<Delivery>[],
  send: (delivery: Delivery, run: number) => Promise<void>,
  { concurrency, ratePerSecond, clock, signal }: DeliverySettings,
): Promise<void> {
  const startedAt = clock.now();
  const failures: unknown[] = [];
  const ready = new Set<Cursor<Delivery>>();
  let begun = 0;
  let underWay = 0;
  let wake = (): void => {};

  /** Makes a run ready unless all that it could begin has begun. */
  function advance(cursor: Cursor<Delivery>): void {
    if (cursor.underWay === 0) {
      while (cursor.phase < cursor.run.length && cursor.next >= (cursor.run[cursor.phase]?.length ?? 0)) {
        cursor.phase += 1;
        cursor.next = 0;
      }
    }
    if (cursor.next < (cursor.run[cursor.phase]?.length ?? 0)) ready.add(cursor);
  }

  async function see(delivery: Delivery, cursor: Cursor<Delivery>): Promise<void> {
    try {
      await send(delivery, cursor.number);
    } catch (error) {
      failures.push(error);
    }
    underWay -= 1;
    cursor.underWay -= 1;
    advance(cursor);
    wake();
  }

  for (const [number, run] of runs.entries()) advance({ run, number, phase: 0, next: 0, underWay: 0 });
  const isEnding = (): boolean => signal.aborted || failures.length > 0;
  while (underWay > 0 || (ready.size > 0 && !isEnding())) {
    const [cursor] = underWay < concurrency && !isEnding() ? ready : [];
    if (cursor === undefined) {
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
      continue;
    }
    if (ratePerSecond !== undefined) await clock.sleep(startedAt + (begun / ratePerSecond) * 1_000 - clock.now(), signal);
    if (isEnding()) continue;
    const delivery = cursor.run[cursor.phase]?.[cursor.next];
    cursor.next += 1;
    // Behind all others that are ready.
    ready.delete(cursor);
    if (delivery === undefined) continue;
    begun += 1;
    underWay += 1;
    cursor.underWay += 1;
    advance(cursor);
    void see(delivery, cursor);
  }
  if (failures.length > 0) throw failures[0];
  throwIfInterrupted(signal);
}

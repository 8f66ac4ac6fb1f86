import type { Clock } from './clock';
import { throwIfInterrupted } from './failure';
import type { Phase, PlannedEvent } from './scenarios';

export interface DeliverySettings {
  /** Requests at the same time, at least 1. */
  readonly concurrency: number;
  /** Events a second; undefined for as fast as they are taken. */
  readonly ratePerSecond: number | undefined;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

/** An event with its place in the run. */
export interface RunEvent {
  readonly event: PlannedEvent;
  /** From 0, over all phases. */
  readonly index: number;
  readonly phase: number;
}

/** The events of all phases in their order. */
export function runEventsOf(phases: readonly Phase[]): RunEvent[] {
  return phases
    .flatMap(({ events }, phase) => events.map((event) => ({ event, phase })))
    .map((entry, index) => ({ ...entry, index }));
}

/**
 * Sends phase after phase, the events of one phase side by side; the next phase begins when every event before it is taken.
 * The first failure ends it: what is under way is finished, nothing more is begun, and the failure is thrown.
 */
export async function deliver(
  events: readonly RunEvent[],
  send: (event: RunEvent) => Promise<void>,
  { concurrency, ratePerSecond, clock, signal }: DeliverySettings,
): Promise<void> {
  const startedAt = clock.now();
  const paced = async (event: RunEvent): Promise<void> => {
    if (ratePerSecond !== undefined) {
      const dueAt = startedAt + (event.index / ratePerSecond) * 1_000;
      await clock.sleep(dueAt - clock.now(), signal);
    }
    throwIfInterrupted(signal);
    await send(event);
  };

  for (let begin = 0; begin < events.length; ) {
    const phase = events[begin]?.phase;
    let end = begin;
    while (end < events.length && events[end]?.phase === phase) end += 1;
    await sideBySide(events.slice(begin, end), paced, concurrency);
    begin = end;
  }
}

async function sideBySide(
  events: readonly RunEvent[],
  send: (event: RunEvent) => Promise<void>,
  concurrency: number,
): Promise<void> {
  const failures: unknown[] = [];
  const waiting = events[Symbol.iterator]();
  const lanes = Array.from({ length: Math.min(concurrency, events.length) }, async () => {
    for (const event of waiting) {
      if (failures.length > 0) return;
      try {
        await send(event);
      } catch (error) {
        failures.push(error);
      }
    }
  });
  await Promise.all(lanes);
  if (failures.length > 0) throw failures[0];
}

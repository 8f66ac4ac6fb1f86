import type { Failure, Outcome } from '@syncline/events';
import type { HistoryItem } from './readings';
import type { StoredEvent } from './record';

/** What became of an event in a commit. */
export interface Settled {
  readonly event: StoredEvent;
  readonly outcome: Outcome;
  readonly attempt: number;
  /** Why, when the outcome is `dead`. */
  readonly failure?: Failure;
}

/** The part of a history item that the commit step does not write itself: `at seq recent outcome` stand before it. */
export function encodeHistory({ event, attempt }: Settled, replayed: boolean): string {
  return JSON.stringify([attempt, event.receivedAt, replayed ? 1 : 0, event.topic, event.eventId]);
}

/** Decodes an item of a lane's history list; its position is its place in the list, counted from the lane's first commit. */
export function decodeHistory(item: string, position: number): HistoryItem {
  const fields = /^(\d+) (\d+) \d+ (\w+) (.*)$/s.exec(item);
  if (!fields) throw new Error(`Expected a history item, got ${JSON.stringify(item.slice(0, 80))}`);
  const [attempt, receivedAt, replayed, topic, eventId] = JSON.parse(fields[4] ?? '') as [number, number, number, string, string];
  return {
    position,
    seq: Number(fields[2]),
    eventId,
    topic,
    outcome: fields[3] as Outcome,
    attempt,
    receivedAt,
    committedAt: Number(fields[1]),
    replayed: replayed === 1,
  };
}

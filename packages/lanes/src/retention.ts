import type { Settled } from './history';
import type { ShardKeys } from './keys';
import { encodeElement } from './record';
import type { Effect } from './state';

/** What a commit keeps of events that leave their lane: dead letters, and the bodies that no handler took. Bodies kept apart go. */
export function retention({
  keys,
  shard,
  laneNumber,
  settled,
  now,
  historyMaxAgeMs,
}: {
  keys: ShardKeys;
  shard: number;
  laneNumber: number;
  settled: readonly Settled[];
  /** In epoch milliseconds. */
  now: number;
  historyMaxAgeMs: number;
}): Effect[] {
  const effects: Effect[] = [];
  for (const { event, outcome, attempt, failure } of settled) {
    const { source, eventId, topic, lane, seq, bodyToken } = event;
    if (outcome === 'dead') {
      const id = `${shard}.${laneNumber}.${seq}`;
      const description = {
        source,
        eventId,
        topic,
        lane,
        reason: failure?.reason ?? 'exhausted',
        message: failure?.message ?? '',
        stack: failure?.stack ?? null,
        attempts: attempt,
        at: now,
      };
      effects.push(
        { command: 'HSET', key: keys.dead, args: [id, JSON.stringify(description)] },
        { command: 'HSET', key: keys.deadBodies, args: [id, encodeElement(event)] },
        { command: 'ZADD', key: keys.deadIndex, args: [now, id] },
      );
    }
    if (outcome === 'unhandled') {
      effects.push({ command: 'HSET', key: keys.kept(lane), args: [seq, encodeElement(event)] });
    }
    if (bodyToken !== undefined) effects.push({ command: 'UNLINK', key: keys.body(bodyToken), args: [] });
  }
  const unhandled = settled.find(({ outcome }) => outcome === 'unhandled');
  if (unhandled) effects.push({ command: 'PEXPIRE', key: keys.kept(unhandled.event.lane), args: [historyMaxAgeMs] });
  return effects;
}

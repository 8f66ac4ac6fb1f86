import type { MerchantStatus } from '@syncline/catalog';
import type { DeadLetter, EventStatus, HistoryItem, LaneStatus, Overview } from '@syncline/lanes';

// The one place where the values of engine and catalogue become the JSON that callers rely on.

export function presentOverview(overview: Overview) {
  return {
    lanes: overview.lanes,
    events: overview.events,
    deadLetters: overview.deadLetters,
    lag: {
      oldestWaitingMs: overview.oldestWaitingMs,
      oldestRetryingMs: overview.oldestRetryingMs,
      oldestHeldMs: overview.oldestHeldMs,
    },
    rates: { acceptedPerMinute: overview.perMinute.accepted, committedPerMinute: overview.perMinute.committed },
  };
}

export function presentMerchant(
  lane: LaneStatus,
  { source, merchantId }: { source: string; merchantId: string },
  status: MerchantStatus,
  counts: { offers: number; collections: number },
) {
  return {
    source,
    merchantId,
    ...status,
    offers: { count: counts.offers },
    collections: { count: counts.collections },
    lane: presentLane(lane),
  };
}

export function presentLane(lane: LaneStatus) {
  return {
    state: lane.state,
    depth: lane.depth,
    oldestAgeMs: lane.oldestAgeMs,
    headAttempts: lane.headAttempts,
    nextAttemptAt: timeOf(lane.nextAttemptAt),
  };
}

export function presentHistoryItem(item: HistoryItem) {
  return {
    position: item.position,
    seq: item.seq,
    eventId: item.eventId,
    topic: item.topic,
    outcome: item.outcome,
    attempt: item.attempt,
    receivedAt: timeOf(item.receivedAt),
    committedAt: timeOf(item.committedAt),
    replayed: item.replayed,
  };
}

export function presentEvent(event: EventStatus) {
  return {
    source: event.source,
    eventId: event.eventId,
    // A delivery that named none is kept without one.
    topic: event.topic || null,
    lane: event.lane,
    state: event.state,
    seq: event.seq,
    attempts: event.attempts,
    receivedAt: timeOf(event.receivedAt),
    committedAt: timeOf(event.committedAt),
    nextAttemptAt: timeOf(event.nextAttemptAt),
    error: event.error,
    payload: event.payload,
  };
}

/** A dead letter as it stands in lists: without its payload. */
export function presentDeadLetterSummary(letter: DeadLetter) {
  return {
    id: letter.id,
    source: letter.source,
    eventId: letter.eventId,
    topic: letter.topic,
    lane: letter.lane,
    reason: letter.reason,
    message: letter.message,
    attempts: letter.attempts,
    at: timeOf(letter.at),
  };
}

export function presentDeadLetter(letter: DeadLetter) {
  return { ...presentDeadLetterSummary(letter), payload: letter.payload };
}

/** Epoch milliseconds as ISO 8601 UTC with milliseconds; what is no moment becomes null. */
function timeOf(epochMs: number | null): string | null {
  if (epochMs === null) return null;
  const date = new Date(epochMs);
  return Number.isNaN(date.getTime()) ? null : date.toISOString();
}

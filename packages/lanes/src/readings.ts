import type { EventState, LaneState, Outcome } from '@syncline/events';

/** One page of a listing; `nextCursor` is null on the last page. A cursor is opaque. */
export interface Page<T> {
  readonly items: T[];
  readonly nextCursor: string | null;
}

export interface PageRequest {
  readonly limit: number;
  readonly cursor?: string | undefined;
}

/** A lane's standing. Times are epoch milliseconds. */
export interface LaneStatus {
  readonly lane: string;
  readonly state: LaneState;
  readonly depth: number;
  readonly oldestAgeMs: number | null;
  readonly headAttempts: number;
  readonly nextAttemptAt: number | null;
  readonly lastError: string | null;
}

export interface HistoryItem {
  readonly position: number;
  readonly seq: number;
  readonly eventId: string;
  readonly topic: string;
  readonly outcome: Outcome;
  readonly attempt: number;
  readonly receivedAt: number;
  readonly committedAt: number;
  readonly replayed: boolean;
}

export interface EventStatus {
  readonly source: string;
  readonly eventId: string;
  readonly topic: string;
  readonly lane: string;
  readonly state: EventState;
  /** Null for an event that never had a place in its lane: a quarantined one. */
  readonly seq: number | null;
  readonly attempts: number;
  readonly receivedAt: number;
  readonly committedAt: number | null;
  readonly nextAttemptAt: number | null;
  readonly error: string | null;
  /** The body as JSON where it parses, as text otherwise; null once it is no longer kept. */
  readonly payload: unknown;
}

export interface DeadLetter {
  readonly id: string;
  readonly source: string;
  readonly eventId: string;
  readonly topic: string | null;
  readonly lane: string;
  readonly reason: string;
  readonly message: string;
  readonly stack: string | null;
  readonly attempts: number;
  readonly at: number;
  /** Null in lists: only a single read carries it. */
  readonly payload: unknown;
}

export interface Overview {
  readonly lanes: Readonly<Record<LaneState, number>>;
  readonly events: Readonly<Record<EventState, number>>;
  readonly deadLetters: number;
  /** Age of the oldest event that is to be taken; of the oldest that waits for its retry; of the oldest in a lane that is held. 0 for none. */
  readonly oldestWaitingMs: number;
  readonly oldestRetryingMs: number;
  readonly oldestHeldMs: number;
  /** Events a minute over the last five whole minutes. */
  readonly perMinute: { readonly accepted: number; readonly committed: number };
}

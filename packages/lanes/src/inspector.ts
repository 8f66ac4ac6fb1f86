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
  readonly events: { readonly waiting: number; readonly retrying: number } & Readonly<Record<Outcome, number>>;
  readonly deadLetters: number;
  readonly oldestWaitingMs: number;
  /** Events a minute over the last five whole minutes. */
  readonly perMinute: { readonly accepted: number; readonly committed: number };
}

/** Reads of everything that the lanes hold. Nothing here changes anything. All promises reject when Redis cannot be reached. */
export interface Inspector {
  overview(): Promise<Overview>;
  /** Every lane ever seen, oldest first. */
  lanes(page: PageRequest): Promise<Page<LaneStatus>>;
  /** Undefined when the lane was never seen. */
  lane(lane: string): Promise<LaneStatus | undefined>;
  history(lane: string, page: PageRequest): Promise<Page<HistoryItem>>;
  /** Newest first, by the order of receipt. A page may hold fewer than `limit` items and still have a successor. */
  events(filter: { state?: EventState | undefined; topic?: string | undefined }, page: PageRequest): Promise<Page<EventStatus>>;
  event(source: string, eventId: string): Promise<EventStatus | undefined>;
  deadLetters(
    filter: { source?: string | undefined; topic?: string | undefined; reason?: string | undefined },
    page: PageRequest,
  ): Promise<Page<DeadLetter>>;
  deadLetter(id: string): Promise<DeadLetter | undefined>;
  /** The values of a merchant's documents, in no particular order but each exactly once while nothing changes. */
  documents(lane: string, collection: string, page: PageRequest): Promise<Page<{ id: string; value: unknown }>>;
  document(lane: string, collection: string, id: string): Promise<unknown>;
  /** Several documents of several lanes in one round trip, in the order asked. */
  documentsOf(requests: readonly { lane: string; collection: string; id: string }[]): Promise<unknown[]>;
  countDocuments(lane: string, collection: string): Promise<number>;
}

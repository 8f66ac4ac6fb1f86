import {
  type DeadLetter,
  type EventStatus,
  type HistoryItem,
  type Inspector,
  InvalidCursorError,
  type LaneStatus,
  type Overview,
  type Page,
  type PageRequest,
} from '@syncline/lanes';

/** Everything that the in-memory inspector shows; tests fill it in. */
export interface Holdings {
  overview: Overview;
  readonly lanes: LaneStatus[];
  /** By lane. */
  readonly history: Map<string, HistoryItem[]>;
  /** Newest first. */
  readonly events: EventStatus[];
  readonly deadLetters: DeadLetter[];
  /** By `lane collection`, then id. */
  readonly documents: Map<string, Map<string, unknown>>;
  /** The pages of lanes that were asked for. */
  readonly lanePages: PageRequest[];
}

/** An inspector over arrays, whose cursors are offsets. */
export function createInMemoryInspector(): { inspector: Inspector; holdings: Holdings } {
  const none = { idle: 0, ready: 0, running: 0, retrying: 0, blocked: 0, paused: 0 };
  const holdings: Holdings = {
    overview: {
      lanes: none,
      events: { waiting: 0, retrying: 0, processed: 0, superseded: 0, unhandled: 0, dead: 0, discarded: 0 },
      deadLetters: 0,
      oldestWaitingMs: 0,
      oldestRetryingMs: 0,
      oldestHeldMs: 0,
      perMinute: { accepted: 0, committed: 0 },
    },
    lanes: [],
    history: new Map(),
    events: [],
    deadLetters: [],
    documents: new Map(),
    lanePages: [],
  };
  const documentsIn = (lane: string, collection: string): Map<string, unknown> =>
    holdings.documents.get(`${lane} ${collection}`) ?? new Map<string, unknown>();

  const inspector: Inspector = {
    overview: async () => holdings.overview,
    lanes: async (page) => {
      holdings.lanePages.push(page);
      return pageOf(holdings.lanes, page);
    },
    lane: async (lane) => holdings.lanes.find((status) => status.lane === lane),
    history: async (lane, page) => pageOf(holdings.history.get(lane) ?? [], page),
    events: async ({ state, topic }, page) =>
      pageOf(
        holdings.events.filter(
          (event) => (state === undefined || event.state === state) && (topic === undefined || event.topic === topic),
        ),
        page,
      ),
    event: async (source, eventId) => holdings.events.find((event) => event.source === source && event.eventId === eventId),
    deadLetters: async ({ source, topic, reason }, page) =>
      pageOf(
        holdings.deadLetters.filter(
          (letter) =>
            (source === undefined || letter.source === source) &&
            (topic === undefined || letter.topic === topic) &&
            (reason === undefined || letter.reason === reason),
        ),
        page,
      ),
    deadLetter: async (id) => holdings.deadLetters.find((letter) => letter.id === id),
    documents: async (lane, collection, page) =>
      pageOf(
        [...documentsIn(lane, collection)].map(([id, value]) => ({ id, value })),
        page,
      ),
    document: async (lane, collection, id) => documentsIn(lane, collection).get(id),
    documentsOf: async (requests) => requests.map(({ lane, collection, id }) => documentsIn(lane, collection).get(id)),
    countDocuments: async (lane, collection) => documentsIn(lane, collection).size,
    ping: async () => {},
    stop: async () => {},
  };
  return { inspector, holdings };
}

function pageOf<T>(items: readonly T[], { limit, cursor }: PageRequest): Page<T> {
  const begin = cursor === undefined ? 0 : Number(cursor);
  if (!Number.isInteger(begin) || begin < 0) throw new InvalidCursorError();
  const end = begin + limit;
  return { items: items.slice(begin, end), nextCursor: end < items.length ? String(end) : null };
}

/** An idle lane, with what a test changes about it. */
export function laneStatus(lane: string, changes: Partial<LaneStatus> = {}): LaneStatus {
  return { lane, state: 'idle', depth: 0, oldestAgeMs: null, headAttempts: 0, nextAttemptAt: null, lastError: null, ...changes };
}

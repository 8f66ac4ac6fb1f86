import type { AttemptContext, Decider, Decision, Plan, SequencedEvent, UnitOfWork } from '@syncline/events';
import { defaultRetryPolicy, laneOf } from '@syncline/events';
import type { Redis } from 'ioredis';
import { type AcceptRequest, type AcceptorSettings, createAcceptor } from '../src/acceptor';
import { closeConnection, openConnection } from '../src/connection';
import type { Logger } from '../src/logger';
import type { CommitRequest, LaneProtocol } from '../src/protocol';
import type { StoredEvent } from '../src/record';
import type { TurnObserver, Violation } from '../src/turn';
import { createTurnWorker, type TurnWorkerSettings } from '../src/turn-worker';

export const silent: Logger = { debug() {}, info() {}, warn() {}, error() {} };

/** A handler for tests: throws to fail, `superseded` or `unhandled` to say so. */
export type TestHandler = (
  event: SequencedEvent,
  unit: UnitOfWork,
  context: AttemptContext,
) => Decision | void | Promise<Decision | void>;

export function deciderOf(handler: TestHandler, external: (event: SequencedEvent) => boolean = () => false): Decider {
  return {
    plan: (event): Plan => ({
      external: external(event),
      reads: [],
      run: async (unit, context) => (await handler(event, unit, context)) ?? 'processed',
    }),
  };
}

/** Counts what a worker tells, for assertions. */
export class Counts implements TurnObserver {
  fencedCommits = 0;
  retries = 0;
  rescues = { lease: 0, arming: 0 };
  violations: Violation[] = [];
  attempts = 0;
  commits: { seq: number; outcome: string }[] = [];
  attempted(): void {
    this.attempts++;
  }
  committed(event: SequencedEvent, outcome: string): void {
    this.commits.push({ seq: event.seq, outcome });
  }
  retried(): void {
    this.retries++;
  }
  fenced(): void {
    this.fencedCommits++;
  }
  rescued(cause: 'lease' | 'arming'): void {
    this.rescues[cause]++;
  }
  violated(kind: Violation): void {
    this.violations.push(kind);
  }
}

let nextId = 0;

export function request(
  merchantId: string,
  overrides: Partial<AcceptRequest['event']> = {},
  aliases: string[] = [],
): AcceptRequest {
  nextId++;
  return {
    event: {
      source: 'violet',
      eventId: `event-${process.pid}-${nextId}`,
      topic: 'OFFER_UPDATED',
      lane: laneOf('violet', merchantId),
      receivedAt: Date.now(),
      headers: {},
      body: `{"n":${nextId}}`,
      bodyEncoding: 'utf8',
      ...overrides,
    },
    aliases,
  };
}

export interface ClaimLimits {
  readonly leaseMs: number;
  readonly maxEvents: number;
  readonly maxBytes: number;
}

/** Claims a lane and reads what may be taken with its head, as a turn does; `busy` when it was lost between the two. */
export async function claimAndRead(protocol: LaneProtocol, lane: string, turn: number, fence: string, limits: ClaimLimits) {
  const claim = await protocol.claim(lane, turn, fence, limits.leaseMs);
  if (!('head' in claim)) return claim;
  const { head, further, ...rest } = claim;
  const most = { events: Math.min(1 + further, limits.maxEvents), bytes: limits.maxBytes };
  const elements = await protocol.read(lane, fence, most, [head]);
  return elements ? { ...rest, elements } : { status: 'busy' as const };
}

/** A commit of these events, the first of their lane, as processed. */
export function commitOf(events: readonly StoredEvent[], fence: string, overrides: Partial<CommitRequest> = {}): CommitRequest {
  return {
    fence,
    firstSeq: events[0]?.seq ?? 1,
    settled: events.map((event) => ({ event, outcome: 'processed', attempt: 1 })),
    effects: [],
    ending: 'yield',
    leaseMs: 10_000,
    historyMaxItems: 100,
    historyMaxAgeMs: 3_600_000,
    recentMaxBytes: 1_000_000,
    ...overrides,
  };
}

/** Engine parts on one Redis, each test under a prefix of its own; `close` ends them all. */
export class Engine {
  readonly url: string;
  readonly prefix: string;
  readonly #ends: (() => Promise<void> | void)[] = [];
  readonly #counts: Counts[] = [];
  /** What the workers are to find wrong with the lanes: nothing, but where a test breaks something on purpose. */
  expectedViolations: Violation[] = [];

  constructor(url: string, prefix = `test-${process.pid}-${++nextId}`) {
    this.url = url;
    this.prefix = prefix;
  }

  acceptor(overrides: Partial<AcceptorSettings> = {}) {
    const acceptor = createAcceptor({
      redisUrl: this.url,
      prefix: this.prefix,
      shards: 1,
      acceptTimeoutMs: 8_000,
      tryTimeoutMs: 1_500,
      dedupWindowMs: () => 3_600_000,
      waitReplicas: 0,
      log: silent,
      onMismatch: (error) => {
        throw error;
      },
      ...overrides,
    });
    acceptor.start();
    this.#ends.unshift(() => acceptor.stop(1_000));
    return acceptor;
  }

  async worker(decider: Decider, overrides: Partial<TurnWorkerSettings> = {}) {
    const counts = new Counts();
    this.#counts.push(counts);
    const worker = createTurnWorker({
      redisUrl: this.url,
      prefix: this.prefix,
      shards: 1,
      decider,
      retry: { ...defaultRetryPolicy, baseMs: 20, capMs: 100 },
      failurePolicy: () => 'park',
      handlerTimeoutMs: 5_000,
      turnMaxEvents: 100,
      turnMaxBytes: 512 * 1024,
      historyMaxItems: 10_000,
      historyMaxAgeMs: 3_600_000,
      concurrency: 20,
      observer: counts,
      log: silent,
      ...overrides,
    });
    this.#ends.unshift(() => worker.stop(1_000));
    await worker.start();
    return Object.assign(worker, { counts });
  }

  /** A plain connection to look at, or to damage, what is stored. */
  redis(): Redis {
    const client = openConnection(this.url, { kind: 'queue' }) as Redis;
    this.#ends.push(() => closeConnection(client));
    return client;
  }

  onClose(end: () => Promise<void> | void): void {
    this.#ends.unshift(end);
  }

  async close(): Promise<void> {
    for (const end of this.#ends.splice(0)) await end();
    const found = this.#counts.splice(0).flatMap(({ violations }) => violations);
    const [got, expected] = [found.join(', '), this.expectedViolations.join(', ')];
    if (got !== expected) {
      throw new Error(`Expected the violations [${expected}], got [${got}]`);
    }
  }
}

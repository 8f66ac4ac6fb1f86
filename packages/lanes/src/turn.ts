import { setMaxListeners } from 'node:events';
import {
  type Decider,
  type Decision,
  type Failure,
  failureOf,
  isInternalTopic,
  type Outcome,
  type Plan,
  type RetryPolicy,
  retryDelayMs,
  type SequencedEvent,
} from '@syncline/events';
import type { ArmedTurn } from './arming';
import type { RedisClient } from './connection';
import { HandlerTimeout } from './handler-timeout';
import type { Settled } from './history';
import type { ShardKeys } from './keys';
import type { Logger } from './logger';
import { nextLoopTurn } from './loop-turn';
import {
  type Claimed,
  type CommitAnswer,
  type CommitRequest,
  CRASHES_MAX,
  LaneProtocol,
  type LostTurn,
  newFence,
  runsAlone,
} from './protocol';
import type { Permit } from './permit';
import { Places, type Waiting } from './places';
import { decodeRecord, type StoredEvent, sizeIn } from './record';
import { retention } from './retention';
import { EventUnit, RunState } from './state';

export interface TurnSettings {
  readonly decider: Decider;
  readonly retry: RetryPolicy;
  /** What becomes of an event that will not be attempted again: set aside, or held in place with its lane. */
  readonly failurePolicy: (topic: string) => 'park' | 'block';
  readonly handlerTimeoutMs: number;
  /** Lanes that are worked on at once in one shard. */
  readonly concurrency: number;
  readonly turnMaxEvents: number;
  readonly turnMaxBytes: number;
  readonly historyMaxItems: number;
  readonly historyMaxAgeMs: number;
}

/** What a turn tells the outside, for metrics. Calls must not throw. */
export interface TurnObserver {
  attempted(event: SequencedEvent, durationMs: number, result: Decision | 'failed'): void;
  /** `latencyMs` from receipt to commit. */
  committed(event: SequencedEvent, outcome: Outcome, latencyMs: number): void;
  retried(event: SequencedEvent): void;
  /** A commit that was refused because the turn no longer owned its lane. */
  fenced(): void;
  rescued(cause: Exclude<LostTurn, 'unarmed'>): void;
  violated(kind: Violation): void;
}

/** Promises that are watched in operation: events of a lane in order, no effect twice, no lane forgotten. */
export const violations = ['order', 'duplicate', 'unarmed'] as const;
export type Violation = (typeof violations)[number];

/** A turn takes no further event after this long, so that merchants take turns. */
const TURN_BUDGET_MS = 500;
const NEWER_VERSION_WAIT_MS = 30_000;
/** How long a lane waits for a place in a worker that is full of slow handlers, before it goes back to where any worker may take it. */
const PATIENCE_MS = 5_000;
/** The same for a lane that is late already: before the watch takes it for one whose arming was lost. */
const URGENT_PATIENCE_MS = 1_500;
/** A worker in which lanes wait for so long is full. */
const FULL_AFTER_MS = 250;
/** Bodies of the events committed last are kept for reading, up to this size in a shard. */
const RECENT_MAX_BYTES = 32 * 1024 * 1024;

/** Longest time between two signs of life of a turn: a handler, and room for the steps around it. */
function leaseMsFor(handlerTimeoutMs: number): number {
  return Math.max(10_000, handlerTimeoutMs + TURN_BUDGET_MS + 4_500);
}

/** How a run of events came out: what is settled, in order, and the failure that ended it, if one did. */
interface Run {
  readonly settled: readonly Settled[];
  readonly failed?: { readonly event: StoredEvent; readonly attempt: number; readonly failure: Failure };
}

/** A lane that was claimed. */
interface HeldLane {
  readonly lane: string;
  readonly fence: string;
  readonly claim: Claimed;
  /** By this process's clock, from before the claim was sent: the lane is not another's before. */
  readonly leaseEnd: number;
  /** Its events are not held up by what else is to be decided. */
  readonly urgent: boolean;
  /** Its next turn is urgent too, should its time be over before its number of events. */
  readonly urgentOnceMore: boolean;
}

/** A record in a form that this version does not know. */
interface Unreadable {
  readonly seq: number;
  readonly message: string;
}

interface RunConditions {
  readonly failedAttempts: number;
  /** The one event is a dead letter put back into its place. */
  readonly replay: boolean;
  readonly state: RunState;
  /** Asked before the first event, and before each further one. */
  readonly stopFirst: () => boolean;
  readonly over: () => boolean;
}

/** Takes turns: claims the head events of a lane, decides them in order, commits them in one step. */
export class TurnTaker {
  readonly #shard: number;
  readonly #client: RedisClient;
  readonly #keys: ShardKeys;
  readonly #alone: Permit;
  readonly #protocol: LaneProtocol;
  readonly #settings: TurnSettings;
  readonly #observer: TurnObserver;
  readonly #log: Logger;
  readonly #arm: (turn: ArmedTurn, delayMs: number) => void;
  readonly #leaseMs: number;
  readonly #places: Places;
  readonly #underWay = new Set<Promise<void>>();
  readonly #cutOff = new AbortController();
  #cuttingOff: NodeJS.Timeout | undefined;
  #stopping = false;

  constructor(dependencies: {
    shard: number;
    client: RedisClient;
    keys: ShardKeys;
    settings: TurnSettings;
    observer: TurnObserver;
    log: Logger;
    arm: (turn: ArmedTurn, delayMs: number) => void;
    /** Shared by all shards of a process: for the one lane in work that crashed before. */
    alone: Permit;
    onRoom: () => void;
  }) {
    this.#shard = dependencies.shard;
    this.#client = dependencies.client;
    this.#keys = dependencies.keys;
    this.#alone = dependencies.alone;
    this.#protocol = new LaneProtocol(dependencies.client, dependencies.keys, { alone: dependencies.alone });
    this.#settings = dependencies.settings;
    this.#observer = dependencies.observer;
    this.#log = dependencies.log;
    this.#arm = dependencies.arm;
    this.#leaseMs = leaseMsFor(dependencies.settings.handlerTimeoutMs);
    this.#places = new Places(dependencies.settings.concurrency, dependencies.onRoom);
    setMaxListeners(0, this.#cutOff.signal);
  }

  /**
   * Begins a turn of a lane: resolves once the lane is claimed, or turns out to need no turn. From then on its lease watches over it: the
   * turn goes on by itself, `ended` waits for it. Rejects when the store refuses the claim.
   */
  begin(turn: ArmedTurn): Promise<void> {
    return this.#under(this.#begin(turn, { patienceMs: PATIENCE_MS }));
  }

  /**
   * Begins a turn of a lane that is late already, before those that wait here. When it cannot, the lane goes the way of all lanes. With
   * `onceMore` one further turn is urgent when this one's time is not enough, and not more: other merchants wait.
   */
  beginUrgent(turn: ArmedTurn, { onceMore }: { onceMore: boolean }): void {
    if (this.#stopping) return this.#arm(turn, 0);
    void this.#under(
      this.#begin(turn, { patienceMs: URGENT_PATIENCE_MS, urgent: true }, onceMore).catch((error: unknown) => {
        this.#log.warn({ err: error, lane: turn[0] }, 'an urgent turn could not begin; its lane goes to the queue');
        this.#arm(turn, 0);
      }),
    );
  }

  async #begin([lane, turn]: ArmedTurn, waiting: Waiting, urgentOnceMore = false): Promise<void> {
    const { urgent = false } = waiting;
    const entered = await this.#places.enter(waiting);
    // It may have a job of this turn in the queue already, and keeps that place.
    if (urgent && !entered) return this.#arm([lane, turn], 0);
    let claimed: HeldLane | undefined;
    try {
      const fence = newFence();
      const leaseEnd = Date.now() + this.#leaseMs;
      const claim = await this.#protocol.claim(lane, turn, fence, this.#leaseMs);
      if (claim.status === 'wait') this.#arm([lane, claim.turnToArm], claim.delayMs);
      if (claim.status === 'run' || claim.status === 'replay') claimed = { lane, fence, claim, leaseEnd, urgent, urgentOnceMore };
    } finally {
      if (entered && !claimed) this.#places.leave(waiting);
    }
    if (!claimed) return;
    void this.#under(this.#take(claimed, entered ? waiting : undefined));
  }

  /** Takes the turn of a claimed lane, in a place if there is one. */
  async #take(claimed: HeldLane, waiting: Waiting | undefined): Promise<void> {
    try {
      await (waiting ? this.#takePlace(claimed, waiting) : this.#run(claimed, undefined));
    } catch (error) {
      this.#log.error({ err: error, lane: claimed.lane }, 'a turn failed; its lane will be rescued');
    } finally {
      if (runsAlone(claimed.claim)) this.#alone.giveBack();
    }
  }

  async #takePlace(claimed: HeldLane, waiting: Waiting): Promise<void> {
    const placed = await this.#places.take(waiting);
    let given = !placed;
    const giveBack = (): void => {
      if (!given) this.#places.giveBack();
      given = true;
    };
    try {
      await this.#run(claimed, placed ? giveBack : undefined);
    } finally {
      giveBack();
    }
  }

  /** True when lanes that were brought here could not be claimed for a while: further ones had better stay where any worker may take them. `onRoom` tells of the end. */
  get full(): boolean {
    return this.#places.crowdedForMs > FULL_AFTER_MS;
  }

  /** Lets `ended` wait for it. */
  #under(done: Promise<void>): Promise<void> {
    const under = done.finally(() => this.#underWay.delete(under));
    this.#underWay.add(under);
    return under;
  }

  /**
   * Ends all turns: no further event is begun, what was decided is committed, the lanes are released. Handlers that still run after
   * `graceMs` are cut off.
   */
  stop(graceMs: number): void {
    this.#stopping = true;
    this.#places.open();
    this.#cuttingOff = setTimeout(() => this.#cutOff.abort(), graceMs);
  }

  /** Resolves when no turn is under way, after a `stop`. */
  async ended(): Promise<void> {
    while (this.#underWay.size > 0) await Promise.allSettled(this.#underWay);
    clearTimeout(this.#cuttingOff);
  }

  /**
   * Decides and commits what was claimed. Rejects only when the store refuses a step for a reason of its own.
   *
   * @param giveBack to be called when the place is not needed any more; undefined when there is none: the lane only goes back to the queue.
   */
  async #run(
    { lane, fence, claim, urgent, urgentOnceMore, ...held }: HeldLane,
    giveBack: (() => void) | undefined,
  ): Promise<void> {
    let { leaseEnd } = held;
    const replay = claim.status === 'replay';
    const budget = { events: this.#settings.turnMaxEvents, bytes: this.#settings.turnMaxBytes };
    const most = { ...budget, events: Math.min(budget.events, 1 + claim.further) };
    const elements = giveBack ? await this.#protocol.read(lane, fence, most, [claim.head]) : [claim.head];
    if (!elements) return;
    if (!urgent) await nextLoopTurn();

    // The wait for the claim is not the merchant's time: counted in, a busy worker would end every turn after its first event.
    const until = Date.now() + TURN_BUDGET_MS;
    // One that was long in coming may be another's by the time its handler acts outside.
    const stopFirst = (): boolean => !giveBack || this.#stopping || Date.now() + this.#settings.handlerTimeoutMs > leaseEnd;
    const over = (): boolean => Date.now() >= until || stopFirst();
    let { events, unreadable } = await this.#decode(lane, elements, budget);
    let failedAttempts = replay ? 0 : claim.failedAttempts;
    let from = 0;
    let stop = stopFirst;
    for (;;) {
      const head = events[from];
      if (!head) return unreadable && (await this.#leave(lane, fence, unreadable, failedAttempts));
      const state = new RunState(this.#client, this.#keys, lane);
      const run =
        claim.crashes >= CRASHES_MAX
          ? this.#crashed(head, claim.crashes, replay)
          : await this.#decide(events.slice(from), {
              failedAttempts,
              replay,
              state,
              stopFirst: stop,
              over,
            });
      from += run.settled.length;
      failedAttempts = 0;
      stop = over;
      if (run.settled.length > 0 || !run.failed) {
        const goesOn = run.settled.length > 0 && !over();
        const budgetLeft = budget.events > 0 && budget.bytes > 0;
        // A lane that crashed takes one event a turn.
        const readsOn = budgetLeft && !unreadable && claim.crashes === 0;
        let ending: CommitRequest['ending'] = 'yield';
        if (replay && run.settled.length > 0) ending = 'replay';
        else if (run.failed || (goesOn && from < events.length)) ending = 'keep';
        else if (goesOn && readsOn) ending = 'more';
        const renewed = Date.now() + this.#leaseMs;
        if (ending === 'yield' || ending === 'replay') giveBack?.();
        const answer = await this.#commit(lane, claim.laneNumber, fence, head.seq, run.settled, state, ending);
        if ('turnToArm' in answer && answer.turnToArm > 0) {
          // A turn in a saturated process may be over before it has come to what made it urgent.
          if (urgentOnceMore && giveBack && budgetLeft) this.beginUrgent([lane, answer.turnToArm], { onceMore: false });
          else this.#arm([lane, answer.turnToArm], 0);
        }
        if (answer.status !== 'kept') return;
        leaseEnd = renewed;
      }
      if (run.failed) return await this.#fail(lane, fence, run.failed);
      if (from < events.length) continue;
      const arrived = await this.#protocol.read(lane, fence, budget);
      if (!arrived) return;
      ({ events, unreadable } = await this.#decode(lane, arrived, budget));
      from = 0;
    }
  }

  /** The events up to the first that this version cannot read; takes them from the turn's budget. */
  async #decode(
    lane: string,
    elements: readonly string[],
    budget: { events: number; bytes: number },
  ): Promise<{ events: StoredEvent[]; unreadable?: Unreadable | undefined }> {
    const decoded: StoredEvent[] = [];
    let unreadable: Unreadable | undefined;
    for (const element of elements) {
      try {
        decoded.push(decodeRecord(element));
        budget.events -= 1;
        budget.bytes -= sizeIn(element);
      } catch (error) {
        unreadable = { seq: Number.parseInt(element, 10), message: failureOf(error).message };
        break;
      }
    }
    const events = await Promise.all(
      decoded.map(async (event) => {
        if (event.bodyToken === undefined) return event;
        const body = await this.#client.get(this.#keys.body(event.bodyToken));
        // The event was committed meanwhile, by whoever was given the lane after this turn had frozen.
        if (body === null) throw new Error(`Expected the body of event ${event.seq} of ${lane}, got none`);
        return { ...event, body };
      }),
    );
    for (const [index, event] of events.entries()) {
      const before = events[index - 1];
      if (before && event.seq !== before.seq + 1) {
        this.#observer.violated('order');
        this.#log.error({ lane, seq: event.seq, after: before.seq }, 'a lane holds events out of order');
      }
    }
    return { events, unreadable };
  }

  /** A newer version of Syncline wrote the head: it waits, uncounted and untouched, for a worker of that version. */
  async #leave(lane: string, fence: string, { seq, message }: Unreadable, attempt: number): Promise<void> {
    this.#log.error({ lane, seq, error: message }, 'the head of a lane cannot be read; it waits');
    const answer = await this.#protocol.fail(lane, {
      fence,
      seq,
      attempt,
      mode: 'retry',
      delayMs: NEWER_VERSION_WAIT_MS,
      error: message,
    });
    if (answer.status === 'retry') this.#arm([lane, answer.turnToArm], answer.delayMs);
  }

  /** Decides events in order until one fails, the budget is spent, or one that acts outside ends the run. */
  async #decide(events: readonly StoredEvent[], conditions: RunConditions): Promise<Run> {
    const { state } = conditions;
    const plans = events.map((event) => ({ event, plan: this.#settings.decider.plan(event) }));
    const external = plans.findIndex(({ plan }) => plan.external);
    const run = external < 0 ? plans : plans.slice(0, Math.max(external, 1));
    await state.prefetch(run.flatMap(({ plan }) => [...plan.reads]));

    const timeout = new HandlerTimeout(this.#settings.handlerTimeoutMs, this.#cutOff.signal);
    try {
      const decided = await this.#decideInOrder(run, conditions, timeout);
      return { ...decided, settled: folded(decided.settled, plans) };
    } finally {
      timeout.clear();
    }
  }

  async #decideInOrder(
    run: readonly { readonly event: StoredEvent; readonly plan: Plan }[],
    { failedAttempts, replay, state, stopFirst, over }: RunConditions,
    timeout: HandlerTimeout,
  ): Promise<Run> {
    const { retry, failurePolicy, turnMaxBytes } = this.#settings;
    const settled: Settled[] = [];
    for (const [index, { event, plan }] of run.entries()) {
      const loopTurn = index === 0 ? undefined : nextLoopTurn();
      if (loopTurn) await loopTurn;
      if (index === 0 ? stopFirst() : over() || state.effectBytes >= turnMaxBytes) break;
      const attempt = index === 0 ? failedAttempts + 1 : 1;
      const result = await this.#attempt(event, plan, attempt, replay, state, timeout);
      if (result === 'aborted') break;
      if (!replay && result === 'unhandled' && isInternalTopic(event.topic)) {
        return { settled, failed: { event, attempt: attempt - 1, failure: newerVersionNeeded(event.topic) } };
      }
      if (typeof result === 'string') {
        settled.push({ event, outcome: result, attempt });
        continue;
      }
      // A replay has one attempt: it must not hold up what waits behind it.
      const counted = result.counts ? attempt : attempt - 1;
      const dies = replay || result.permanent || counted >= retry.maxAttempts;
      if (!dies || (!replay && failurePolicy(event.topic) === 'block'))
        return { settled, failed: { event, attempt: counted, failure: result } };
      settled.push({ event, outcome: 'dead', attempt, failure: result });
    }
    return { settled };
  }

  /** One run of an event's handlers: its decision, its failure, or `aborted` when it was cut off through no fault of its own. */
  async #attempt(
    event: SequencedEvent,
    plan: Plan,
    attempt: number,
    replay: boolean,
    state: RunState,
    timeout: HandlerTimeout,
  ): Promise<Decision | Failure | 'aborted'> {
    const unit = new EventUnit(state);
    const startedAt = performance.now();
    let result: Decision | Failure;
    try {
      result = await timeout.race(attempt, replay, (context) => plan.run(unit, context));
      const effects = unit.close();
      const refs = effects.writes.map(([ref]) => ref);
      if (replay && (await state.holdsNewer(event.seq, refs))) result = 'superseded';
      else state.merge(event, effects);
    } catch (error) {
      unit.close();
      if (this.#cutOff.signal.aborted) return 'aborted';
      result = failureOf(error);
    }
    const durationMs = performance.now() - startedAt;
    this.#observer.attempted(event, durationMs, typeof result === 'string' ? result : 'failed');
    const line = {
      lane: event.lane,
      seq: event.seq,
      eventId: event.eventId,
      topic: event.topic,
      attempt,
      durationMs: Math.round(durationMs),
    };
    if (typeof result === 'string') this.#log.debug({ ...line, outcome: result }, 'attempt');
    else if (result.counts) this.#log.warn({ ...line, error: result.message, permanent: result.permanent }, 'attempt failed');
    else this.#log.debug({ ...line, error: result.message, retryAfterMs: result.retryAfterMs }, 'attempt put off');
    return result;
  }

  #crashed(event: StoredEvent, crashes: number, replay: boolean): Run {
    const message = `The worker ended ${crashes} times while this event was at the head of its lane`;
    const failure: Failure = {
      message,
      stack: undefined,
      permanent: true,
      reason: 'crashed',
      retryAfterMs: undefined,
      counts: true,
    };
    if (!replay && this.#settings.failurePolicy(event.topic) === 'block')
      return { settled: [], failed: { event, attempt: crashes, failure } };
    return { settled: [{ event, outcome: 'dead', attempt: crashes, failure }] };
  }

  async #commit(
    lane: string,
    laneNumber: number,
    fence: string,
    firstSeq: number,
    settled: readonly Settled[],
    state: RunState,
    ending: CommitRequest['ending'],
  ): Promise<CommitAnswer> {
    const { historyMaxItems, historyMaxAgeMs } = this.#settings;
    const now = Date.now();
    const kept = retention({ keys: this.#keys, shard: this.#shard, laneNumber, settled, now, historyMaxAgeMs });
    const effects = [...state.effects({ historyMaxItems, historyMaxAgeMs }), ...kept];
    const answer = await this.#protocol.commit(lane, {
      fence,
      firstSeq,
      settled,
      effects,
      followUps: state.followUps,
      ending,
      leaseMs: this.#leaseMs,
      historyMaxItems,
      historyMaxAgeMs,
      recentMaxBytes: RECENT_MAX_BYTES,
    });
    if (answer.status === 'fenced') {
      this.#observer.fenced();
      this.#log.warn({ lane, firstSeq, events: settled.length }, 'the turn no longer owned its lane; nothing was committed');
      return answer;
    }
    for (const turn of answer.armed ?? []) this.#arm(turn, 0);
    if (answer.violation !== undefined) {
      this.#observer.violated(answer.violation);
      this.#log.error(
        { lane, firstSeq, violation: answer.violation },
        'the history does not end right before what was committed',
      );
    }
    const committedAt = Date.now();
    for (const { event, outcome, attempt, failure } of settled) {
      this.#observer.committed(event, outcome, committedAt - event.receivedAt);
      if (outcome !== 'dead') continue;
      const { seq, eventId, topic } = event;
      this.#log.error({ lane, seq, eventId, topic, attempt, reason: failure?.reason, error: failure?.message }, 'dead letter');
    }
    return answer;
  }

  async #fail(lane: string, fence: string, { event, attempt, failure }: NonNullable<Run['failed']>): Promise<void> {
    const { retry } = this.#settings;
    const dies = failure.permanent || attempt >= retry.maxAttempts;
    const answer = await this.#protocol.fail(lane, {
      fence,
      seq: event.seq,
      attempt,
      mode: dies ? 'block' : 'retry',
      delayMs: failure.retryAfterMs ?? retryDelayMs(retry, attempt, Math.random),
      error: failure.message,
    });
    switch (answer.status) {
      case 'fenced':
        this.#observer.fenced();
        return;
      case 'blocked':
        this.#log.error(
          { lane, seq: event.seq, error: failure.message },
          'the lane is blocked by its head until an operator acts',
        );
        return;
      case 'retry':
        this.#observer.retried(event);
        this.#arm([lane, answer.turnToArm], answer.delayMs);
    }
  }
}

/**
 * Folds a flood: what a later event of the same commit tells anew is superseded. Only what is settled counts, so nothing is given up for an
 * event that may yet fail, and the state is what applying each in turn made of it.
 */
function folded(settled: readonly Settled[], plans: readonly { readonly plan: Plan }[]): Settled[] {
  const toldLater = new Set<string>();
  const result = [...settled];
  for (let index = settled.length - 1; index >= 0; index--) {
    const [one, foldKey] = [settled[index], plans[index]?.plan.foldKey];
    if (!one) continue;
    if (foldKey === undefined) toldLater.clear();
    const processed = one.outcome === 'processed' && foldKey !== undefined;
    if (processed && toldLater.has(foldKey)) result[index] = { ...one, outcome: 'superseded' };
    if (processed) toldLater.add(foldKey);
  }
  return result;
}

/** A newer version of Syncline set this timer: it waits, uncounted, for a worker of that version. */
function newerVersionNeeded(topic: string): Failure {
  const message = `Expected a topic that this version knows, got ${topic}: a worker of a newer version has to take it`;
  return {
    message,
    stack: undefined,
    permanent: false,
    reason: 'unknown_topic',
    retryAfterMs: NEWER_VERSION_WAIT_MS,
    counts: false,
  };
}

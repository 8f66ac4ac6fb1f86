import { createHash } from 'node:crypto';
import { type Outcome, sideLaneOf } from '@syncline/events';

/**
 * What the lanes of one shard promise, as plain code: no Redis, no Lua, one call for one step. The engine must give the same answers and
 * hold the same state, whatever comes in whatever order. Events appear by id, documents as the list of the seqs that wrote them.
 */

/** What the handler of an event does: it adds the event's seq to a document, and may set or cancel (`null`) a timer, or append an event. */
export interface Wish {
  readonly document: string;
  readonly append?: 'own lane' | 'side lane' | undefined;
  readonly timer?: { readonly key: string; readonly afterMs: number | null } | undefined;
}

export interface ModelEvent {
  readonly eventId: string;
  readonly seq: number;
  readonly wish: Wish;
}

/** What a step tells: its status, and the turn to arm where one is to be. */
export type Answer = readonly [status: string, turnToArm?: number, armed?: readonly ArmedTurn[]];

export type ArmedTurn = readonly [lane: string, turn: number];

export type ClaimAnswer = { answer: Answer } | { answer: Answer; events: ModelEvent[]; failedAttempts: number; crashes: number };

/** Whether the turn goes on when events remain: with `more` only while no dead letter is put back. */
export type Keep = 'keep' | 'more' | false;

export interface Limits {
  readonly leaseMs: number;
  readonly dedupWindowMs: number;
  readonly historyMaxItems: number;
  readonly historyMaxAgeMs: number;
}

const CRASHES_BEFORE_ALONE = 2;
const ALONE_WAIT_MS = 1_000;
/** Waiting events that a turn of a timer's lane may come to. */
export const TURN_MAX_EVENTS = 2;

export class LaneModel {
  /** Given out last, committed last. */
  seq = 0;
  done = 0;
  readonly waiting: ModelEvent[] = [];
  /** Dead letters put back, lowest seq first: attempted before what waits. */
  replays: ModelEvent[] = [];
  history: {
    position: number;
    seq: number;
    eventId: string;
    outcome: Outcome;
    attempt: number;
    replayed: boolean;
    at: number;
  }[] = [];
  position = 0;
  readonly documents = new Map<string, { seq: number; seqs: number[] }>();
  readonly timers = new Map<string, { dueAt: number; eventId: string; wish: Wish }>();

  turn = 0;
  /** A turn is coming. While no run owns the lane, it waits for it since (or, after a failure, until) a time. */
  armed = false;
  waits: { for: 'turn' | 'retry'; at: number } | undefined;
  owner: { fence: string; until: number } | undefined;
  attempts = 0;
  notBefore: number | undefined;
  crashes = 0;
  paused = false;
  blocked = false;

  get empty(): boolean {
    return this.waiting.length === 0 && this.replays.length === 0;
  }

  get held(): boolean {
    return this.paused || this.blocked;
  }

  isOwned(now: number): boolean {
    return this.owner !== undefined && this.owner.until > now;
  }

  arm(now: number): number {
    this.armed = true;
    this.owner = undefined;
    this.waits = { for: 'turn', at: now };
    return ++this.turn;
  }

  armUnlessHeld(now: number): number {
    return this.armed || this.held ? 0 : this.arm(now);
  }

  disarm(): void {
    this.armed = false;
    this.owner = undefined;
    this.waits = undefined;
  }

  own(fence: string, until: number): void {
    this.armed = true;
    this.owner = { fence, until };
    this.waits = undefined;
  }

  retryAt(at: number): number {
    this.owner = undefined;
    this.waits = { for: 'retry', at };
    return ++this.turn;
  }
}

export class ShardModel {
  now: number;
  readonly limits: Limits;
  readonly lanes = new Map<string, LaneModel>();
  /** Every id accepted, with the event that it stands for and when it was remembered. */
  readonly remembered = new Map<string, { lane: string; seq: number; at: number }>();
  /** By lane and seq. */
  readonly deadLetters = new Map<string, { lane: string; event: ModelEvent }>();

  constructor(now: number, limits: Limits) {
    this.now = now;
    this.limits = limits;
  }

  lane(lane: string): LaneModel {
    const held = this.lanes.get(lane) ?? new LaneModel();
    this.lanes.set(lane, held);
    return held;
  }

  knows(id: string): boolean {
    const known = this.remembered.get(id);
    const second = (ms: number): number => Math.floor(ms / 1_000);
    return known !== undefined && second(this.now) - second(known.at) < this.limits.dedupWindowMs / 1_000;
  }

  /** The first id is the event's own, the others are aliases. */
  accept(lane: string, ids: readonly string[], wish: Wish): Answer {
    const knownId = ids.find((id) => this.knows(id));
    const known = knownId === undefined ? undefined : this.remembered.get(knownId);
    if (known) {
      for (const id of ids) if (!this.knows(id)) this.remembered.set(id, { ...known, at: this.now });
      return ['duplicate'];
    }
    const turnToArm = this.append(lane, ids[0] ?? '', wish);
    for (const id of ids) this.remembered.set(id, { lane, seq: this.lane(lane).seq, at: this.now });
    return ['accepted', turnToArm];
  }

  append(name: string, eventId: string, wish: Wish): number {
    const lane = this.lane(name);
    lane.waiting.push({ eventId, seq: ++lane.seq, wish });
    return lane.armUnlessHeld(this.now);
  }

  /** `mayTakeOneAlone`: the worker has no lane in work that crashed twice. */
  claim(name: string, turn: number, fence: string, maxEvents: number, mayTakeOneAlone: boolean): ClaimAnswer {
    const lane = this.lane(name);
    const { now, limits } = this;
    if (!lane.armed || turn !== lane.turn) return { answer: ['stale'] };
    const anothers = lane.owner !== undefined && lane.owner.fence !== fence;
    if (anothers && lane.isOwned(now)) return { answer: ['busy'] };
    if (lane.held) {
      lane.disarm();
      lane.notBefore = undefined;
      return { answer: ['held'] };
    }
    const [replay] = lane.replays;
    if (!replay && lane.notBefore !== undefined && lane.notBefore > now)
      return { answer: ['wait', lane.retryAt(lane.notBefore)] };
    if (anothers) lane.crashes++;
    if (lane.crashes >= CRASHES_BEFORE_ALONE && !mayTakeOneAlone) {
      lane.notBefore = now + ALONE_WAIT_MS;
      return { answer: ['wait', lane.retryAt(lane.notBefore)] };
    }
    lane.own(fence, now + limits.leaseMs);
    const alone = lane.crashes >= CRASHES_BEFORE_ALONE;
    return {
      answer: [replay ? 'replay' : 'run'],
      events: replay ? [replay] : lane.waiting.slice(0, alone ? 1 : maxEvents),
      failedAttempts: lane.attempts,
      crashes: lane.crashes,
    };
  }

  /** `outcomes`: what the first events of the run came to; none releases the lane. `attempt` is that of the first. */
  commit(
    name: string,
    fence: string,
    outcomes: readonly Outcome[],
    { attempt, replay, keep }: { attempt: number; replay: boolean; keep: Keep },
  ): Answer {
    const lane = this.lane(name);
    if (lane.owner?.fence !== fence) return ['fenced'];
    const appended: { to: string; eventId: string; wish: Wish }[] = [];
    for (const [index, outcome] of outcomes.entries()) {
      const event = replay ? lane.replays.shift() : lane.waiting.shift();
      if (!event) break;
      this.#settle(name, event, outcome, index === 0 ? attempt : 1, replay);
      const { append, document } = event.wish;
      if (!append || outcome !== 'processed') continue;
      const to = append === 'own lane' ? name : sideLaneOf(name, 'side');
      appended.push({ to, eventId: followUpId(event.eventId, 'append 0'), wish: { document } });
    }
    const armed = appended.flatMap(({ to, eventId, wish }): ArmedTurn[] => {
      const turnToArm = this.append(to, eventId, wish);
      return turnToArm > 0 ? [[to, turnToArm]] : [];
    });
    return [...this.#afterCommit(lane, fence, outcomes.length, replay, keep), armed];
  }

  /** What becomes of the lane is decided once its events, and what they appended, have their places. */
  #afterCommit(lane: LaneModel, fence: string, events: number, replay: boolean, keep: Keep): [status: string, turn: number] {
    if (events > 0) lane.crashes = 0;
    if (events > 0 && !replay) {
      lane.attempts = 0;
      lane.notBefore = undefined;
    }
    if (lane.empty) {
      lane.disarm();
      return ['idle', 0];
    }
    if (lane.paused) {
      lane.disarm();
      return ['held', 0];
    }
    if (!replay && (keep === 'keep' || (keep === 'more' && lane.replays.length === 0))) {
      lane.own(fence, this.now + this.limits.leaseMs);
      return ['kept', 0];
    }
    return ['yielded', lane.arm(this.now)];
  }

  #settle(name: string, event: ModelEvent, outcome: Outcome, attempt: number, replayed: boolean): void {
    const lane = this.lane(name);
    const { seq, eventId, wish } = event;
    if (!replayed) lane.done = seq;
    lane.history.push({ position: ++lane.position, seq, eventId, outcome, attempt, replayed, at: this.now });
    const { historyMaxItems, historyMaxAgeMs } = this.limits;
    const tooOld = this.now - historyMaxAgeMs;
    while (lane.history.length > historyMaxItems || (lane.history[0]?.at ?? tooOld) < tooOld) lane.history.shift();
    if (outcome === 'dead') this.deadLetters.set(deadLetterName(name, seq), { lane: name, event });
    if (outcome !== 'processed') return;
    const seqs = lane.documents.get(wish.document)?.seqs ?? [];
    lane.documents.set(wish.document, { seq, seqs: [...seqs, seq] });
    if (wish.timer?.afterMs === null) lane.timers.delete(wish.timer.key);
    else if (wish.timer) {
      const { key, afterMs } = wish.timer;
      lane.timers.set(key, {
        dueAt: this.now + afterMs,
        eventId: followUpId(eventId, `timer ${key}`),
        wish: { document: wish.document },
      });
    }
  }

  /** A replay must not undo what a later event has written. */
  isSuperseded(name: string, event: ModelEvent): boolean {
    return (this.lane(name).documents.get(event.wish.document)?.seq ?? 0) > event.seq;
  }

  fail(name: string, fence: string, attempt: number, delayMs: number | 'block'): Answer {
    const lane = this.lane(name);
    if (lane.owner?.fence !== fence) return ['fenced'];
    lane.attempts = attempt;
    lane.crashes = 0;
    if (delayMs === 'block') {
      lane.disarm();
      lane.blocked = true;
      return ['blocked'];
    }
    lane.notBefore = this.now + delayMs;
    return ['retry', lane.retryAt(lane.notBefore)];
  }

  /** `passed`: the queue is past everything that was armed until now. */
  rescue(name: string, passed: boolean): Answer {
    const lane = this.lane(name);
    if (!lane.armed) return ['well'];
    if (lane.owner ? lane.isOwned(this.now) : !passed || (lane.waits?.at ?? 0) > this.now) return ['well'];
    if (lane.owner) lane.crashes++;
    return ['rescued', lane.arm(this.now)];
  }

  hold(name: string, verb: 'pause' | 'resume' | 'retry-head', forced: boolean): Answer {
    const lane = this.lane(name);
    if (lane.seq === 0) return ['unknown'];
    const running = lane.isOwned(this.now);
    if (running && !forced) return ['running'];
    if (verb === 'pause') {
      lane.paused = true;
      if (running) return ['done', 0];
      lane.disarm();
      lane.notBefore = undefined;
      return ['done', 0];
    }
    if (verb === 'resume') lane.paused = false;
    else {
      lane.blocked = false;
      lane.notBefore = undefined;
    }
    if (lane.held || running || lane.empty || (lane.armed && verb === 'resume')) return ['done', 0];
    return ['done', lane.arm(this.now)];
  }

  /** Takes the lane from whoever has it; a commit of its head as discarded follows. `seq`: that the head must have. */
  seize(name: string, fence: string, forced: boolean, seq: number | undefined): ClaimAnswer {
    const lane = this.lane(name);
    if (lane.seq === 0) return { answer: ['unknown'] };
    if (lane.isOwned(this.now) && !forced) return { answer: ['running'] };
    const [head] = lane.waiting;
    if (!head) return { answer: ['empty'] };
    if (seq !== undefined && head.seq !== seq) return { answer: ['moved'] };
    lane.blocked = false;
    lane.notBefore = undefined;
    lane.turn++;
    lane.own(fence, this.now + this.limits.leaseMs);
    return { answer: ['seized'], events: [head], failedAttempts: lane.attempts, crashes: lane.crashes };
  }

  replay(letterName: string): Answer {
    const letter = this.deadLetters.get(letterName);
    if (!letter) return ['unknown'];
    this.deadLetters.delete(letterName);
    const lane = this.lane(letter.lane);
    lane.replays = [...lane.replays, letter.event].sort((a, b) => a.seq - b.seq);
    return ['replayed', lane.armUnlessHeld(this.now)];
  }

  discard(letterName: string): boolean {
    return this.deadLetters.delete(letterName);
  }

  fire(name: string, key: string): Answer {
    const lane = this.lane(name);
    const timer = lane.timers.get(key);
    if (!timer || timer.dueAt > this.now) return ['gone'];
    lane.timers.delete(key);
    const turn = this.append(name, timer.eventId, timer.wish);
    const comesToIt = lane.waits?.for === 'turn' && lane.seq - lane.done <= TURN_MAX_EVENTS;
    return ['fired', comesToIt ? lane.turn : turn];
  }

  /** Where an accepted event stands; undefined once it has left the bounded history. */
  stateOf(id: string): string | undefined {
    const place = this.remembered.get(id);
    if (!place) return undefined;
    const lane = this.lane(place.lane);
    if (place.seq > lane.done) return place.seq === lane.done + 1 && lane.attempts > 0 ? 'retrying' : 'waiting';
    if (lane.replays.some(({ seq }) => seq === place.seq)) return 'waiting';
    const outcome = lane.history.findLast(({ seq }) => seq === place.seq)?.outcome;
    return outcome === 'dead' && !this.deadLetters.has(deadLetterName(place.lane, place.seq)) ? 'discarded' : outcome;
  }
}

/** Unique, and the same however often its cause is attempted. */
function followUpId(causeId: string, name: string): string {
  return `follow-up-${createHash('sha256').update(`${causeId}\0${name}`).digest('hex').slice(0, 32)}`;
}

export function deadLetterName(lane: string, seq: number): string {
  return `${lane} ${seq}`;
}

/** All that can be seen of a shard, in a form in which the model and the engine can be compared. */
export function snapshotOf(model: ShardModel) {
  return {
    lanes: Object.fromEntries(
      [...model.lanes].filter(([, { seq }]) => seq > 0).map(([name, lane]) => [name, laneSnapshot(lane)]),
    ),
    deadLetters: [...model.deadLetters.keys()].sort(),
    timers: [...model.lanes]
      .flatMap(([name, { timers }]) => [...timers].map(([key, { dueAt }]) => `${name} ${key} at ${dueAt}`))
      .sort(),
  };
}

function laneSnapshot(lane: LaneModel) {
  const place = lane.owner ? 'running' : lane.waits?.for === 'retry' ? 'retrying' : lane.waits ? 'ready' : undefined;
  return {
    seq: lane.seq,
    done: lane.done,
    turn: lane.turn,
    armed: lane.armed,
    fence: lane.owner?.fence,
    attempts: lane.attempts,
    crashes: lane.crashes,
    notBefore: lane.notBefore,
    place: place && `${place} ${lane.owner?.until ?? lane.waits?.at}`,
    held: lane.blocked ? 'blocked' : lane.paused ? 'paused' : undefined,
    paused: lane.paused,
    hasHead: !lane.empty,
    waiting: lane.waiting.map(({ seq, eventId }) => `${seq} ${eventId}`),
    replays: lane.replays.map(({ seq, eventId }) => `${seq} ${eventId}`),
    history: lane.history.map(({ at, ...item }) => ({ ...item, committedAt: at })),
    documents: Object.fromEntries([...lane.documents].map(([id, { seq, seqs }]) => [id, `${seq} ${JSON.stringify(seqs)}`])),
  };
}

export type ShardSnapshot = ReturnType<typeof snapshotOf>;

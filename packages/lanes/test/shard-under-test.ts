import { isDeepStrictEqual } from 'node:util';
import { laneOf, type Outcome } from '@syncline/events';
import type { Redis } from 'ioredis';
import type { DataSet } from '../src/data-set';
import { dataSetKey, LOG_MAX_ENTRIES, ShardKeys } from '../src/keys';
import type { Inspector } from '../src/inspector';
import { Permit } from '../src/permit';
import { type CommitRequest, LaneProtocol, newFence } from '../src/protocol';
import { decodeRecord, encodeRecord, newBodyToken, type StoredEvent } from '../src/record';
import { retention } from '../src/retention';
import { Script } from '../src/script';
import { ShardAcceptor } from '../src/shard-acceptor';
import { EventUnit, RunState } from '../src/state';
import { timerName } from '../src/timers';
import { request, silent, claimAndRead } from './harness';
import { type Answer, deadLetterName, type Keep, type Limits, type ShardSnapshot, TURN_MAX_EVENTS, type Wish } from './model';

const scripts = {
  fire: new Script('fire', 'append'),
  hold: new Script('hold'),
  seize: new Script('seize'),
  replay: new Script('replay'),
};

/** As `expect(…).toEqual`, but cheap where all is well: it is asked some hundred thousand times. */
export function expectEqual(actual: unknown, expected: unknown): void {
  if (!isDeepStrictEqual(actual, expected)) expect(actual).toEqual(expected);
}

/** A claimed lane, as the worker that claimed it holds it: also long after it has lost the lane. */
export interface Run {
  readonly lane: string;
  readonly turn: number;
  readonly fence: string;
  readonly laneNumber: number;
  readonly kind: 'run' | 'replay' | 'seized';
  /** Those not committed yet. */
  events: StoredEvent[];
  failedAttempts: number;
  readonly crashes: number;
}

/** Where the outcome of an event is still open: whether a replay is superseded is found out when it is decided. */
export type Decided = Exclude<Outcome, 'superseded'>;

/** Free or not, as the test says. */
class SetPermit extends Permit {
  free = true;
  override take(): boolean {
    return this.free;
  }
}

/** The engine's own steps on one shard in a real Redis, at a time that the test sets. */
export class ShardUnderTest {
  readonly #client: Redis;
  readonly #prefix: string;
  readonly #dataSet: DataSet;
  readonly #limits: Limits;
  readonly #now: () => number;
  readonly #inspector: Inspector;
  readonly keys: ShardKeys;
  readonly alone = new SetPermit();
  readonly protocol: LaneProtocol;

  constructor(of: {
    client: Redis;
    prefix: string;
    dataSet: DataSet;
    limits: Limits;
    inspector: Inspector;
    /** Also what `Date.now` gives while the test runs. */
    now: () => number;
  }) {
    this.#client = of.client;
    this.#prefix = of.prefix;
    this.#dataSet = of.dataSet;
    this.#limits = of.limits;
    this.#inspector = of.inspector;
    this.#now = of.now;
    this.keys = new ShardKeys(of.prefix, 0);
    this.protocol = new LaneProtocol(of.client, this.keys, { now: () => String(this.#now()), alone: this.alone });
  }

  /** Begins anew, with nothing but the data set. */
  async empty(): Promise<void> {
    const key = dataSetKey(this.#prefix);
    const dataSet = await this.#client.hgetall(key);
    await this.#client.flushall();
    await this.#client.hset(key, dataSet);
  }

  accept(lane: string, [eventId = '', ...aliases]: readonly string[], wish: Wish): Promise<Answer> {
    return new Promise((resolve, reject) => {
      let turnToArm = 0;
      const acceptor = new ShardAcceptor(
        {
          redisUrl: '',
          prefix: this.#prefix,
          shards: 1,
          acceptTimeoutMs: 0,
          tryTimeoutMs: 0,
          dedupWindowMs: () => this.#limits.dedupWindowMs,
          waitReplicas: 0,
          log: { ...silent, debug: (fields) => reject(new Error('Expected an accept at the first try', { cause: fields })) },
          onMismatch: reject,
        },
        0,
        this.#client,
        ([armed]) => {
          turnToArm = armed?.[1] ?? 0;
        },
        () => Promise.resolve(this.#dataSet),
        () => String(this.#now()),
      );
      const { event } = request('', { eventId, lane, receivedAt: this.#now(), body: JSON.stringify(wish) });
      acceptor.add({
        request: { event, aliases },
        encoded: encodeRecord(event, newBodyToken),
        deadline: Number.POSITIVE_INFINITY,
        arrival: 0,
        uncertain: false,
        settle: ({ status }) => resolve(status === 'accepted' ? [status, turnToArm] : [status]),
      });
    });
  }

  async claim(
    lane: string,
    turn: number,
    fence: string,
    maxEvents: number,
    mayTakeOneAlone: boolean,
  ): Promise<{ answer: Answer; run?: Run }> {
    this.alone.free = mayTakeOneAlone;
    const limits = { leaseMs: this.#limits.leaseMs, maxEvents, maxBytes: 1_000_000 };
    const claim = await claimAndRead(this.protocol, lane, turn, fence, limits);
    if (claim.status === 'wait') return { answer: [claim.status, claim.turnToArm] };
    if (claim.status !== 'run' && claim.status !== 'replay') return { answer: [claim.status] };
    const { status: kind, elements, ...rest } = claim;
    return { answer: [kind], run: { lane, turn, fence, kind, ...rest, events: elements.map(decodeRecord) } };
  }

  /** Decides the first events of a run as a turn does, and gives the commit, not sent yet. */
  async decide(run: Run, decisions: readonly Decided[], keep: Keep): Promise<CommitRequest> {
    const { leaseMs, historyMaxItems, historyMaxAgeMs } = this.#limits;
    const state = new RunState(this.#client, this.keys, run.lane);
    const settled = [];
    for (const [index, decided] of decisions.entries()) {
      const event = run.events[index];
      if (!event) break;
      const outcome: Outcome = decided === 'processed' ? await this.#apply(event, run.kind === 'replay', state) : decided;
      settled.push({ event, outcome, attempt: this.attemptOf(run, index) });
    }
    const kept = retention({ keys: this.keys, shard: 0, laneNumber: run.laneNumber, settled, now: this.#now(), historyMaxAgeMs });
    return {
      fence: run.fence,
      firstSeq: run.events[0]?.seq ?? 1,
      settled,
      effects: [...state.effects({ historyMaxItems, historyMaxAgeMs }), ...kept],
      followUps: state.followUps,
      ending: run.kind === 'replay' && settled.length > 0 ? 'replay' : keep || 'yield',
      leaseMs,
      historyMaxItems,
      historyMaxAgeMs,
      recentMaxBytes: 2_000,
    };
  }

  attemptOf(run: Run, index: number): number {
    if (run.kind === 'seized') return run.failedAttempts;
    return index === 0 && run.kind === 'run' ? run.failedAttempts + 1 : 1;
  }

  async #apply(event: StoredEvent, replay: boolean, state: RunState): Promise<Outcome> {
    const { document, append, timer } = JSON.parse(event.body) as Wish;
    const unit = new EventUnit(state);
    const seqs = ((await unit.get('seqs', document)) ?? []) as number[];
    unit.put('seqs', document, [...seqs, event.seq]);
    if (timer?.afterMs === null) unit.cancel(timer.key);
    else if (timer) unit.after(timer.afterMs, timer.key, { topic: 'TIMER', payload: { document } });
    const wish: Wish = { document };
    if (append) unit.append({ topic: 'APPENDED', payload: wish }, append === 'side lane' ? { sideLane: 'side' } : undefined);
    const effects = unit.close();
    const refs = effects.writes.map(([ref]) => ref);
    if (replay && (await state.holdsNewer(event.seq, refs))) return 'superseded';
    state.merge(event, effects);
    return 'processed';
  }

  async commit(lane: string, commit: CommitRequest): Promise<Answer> {
    const answer = await this.protocol.commit(lane, commit);
    expectEqual(answer.violation, undefined);
    if (answer.status === 'fenced') return ['fenced'];
    return [answer.status, 'turnToArm' in answer ? answer.turnToArm : 0, answer.armed ?? []];
  }

  async fail(run: Run, delayMs: number | 'block'): Promise<Answer> {
    const answer = await this.protocol.fail(run.lane, {
      fence: run.fence,
      seq: run.events[0]?.seq ?? 0,
      attempt: run.failedAttempts + 1,
      mode: delayMs === 'block' ? 'block' : 'retry',
      delayMs: delayMs === 'block' ? 0 : delayMs,
      error: 'failed',
    });
    return answer.status === 'retry' ? [answer.status, answer.turnToArm] : [answer.status];
  }

  async rescue(lane: string, passed: boolean): Promise<Answer> {
    const answer = await this.protocol.rescue(lane, passed ? this.#now() + 1 : 0);
    return answer.status === 'rescued' ? [answer.status, answer.turnToArm] : [answer.status];
  }

  async hold(lane: string, verb: string, forced: boolean): Promise<Answer> {
    const { keys } = this;
    return (await scripts.hold.run(
      this.#client,
      [keys.lane(lane), keys.queue(lane), keys.replays(lane), keys.ready, keys.running, keys.retrying, keys.held],
      [this.#now(), lane, verb, forced ? 1 : 0],
    )) as Answer;
  }

  async seize(lane: string, forced: boolean, seq: number | undefined): Promise<{ answer: Answer; run?: Run }> {
    const { keys } = this;
    const fence = newFence();
    const [status, laneNumber = 0, failedAttempts = 0, , element] = (await scripts.seize.run(
      this.#client,
      [keys.lane(lane), keys.queue(lane), keys.ready, keys.running, keys.retrying, keys.held],
      [this.#now(), lane, fence, this.#limits.leaseMs, forced ? 1 : 0, seq ?? ''],
    )) as [string, number?, number?, string?, string?];
    if (element === undefined) return { answer: [status] };
    const events = [decodeRecord(element)];
    return { answer: [status], run: { lane, turn: 0, fence, laneNumber, kind: 'seized', events, failedAttempts, crashes: 0 } };
  }

  async replay(lane: string, laneNumber: number, seq: number): Promise<Answer> {
    const { keys } = this;
    return (await scripts.replay.run(
      this.#client,
      [keys.lane(lane), keys.replays(lane), keys.ready, keys.heads, keys.dead, keys.deadBodies, keys.deadIndex, keys.totals],
      [this.#now(), lane, `0.${laneNumber}.${seq}`, seq],
    )) as Answer;
  }

  async fire(lane: string, key: string): Promise<Answer> {
    const { keys } = this;
    return (await scripts.fire.run(
      this.#client,
      [
        keys.timers,
        keys.timerEvents,
        keys.ready,
        keys.heads,
        keys.lanes,
        keys.log,
        keys.totals,
        keys.minute(0),
        keys.lane(lane),
        keys.queue(lane),
      ],
      [this.#now(), timerName(lane, key), lane, LOG_MAX_ENTRIES, TURN_MAX_EVENTS],
    )) as Answer;
  }

  async snapshot(): Promise<ShardSnapshot> {
    const { keys } = this;
    const client = this.#client;
    const [lanes, deadLetters, deadBodies, deadIndex, timers, timerEvents] = await Promise.all([
      client.lrange(keys.lanes, 0, -1),
      client.hgetall(keys.dead),
      client.hkeys(keys.deadBodies),
      client.zrange(keys.deadIndex, '0', '-1'),
      client.zrange(keys.timers, '0', '-1', 'WITHSCORES'),
      client.hkeys(keys.timerEvents),
    ]);
    // One dead letter, and one timer, is one entry in each of its keys.
    const ids = Object.keys(deadLetters).sort();
    expectEqual([deadBodies.sort(), deadIndex.sort()], [ids, ids]);
    const names = timers.filter((_, index) => index % 2 === 0);
    expectEqual(timerEvents.sort(), [...names].sort());
    const snapshots = await Promise.all(lanes.map((lane) => this.#lane(lane)));
    return {
      lanes: Object.fromEntries(lanes.map((lane, index) => [lane, snapshots[index]])) as ShardSnapshot['lanes'],
      deadLetters: ids
        .map((id) => id.split('.').map(Number))
        .map(([, laneNumber = 0, seq = 0]) => deadLetterName(lanes[laneNumber - 1] ?? '', seq))
        .sort(),
      timers: names.map((name, index) => `${name.replace('\n', ' ')} at ${timers[index * 2 + 1]}`).sort(),
    };
  }

  async #lane(lane: string): Promise<ShardSnapshot['lanes'][string]> {
    const { keys } = this;
    const client = this.#client;
    const [fields, waiting, replays, documents, ready, running, retrying, held, head, history] = await Promise.all([
      client.hgetall(keys.lane(lane)),
      client.lrange(keys.queue(lane), 0, -1),
      client.zrange(keys.replays(lane), '0', '-1'),
      client.hgetall(keys.documents(lane, 'seqs')),
      client.zscore(keys.ready, lane),
      client.zscore(keys.running, lane),
      client.zscore(keys.retrying, lane),
      client.hget(keys.held, lane),
      client.zscore(keys.heads, lane),
      this.#inspector.history(lane, { limit: 1_000 }),
    ]);
    const leased = fields.lease !== undefined;
    const places = Object.entries({ ready, running, retrying }).filter(([, score]) => score !== null);
    expectEqual(running, fields.lease ?? null);
    const nameOf = (element: string): string => {
      const { seq, eventId } = decodeRecord(element);
      return `${seq} ${eventId}`;
    };
    return {
      seq: Number(fields.seq),
      done: Number(fields.done ?? 0),
      turn: Number(fields.turn ?? 0),
      armed: fields.armed !== undefined,
      fence: leased ? fields.fence : undefined,
      attempts: Number(fields.attempts ?? 0),
      crashes: Number(fields.crashes ?? 0),
      notBefore: fields.notbefore === undefined ? undefined : Number(fields.notbefore),
      place: places.length === 0 ? undefined : places.map((entry) => entry.join(' ')).join(' and '),
      held: (held ?? undefined) as 'blocked' | 'paused' | undefined,
      paused: fields.paused !== undefined,
      hasHead: head !== null,
      waiting: waiting.map(nameOf),
      replays: replays.map(nameOf),
      history: history.items.map(({ position, seq, eventId, outcome, attempt, replayed, committedAt }) => ({
        position,
        seq,
        eventId,
        outcome,
        attempt,
        replayed,
        committedAt,
      })),
      documents,
    };
  }

  laneName(index: number): string {
    return laneOf('violet', String(index));
  }

  async stateOf(eventId: string): Promise<string | undefined> {
    return (await this.#inspector.event('violet', eventId))?.state;
  }
}

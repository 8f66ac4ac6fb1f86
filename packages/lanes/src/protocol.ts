import { randomBytes } from 'node:crypto';
import type { ArmedTurn } from './arming';
import type { RedisClient } from './connection';
import { encodeHistory, type Settled } from './history';
import { LOG_MAX_ENTRIES, type ShardKeys } from './keys';
import { pairs, Script } from './script';
import type { AppendedEvent, Effect } from './state';

const scripts = {
  claim: new Script('claim'),
  commit: new Script('commit', 'append'),
  fail: new Script('fail'),
  rescue: new Script('rescue'),
};

/** Proves that a turn still owns its lane. Random, because a counter would repeat after the store was rolled back. */
export function newFence(): string {
  return randomBytes(9).toString('base64url');
}

export type ClaimAnswer =
  | { status: 'stale' | 'busy' | 'held' }
  | { status: 'wait'; turnToArm: number; delayMs: number }
  | { status: 'run' | 'replay'; laneNumber: number; failedAttempts: number; crashes: number; elements: string[] };

/** `violation`: what the lane's history shows to be wrong with a commit that was done. `armed`: other lanes that follow-ups made ready. */
export type CommitAnswer = { readonly violation?: 'order' | 'duplicate'; readonly armed?: readonly ArmedTurn[] } & (
  | { status: 'fenced' | 'idle' | 'held' | 'kept' }
  | { status: 'already' | 'yielded'; turnToArm: number }
);

export type FailAnswer = { status: 'fenced' | 'blocked' } | { status: 'retry'; turnToArm: number; delayMs: number };

/** What a lane's turn was lost with: its worker, its job, or by nothing that may happen. */
export type LostTurn = 'lease' | 'arming' | 'unarmed';

export type RescueAnswer = { status: 'well' } | { status: 'rescued'; turnToArm: number; lost: LostTurn };

export interface CommitRequest {
  readonly fence: string;
  /** Seq of the first event; with no events, the seq of the lane's head. */
  readonly firstSeq: number;
  readonly settled: readonly Settled[];
  readonly effects: readonly Effect[];
  readonly followUps?: readonly AppendedEvent[];
  /** What happens to the lane when events remain: the turn goes on, or the lane waits for its next. `replay`: the event is one, and yields. */
  readonly ending: 'keep' | 'yield' | 'replay';
  readonly leaseMs: number;
  readonly historyMaxItems: number;
  readonly historyMaxAgeMs: number;
  readonly recentMaxBytes: number;
}

/** The steps of a lane's turn, one script each; the scripts' headers tell their promises. */
export class LaneProtocol {
  readonly #client: RedisClient;
  readonly #keys: ShardKeys;
  /** Sets the time in tests; the server's clock otherwise. */
  readonly #now: () => string;

  constructor(client: RedisClient, keys: ShardKeys, now: () => string = () => '') {
    this.#client = client;
    this.#keys = keys;
    this.#now = now;
  }

  async claim(
    lane: string,
    turn: number,
    fence: string,
    limits: { leaseMs: number; maxEvents: number; maxBytes: number },
  ): Promise<ClaimAnswer> {
    const keys = this.#keys;
    const [status, ...rest] = (await scripts.claim.run(
      this.#client,
      [keys.lane(lane), keys.queue(lane), keys.replays(lane), keys.ready, keys.running, keys.retrying, keys.held],
      [this.#now(), lane, turn, fence, limits.leaseMs, limits.maxEvents, limits.maxBytes],
    )) as ['stale' | 'busy' | 'held'] | ['wait', number, number] | ['run' | 'replay', number, number, number, ...string[]];
    if (status === 'wait') return { status, turnToArm: rest[0] as number, delayMs: rest[1] as number };
    if (status !== 'run' && status !== 'replay') return { status };
    const [laneNumber, failedAttempts, crashes, ...elements] = rest as [number, number, number, ...string[]];
    return { status, laneNumber, failedAttempts, crashes, elements };
  }

  async commit(lane: string, request: CommitRequest): Promise<CommitAnswer> {
    const keys = this.#keys;
    const { settled, effects, followUps = [] } = request;
    const effectKeys = [...new Set(effects.map(({ key }) => key))];
    const counters = new Map<string, number>();
    for (const { outcome } of settled) counters.set(outcome, (counters.get(outcome) ?? 0) + 1);
    const args: (string | number)[] = [
      this.#now(),
      lane,
      request.fence,
      request.firstSeq,
      request.firstSeq + settled.length - 1,
      request.ending,
      request.leaseMs,
      request.historyMaxItems,
      request.historyMaxAgeMs,
      request.recentMaxBytes,
      followUps.length,
      LOG_MAX_ENTRIES,
      settled.length,
    ];
    const replayed = request.ending === 'replay';
    for (const item of settled) args.push(item.outcome, encodeHistory(item, replayed));
    args.push(counters.size);
    for (const [name, amount] of counters) args.push(name, amount);
    args.push(effects.length);
    for (const { command, key, args: own } of effects) args.push(command, effectKeys.indexOf(key) + 1, own.length, ...own);
    for (const { lane: to, receivedAt, record } of followUps) args.push(to, receivedAt, record);
    const [status, turnToArm = 0, violation = '', ...armed] = (await scripts.commit.run(
      this.#client,
      [
        keys.lane(lane),
        keys.queue(lane),
        keys.replays(lane),
        keys.ready,
        keys.heads,
        keys.history(lane),
        keys.replayed(lane),
        keys.kept(lane),
        keys.recent,
        keys.totals,
        keys.minute(Math.floor(Date.now() / 60_000)),
        keys.running,
        keys.held,
        keys.lanes,
        keys.log,
        ...followUps.flatMap(({ lane: to }) => [keys.lane(to), keys.queue(to)]),
        ...effectKeys,
      ],
      args,
    )) as [CommitAnswer['status'], number?, ('order' | 'duplicate' | '')?, ...(string | number)[]];
    const seen = { ...(violation !== '' && { violation }), ...(armed.length > 0 && { armed: pairs(armed) }) };
    return status === 'yielded' || status === 'already' ? { status, turnToArm, ...seen } : { status, ...seen };
  }

  /** Records a failed attempt of the head. */
  async fail(
    lane: string,
    request: { fence: string; seq: number; attempt: number; mode: 'retry' | 'block'; delayMs: number; error: string },
  ): Promise<FailAnswer> {
    const keys = this.#keys;
    const [status, turnToArm = 0, delayMs = 0] = (await scripts.fail.run(
      this.#client,
      [keys.lane(lane), keys.running, keys.retrying, keys.held, keys.totals],
      [this.#now(), lane, request.fence, request.seq, request.attempt, request.mode, request.delayMs, request.error],
    )) as [FailAnswer['status'], number?, number?];
    return status === 'retry' ? { status, turnToArm, delayMs } : { status };
  }

  /** `lostBefore`: an arming older than this, in epoch milliseconds, was passed by the queue. */
  async rescue(lane: string, lostBefore: number): Promise<RescueAnswer> {
    const keys = this.#keys;
    const [status, turnToArm = 0, lost = 'lease'] = (await scripts.rescue.run(
      this.#client,
      [keys.lane(lane), keys.ready, keys.running, keys.retrying, keys.queue(lane), keys.replays(lane)],
      [this.#now(), lane, lostBefore],
    )) as [RescueAnswer['status'], number?, LostTurn?];
    return status === 'rescued' ? { status, turnToArm, lost } : { status };
  }
}

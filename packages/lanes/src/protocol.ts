import { randomBytes } from 'node:crypto';
import type { ArmedTurn } from './arming';
import type { RedisClient } from './connection';
import { Gathering } from './gathering';
import { encodeHistory, type Settled } from './history';
import { LOG_MAX_ENTRIES, type ShardKeys } from './keys';
import { Permit } from './permit';
import { sizeIn } from './record';
import { pairs, Script } from './script';
import type { AppendedEvent, Effect } from './state';

const scripts = {
  claim: new Script('claim'),
  commit: new Script('commit', 'append'),
  fail: new Script('fail'),
  rescue: new Script('rescue'),
};

const FENCE_BYTES = 9;
/** Random bytes for fences to come: to ask for many at once costs as much as for a few. */
let drawn = Buffer.alloc(0);

/** Proves that a turn still owns its lane. Random, because a counter would repeat after the store was rolled back. */
export function newFence(): string {
  if (drawn.length === 0) drawn = randomBytes(FENCE_BYTES * 256);
  const fence = drawn.toString('base64url', 0, FENCE_BYTES);
  drawn = drawn.subarray(FENCE_BYTES);
  return fence;
}

export interface Claimed {
  readonly status: 'run' | 'replay';
  readonly laneNumber: number;
  /** Of the head. */
  readonly failedAttempts: number;
  readonly crashes: number;
  readonly head: string;
  /** Events behind the head that may be taken with it. */
  readonly further: number;
}

export type ClaimAnswer =
  | { readonly status: 'stale' | 'busy' | 'held' }
  | { readonly status: 'wait'; readonly turnToArm: number; readonly delayMs: number }
  | Claimed;

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
  /**
   * What happens to the lane when events remain: the turn goes on, with `more` unless a replay waits, or the lane waits for its next. `replay`:
   * the event is one, and yields.
   */
  readonly ending: 'keep' | 'more' | 'yield' | 'replay';
  readonly leaseMs: number;
  readonly historyMaxItems: number;
  readonly historyMaxAgeMs: number;
  readonly recentMaxBytes: number;
}

/** Whether what was claimed holds the permit of those that crashed before. */
export function runsAlone(answer: ClaimAnswer): boolean {
  return (answer.status === 'run' || answer.status === 'replay') && answer.crashes >= CRASHES_BEFORE_ALONE;
}

interface ClaimRequest {
  readonly lane: string;
  readonly turn: number;
  readonly fence: string;
  readonly leaseMs: number;
}

type RawClaim =
  | ['stale' | 'busy' | 'held' | 'later']
  | ['wait', turnToArm: number, delayMs: number]
  | ['run' | 'replay', laneNumber: number, failedAttempts: number, crashes: number, head: string, further: number];

type RawCommit = ['failed', string] | [CommitAnswer['status'], number?, ('order' | 'duplicate' | '')?, ...(string | number)[]];

/** What a key must be, if it is there, for a command that changes it. */
const ANY_KIND = 'any';
const KINDS = {
  HSET: 'hash',
  HDEL: 'hash',
  ZADD: 'zset',
  ZREM: 'zset',
  ZREMRANGEBYRANK: 'zset',
  SET: ANY_KIND,
  UNLINK: ANY_KIND,
  PEXPIRE: ANY_KIND,
} as const;
/** Times that a lane was in work when its worker ended, from which on no other such lane is in work beside it. */
const CRASHES_BEFORE_ALONE = 2;
/** Times from which on the lane's head is what ends workers: the last three happened alone. */
export const CRASHES_MAX = CRASHES_BEFORE_ALONE + 3;
const CALL_MAX_LANES = 32;
const CALL_MAX_BYTES = 512 * 1024;
/** What a commit writes for an event beside what its handlers asked for: moving its record counts as writing it. */
const EVENT_OVERHEAD_BYTES = 256;
/** Events after the head that are read before anything is known of their size; each reading then takes up to twice what is there already. */
const FURTHER_AT_FIRST = 15;

/**
 * The steps of a lane's turn; the scripts' headers tell their promises. Claims of one turn of the event loop share a call, and so do
 * commits: lanes know nothing of each other, but a call costs as much as what it does for one of them.
 */
export class LaneProtocol {
  readonly #client: RedisClient;
  readonly #keys: ShardKeys;
  /** Sets the time in tests; the server's clock otherwise. */
  readonly #now: () => string;
  readonly #alone: Permit;
  readonly #claims: Gathering<ClaimRequest, ClaimAnswer>;
  readonly #commits: Gathering<SizedCommit, CommitAnswer>;

  /** @param alone held, from its claim on, for the one lane that crashed before; whoever has that lane gives it back. */
  constructor(
    client: RedisClient,
    keys: ShardKeys,
    { now = () => '', alone = new Permit() }: { now?: () => string; alone?: Permit } = {},
  ) {
    this.#client = client;
    this.#keys = keys;
    this.#alone = alone;
    this.#now = now;
    const byCount = { maxCount: CALL_MAX_LANES, sizeOf: () => 0, maxSize: 0 };
    this.#claims = new Gathering((requests) => this.#claim(requests), byCount);
    const byBytes = { maxCount: CALL_MAX_LANES, sizeOf: ({ bytes }: SizedCommit) => bytes, maxSize: CALL_MAX_BYTES };
    this.#commits = new Gathering((requests) => this.#commit(requests), byBytes);
  }

  claim(lane: string, turn: number, fence: string, leaseMs: number): Promise<ClaimAnswer> {
    return this.#claims.ask({ lane, turn, fence, leaseMs });
  }

  commit(lane: string, request: CommitRequest): Promise<CommitAnswer> {
    return this.#commits.ask({ lane, request, bytes: bytesOf(request) });
  }

  async #claim(requests: readonly ClaimRequest[]): Promise<(ClaimAnswer | undefined)[]> {
    const mayTakeOneAlone = this.#alone.take();
    let tookOne = false;
    try {
      const answers = await this.#askForLanes(requests, mayTakeOneAlone);
      tookOne = answers.some((answer) => answer !== undefined && runsAlone(answer));
      return answers;
    } finally {
      if (mayTakeOneAlone && !tookOne) this.#alone.giveBack();
    }
  }

  async #askForLanes(requests: readonly ClaimRequest[], mayTakeOneAlone: boolean): Promise<(ClaimAnswer | undefined)[]> {
    const keys = this.#keys;
    const answers = (await scripts.claim.run(
      this.#client,
      [
        keys.ready,
        keys.running,
        keys.retrying,
        keys.held,
        ...requests.flatMap(({ lane }) => [keys.lane(lane), keys.queue(lane), keys.replays(lane)]),
      ],
      [
        this.#now(),
        requests.length,
        CALL_MAX_BYTES,
        CRASHES_BEFORE_ALONE,
        mayTakeOneAlone ? 1 : 0,
        ...requests.flatMap(({ lane, turn, fence, leaseMs }) => [lane, turn, fence, leaseMs]),
      ],
    )) as RawClaim[];
    return requests.map((_, index): ClaimAnswer | undefined => {
      const answer = answers[index];
      if (answer === undefined || answer[0] === 'later') return undefined;
      if (answer[0] === 'wait') return { status: answer[0], turnToArm: answer[1], delayMs: answer[2] };
      if (answer[0] !== 'run' && answer[0] !== 'replay') return { status: answer[0] };
      const [status, laneNumber, failedAttempts, crashes, head, further] = answer;
      return { status, laneNumber, failedAttempts, crashes, head, further };
    });
  }

  /**
   * Events from a lane's head on, `known` being the first of them, up to a number and a size in bytes; the head is always among them.
   * Read outside the claim: a script would be slower. Undefined when the lane was lost meanwhile.
   */
  async read(
    lane: string,
    fence: string,
    most: { readonly events: number; readonly bytes: number },
    known: readonly string[] = [],
  ): Promise<string[] | undefined> {
    if (known.length >= most.events) return [...known];
    const elements = [...known];
    let bytes = elements.reduce((sum, element) => sum + sizeIn(element), 0);
    for (let size = FURTHER_AT_FIRST; elements.length < most.events && bytes < most.bytes; size = elements.length * 2) {
      const from = elements.length;
      const read = await this.#client.lrange(this.#keys.queue(lane), from, Math.min(from + size, most.events) - 1);
      const fitting = read.findIndex((element, index) => {
        bytes += sizeIn(element);
        return bytes > most.bytes && from + index > 0;
      });
      elements.push(...(fitting < 0 ? read : read.slice(0, fitting)));
      if (read.length < Math.min(size, most.events - from)) break;
    }
    // Only the holder of the fence takes events away: held after the reading, the lane was held all through it.
    const held = await this.#client.hget(this.#keys.lane(lane), 'fence');
    return held === fence ? elements : undefined;
  }

  async #commit(requests: readonly SizedCommit[]): Promise<(CommitAnswer | Error)[]> {
    const keys = this.#keys;
    const keyNames = [
      keys.ready,
      keys.heads,
      keys.recent,
      keys.totals,
      keys.minute(Math.floor(Date.now() / 60_000)),
      keys.running,
      keys.held,
      keys.lanes,
      keys.log,
    ];
    const recentMaxBytes = Math.min(...requests.map(({ request }) => request.recentMaxBytes));
    const args: (string | number)[] = [this.#now(), requests.length, LOG_MAX_ENTRIES, recentMaxBytes];
    for (const { lane, request } of requests) this.#encode(lane, request, keyNames, args);
    const answers = (await scripts.commit.run(this.#client, keyNames, args)) as RawCommit[];
    return answers.map((answer) => {
      if (answer[0] === 'failed') return new Error(answer[1]);
      const [status, turnToArm = 0, violation = '', ...armed] = answer;
      const seen = { ...(violation !== '' && { violation }), ...(armed.length > 0 && { armed: pairs(armed) }) };
      return status === 'yielded' || status === 'already' ? { status, turnToArm, ...seen } : { status, ...seen };
    });
  }

  /** Appends the keys and arguments of one run. */
  #encode(lane: string, request: CommitRequest, keyNames: string[], args: (string | number)[]): void {
    const keys = this.#keys;
    const { settled, effects, followUps = [] } = request;
    const effectKeys = new Map<string, { place: number; kind: string }>();
    for (const { command, key } of effects) {
      const known = effectKeys.get(key);
      const kind = KINDS[command];
      if (!known) effectKeys.set(key, { place: effectKeys.size + 1, kind });
      else if (known.kind === ANY_KIND) known.kind = kind;
    }
    const counters = new Map<string, number>();
    for (const { outcome } of settled) counters.set(outcome, (counters.get(outcome) ?? 0) + 1);

    const firstKey = keyNames.length;
    keyNames.push(
      keys.lane(lane),
      keys.queue(lane),
      keys.replays(lane),
      keys.history(lane),
      keys.replayed(lane),
      keys.kept(lane),
    );
    for (const { lane: to } of followUps) keyNames.push(keys.lane(to), keys.queue(to));
    keyNames.push(...effectKeys.keys());

    const firstArg = args.length;
    args.push(
      keyNames.length - firstKey,
      0,
      lane,
      request.fence,
      request.firstSeq,
      request.firstSeq + settled.length - 1,
      request.ending,
      request.leaseMs,
      request.historyMaxItems,
      request.historyMaxAgeMs,
      followUps.length,
      settled.length,
      settled.reduce((bytes, { event }) => bytes + event.recordBytes, 0),
      ...[...effectKeys.values()].map(({ kind }) => kind),
    );
    const replayed = request.ending === 'replay';
    for (const item of settled) args.push(item.outcome, encodeHistory(item, replayed));
    args.push(counters.size);
    for (const [name, amount] of counters) args.push(name, amount);
    args.push(effects.length);
    for (const { command, key, args: own } of effects) args.push(command, effectKeys.get(key)?.place ?? 0, own.length, ...own);
    for (const { lane: to, receivedAt, record } of followUps) args.push(to, receivedAt, record);
    args[firstArg + 1] = args.length - firstArg;
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

interface SizedCommit {
  readonly lane: string;
  readonly request: CommitRequest;
  readonly bytes: number;
}

/** About how many bytes a commit moves and writes. */
function bytesOf({ settled, effects, followUps = [] }: CommitRequest): number {
  let bytes = 0;
  for (const { event } of settled) bytes += EVENT_OVERHEAD_BYTES + event.recordBytes;
  for (const { args } of effects) for (const arg of args) bytes += String(arg).length;
  for (const { record } of followUps) bytes += record.length;
  return bytes;
}

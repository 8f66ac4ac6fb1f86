import { Arming } from './arming';
import { closeConnection, openConnection, type RedisClient } from './connection';
import { createInspector, type Inspector, type InspectorSettings } from './inspector';
import { ShardKeys, shardOf } from './keys';
import { LaneProtocol, newFence } from './protocol';
import type { DeadLetter } from './readings';
import { decodeRecord } from './record';
import { Script } from './script';

export type LaneVerb = 'pause' | 'resume' | 'retry-head' | 'skip-head';
export const laneVerbs: readonly LaneVerb[] = ['pause', 'resume', 'retry-head', 'skip-head'];

/** `running`: a turn is under way; ask again, or force it. `empty`: there is no head to skip. `moved`: the head is another event. */
export type VerbAnswer = 'done' | 'unknown' | 'running' | 'empty' | 'moved';

export interface VerbOptions {
  /** Also while a turn of the lane is under way. */
  readonly force?: boolean;
  /** skip-head: the seq of the head that is meant, so that no other event is skipped that became the head meanwhile. */
  readonly seq?: number | undefined;
}

/** `superseded` and the like show only when the replayed event is processed; `placeless`: a quarantined event never had a place in a lane. */
export type ReplayAnswer = 'replayed' | 'unknown' | 'placeless';

export interface DeadLetterFilter {
  readonly source?: string | undefined;
  readonly topic?: string | undefined;
  readonly reason?: string | undefined;
}

/** What an operator does to lanes and dead letters by hand. All promises reject when Redis cannot be reached. */
export interface Operator {
  /**
   * - pause: nothing of the lane is attempted until it is resumed; events are still accepted
   * - resume: undoes pause
   * - retry-head: attempts a blocked or waiting head now
   * - skip-head: sets the head aside as `discarded`, and the lane goes on
   *
   * A lane whose turn is under way answers `running` unless forced; a forced skip fences that turn.
   */
  act(lane: string, verb: LaneVerb, options?: VerbOptions): Promise<VerbAnswer>;
  /** Puts a dead letter back into its lane, in its place, for one attempt. */
  replay(id: string): Promise<ReplayAnswer>;
  /** Replays the newest `limit` that a filter finds, oldest of them first; a dry run only counts. */
  replayAll(
    filter: DeadLetterFilter,
    options: { limit: number; dryRun: boolean },
  ): Promise<{ matched: number; replayed: number }>;
  /** Gives a dead letter up for good. False when there is none. */
  discard(id: string): Promise<boolean>;
  stop(): Promise<void>;
}

const scripts = { hold: new Script('hold'), seize: new Script('seize'), replay: new Script('replay') };

const ACT_TIMEOUT_MS = 5_000;
const LEASE_MS = 10_000;
/** The workers keep the bounds of history: a commit by hand removes nothing. */
const UNBOUNDED = { historyMaxItems: 1e9, historyMaxAgeMs: 0, recentMaxBytes: 1e9 };
const PAGE = 1_000;

export function createOperator(settings: InspectorSettings): Operator {
  return new RedisOperator(settings);
}

class RedisOperator implements Operator {
  readonly #client: RedisClient;
  readonly #arming: Arming;
  readonly #inspector: Inspector;
  readonly #settings: InspectorSettings;

  constructor(settings: InspectorSettings) {
    this.#settings = settings;
    this.#client = openConnection(settings.redisUrl, { kind: 'accept', timeoutMs: ACT_TIMEOUT_MS });
    this.#client.on('error', (error: Error) => settings.log.debug({ err: error }, 'operating connection'));
    this.#arming = new Arming({ client: this.#client, prefix: settings.prefix, shards: settings.shards, log: settings.log });
    this.#inspector = createInspector(settings);
  }

  async act(lane: string, verb: LaneVerb, { force = false, seq }: VerbOptions = {}): Promise<VerbAnswer> {
    if (verb === 'skip-head') return await this.#skipHead(lane, force, seq);
    const { keys, shard } = this.#place(lane);
    const [answer, turn = 0] = (await scripts.hold.run(
      this.#client,
      [keys.lane(lane), keys.queue(lane), keys.replays(lane), keys.ready, keys.running, keys.retrying, keys.held],
      ['', lane, verb, force ? 1 : 0],
    )) as [VerbAnswer, number?];
    if (turn > 0) this.#arming.arm(shard, [[lane, turn]]);
    return answer;
  }

  /** Seizes the lane and commits its head as discarded. Ending between the two leaves a lease that passes, and the lane is rescued. */
  async #skipHead(lane: string, force: boolean, seq: number | undefined): Promise<VerbAnswer> {
    const { keys, shard } = this.#place(lane);
    const fence = newFence();
    const [answer, , attempts = 0, , element = ''] = (await scripts.seize.run(
      this.#client,
      [keys.lane(lane), keys.queue(lane), keys.ready, keys.running, keys.retrying, keys.held],
      ['', lane, fence, LEASE_MS, force ? 1 : 0, seq ?? ''],
    )) as ['unknown' | 'running' | 'empty' | 'moved'] | ['seized', number, number, string, string];
    if (answer !== 'seized') return answer;
    const event = decodeRecord(element);
    const effects =
      event.bodyToken === undefined ? [] : [{ command: 'UNLINK' as const, key: keys.body(event.bodyToken), args: [] }];
    const committed = await new LaneProtocol(this.#client, keys).commit(lane, {
      fence,
      firstSeq: event.seq,
      settled: [{ event, outcome: 'discarded', attempt: attempts }],
      effects,
      ending: 'yield',
      leaseMs: LEASE_MS,
      ...UNBOUNDED,
    });
    if ('turnToArm' in committed && committed.turnToArm > 0) this.#arming.arm(shard, [[lane, committed.turnToArm]]);
    return committed.status === 'fenced' ? 'running' : 'done';
  }

  async replay(id: string): Promise<ReplayAnswer> {
    const letter = await this.#inspector.deadLetter(id);
    if (!letter) return 'unknown';
    const [, laneNumber, seq] = id.split('.').map(Number);
    if (laneNumber === 0 || seq === undefined) return 'placeless';
    const { lane } = letter;
    const { keys, shard } = this.#place(lane);
    const [answer, turn = 0] = (await scripts.replay.run(
      this.#client,
      [keys.lane(lane), keys.replays(lane), keys.ready, keys.heads, keys.dead, keys.deadBodies, keys.deadIndex, keys.totals],
      ['', lane, id, seq],
    )) as ['unknown' | 'replayed', number?];
    if (turn > 0) this.#arming.arm(shard, [[lane, turn]]);
    return answer;
  }

  async replayAll(
    filter: DeadLetterFilter,
    { limit, dryRun }: { limit: number; dryRun: boolean },
  ): Promise<{ matched: number; replayed: number }> {
    const found: DeadLetter[] = [];
    let cursor: string | undefined;
    do {
      const page = await this.#inspector.deadLetters(filter, { limit: Math.min(PAGE, limit - found.length), cursor });
      found.push(...page.items);
      cursor = page.nextCursor ?? undefined;
    } while (cursor !== undefined && found.length < limit);
    let replayed = 0;
    // Oldest first, as they happened: a later one may build on an earlier one.
    if (!dryRun) for (const { id } of found.reverse()) if ((await this.replay(id)) === 'replayed') replayed++;
    return { matched: found.length, replayed };
  }

  async discard(id: string): Promise<boolean> {
    const shard = Number(/^(\d{1,5})\.\d{1,10}\.\d{1,16}$/.exec(id)?.[1] ?? -1);
    if (shard < 0 || shard >= this.#settings.shards) return false;
    const keys = new ShardKeys(this.#settings.prefix, shard);
    const answers = await this.#client.multi().zrem(keys.deadIndex, id).hdel(keys.dead, id).hdel(keys.deadBodies, id).exec();
    return answers?.[0]?.[1] === 1;
  }

  async stop(): Promise<void> {
    await this.#arming.close();
    await this.#inspector.stop();
    closeConnection(this.#client);
  }

  #place(lane: string): { keys: ShardKeys; shard: number } {
    const shard = shardOf(lane, this.#settings.shards);
    return { keys: new ShardKeys(this.#settings.prefix, shard), shard };
  }
}

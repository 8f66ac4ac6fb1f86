import { randomBytes } from 'node:crypto';
import { Queue } from 'bullmq';
import type { RedisClient } from './connection';
import { ShardKeys } from './keys';
import type { Logger } from './logger';

/** A lane and the turn that it is armed for. */
export type ArmedTurn = [lane: string, turn: number];

/** What a turn job carries: the lanes that it lets make progress, each guarded by its turn number. */
export interface TurnJob {
  readonly lanes: ArmedTurn[];
}

export const TURN_QUEUE = 'turns';

/** Most lanes that one job carries. */
const JOB_MAX_LANES = 32;
/** BullMQ's event stream is not used, and cannot be turned off. */
const EVENT_STREAM_ENTRIES = 100;

/**
 * Tells BullMQ that lanes are to be given turns. The turns armed in one turn of the event loop share jobs. An arming that fails is
 * not lost: the lane stays armed in the store and is rescued.
 */
export class Arming {
  readonly #queues: Queue<TurnJob>[];
  readonly #log: Logger;
  readonly #gathered: ArmedTurn[][];
  readonly #underWay = new Set<Promise<void>>();
  #flushing = false;

  constructor({ client, prefix, shards, log }: { client: RedisClient; prefix: string; shards: number; log: Logger }) {
    this.#log = log;
    this.#gathered = Array.from({ length: shards }, () => []);
    this.#queues = Array.from({ length: shards }, (_, shard) => {
      const queue = new Queue<TurnJob>(TURN_QUEUE, {
        connection: client,
        prefix: new ShardKeys(prefix, shard).base,
        skipWaitingForReady: true,
        skipVersionCheck: true,
        skipMetasUpdate: true,
        streams: { events: { maxLen: EVENT_STREAM_ENTRIES } },
      });
      queue.on('error', (error) => log.debug({ err: error, shard }, 'turn queue'));
      return queue;
    });
  }

  /** Arms turns that may be taken now. */
  arm(shard: number, turns: readonly ArmedTurn[]): void {
    this.#gathered[shard]?.push(...turns);
    if (this.#flushing) return;
    this.#flushing = true;
    setImmediate(() => this.#flush());
  }

  /** Arms one turn by a job of its own, to be taken after a delay. */
  armAlone(shard: number, turn: ArmedTurn, delayMs = 0): void {
    this.#add(shard, [turn], delayMs);
  }

  async close(): Promise<void> {
    this.#flush();
    await Promise.all(this.#underWay);
    await Promise.all(this.#queues.map((queue) => queue.close()));
  }

  #flush(): void {
    this.#flushing = false;
    for (const [shard, gathered] of this.#gathered.entries()) {
      while (gathered.length > 0) this.#add(shard, gathered.splice(0, JOB_MAX_LANES), 0);
    }
  }

  #add(shard: number, lanes: ArmedTurn[], delay: number): void {
    const queue = this.#queues[shard];
    const [first] = lanes;
    if (!queue || !first) return;
    // Made of lane and turn, so that arming a turn again adds nothing; base64url keeps it free of BullMQ's separator. A job of several
    // lanes must not be swallowed with its first one.
    const several = lanes.length > 1 ? `.${randomBytes(6).toString('base64url')}` : '';
    const jobId = `${Buffer.from(first[0]).toString('base64url')}.${first[1]}${several}`;
    const added = queue.add('turn', { lanes }, { jobId, delay, attempts: 1, removeOnComplete: true, removeOnFail: true }).then(
      () => undefined,
      (error: unknown) => this.#log.debug({ err: error, shard, lanes: lanes.length }, 'arming failed; the lanes will be rescued'),
    );
    this.#underWay.add(added);
    void added.finally(() => this.#underWay.delete(added));
  }
}

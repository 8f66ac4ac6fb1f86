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
    setImmediate(() => {
      this.#flushing = false;
      for (const [shardNumber, gathered] of this.#gathered.entries()) {
        while (gathered.length > 0) this.#add(shardNumber, gathered.splice(0, JOB_MAX_LANES), 0);
      }
    });
  }

  /** Arms one turn that may be taken after a delay. */
  armLater(shard: number, turn: ArmedTurn, delayMs: number): void {
    this.#add(shard, [turn], delayMs);
  }

  async close(): Promise<void> {
    await Promise.all(this.#underWay);
    await Promise.all(this.#queues.map((queue) => queue.close()));
  }

  #add(shard: number, lanes: ArmedTurn[], delay: number): void {
    const queue = this.#queues[shard];
    const [first] = lanes;
    if (!queue || !first) return;
    // A turn is armed once, so an id made of lane and turn never repeats; base64url keeps it free of BullMQ's separator.
    const jobId = `${Buffer.from(first[0]).toString('base64url')}.${first[1]}`;
    const added = queue.add('turn', { lanes }, { jobId, delay, attempts: 1, removeOnComplete: true, removeOnFail: true }).then(
      () => undefined,
      (error: unknown) => this.#log.debug({ err: error, shard, lanes: lanes.length }, 'arming failed; the lanes will be rescued'),
    );
    this.#underWay.add(added);
    void added.finally(() => this.#underWay.delete(added));
  }
}

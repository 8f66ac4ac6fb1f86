import { crc32 } from 'node:zlib';
import { merchantLaneOf } from '@syncline/events';

/** Which shard holds a lane, and the lanes beside it. Fixed for a data set: see `data-set.ts`. */
export function shardOf(lane: string, shards: number): number {
  return crc32(merchantLaneOf(lane)) % shards;
}

/** Entries that the log of received events is cut to; one holds the events of one call. */
export const LOG_MAX_ENTRIES = 20_000;

/**
 * Every Redis key of one shard. The braces are a hash tag: on a cluster the whole shard, its BullMQ queue included, lives in one
 * slot, so that each step of the protocol is one script.
 */
export class ShardKeys {
  /** Also BullMQ's prefix. */
  readonly base: string;
  /** Sorted set: lane → when it was armed; it waits for its turn to be claimed. */
  readonly ready: string;
  /** Sorted set: lane → end of its lease. */
  readonly running: string;
  /** Sorted set: lane → when its head may be attempted again. */
  readonly retrying: string;
  /** Hash: lane → `paused` or `blocked`. */
  readonly held: string;
  /** Sorted set: lane that holds events → when its head was received. */
  readonly heads: string;
  /** Sorted set: timer (lane, line feed, key) → when it is due. */
  readonly timers: string;
  /** Hash: timer → record of its event. */
  readonly timerEvents: string;
  /** List of every lane ever seen: a lane's number is its place, from 1. */
  readonly lanes: string;
  /** Stream of what was accepted, in order of receipt: `number seq` pairs, number 0 for dead letters. Bounded. */
  readonly log: string;
  /** List of the records committed last, bounded in bytes. */
  readonly recent: string;
  /** Hash: counters since the data set began. */
  readonly totals: string;
  /** Hash: dead letter id → its description. */
  readonly dead: string;
  /** Hash: dead letter id → the event's record. */
  readonly deadBodies: string;
  /** Sorted set: dead letter id → when it died. */
  readonly deadIndex: string;

  constructor(prefix: string, shard: number) {
    this.base = `{${prefix}:${shard}}`;
    this.ready = `${this.base}:ready`;
    this.running = `${this.base}:running`;
    this.retrying = `${this.base}:retrying`;
    this.held = `${this.base}:held`;
    this.heads = `${this.base}:heads`;
    this.timers = `${this.base}:timers`;
    this.timerEvents = `${this.base}:timer-events`;
    this.lanes = `${this.base}:lanes`;
    this.log = `${this.base}:log`;
    this.recent = `${this.base}:recent`;
    this.totals = `${this.base}:totals`;
    this.dead = `${this.base}:dead`;
    this.deadBodies = `${this.base}:dead-bodies`;
    this.deadIndex = `${this.base}:dead-index`;
  }

  /** Hash: the lane's standing. Never deleted: its turn and seq must never go back. */
  lane(lane: string): string {
    return `${this.base}:lane:${lane}`;
  }

  /** List of the lane's waiting events, head first; see `record.ts` for an element's form. */
  queue(lane: string): string {
    return `${this.base}:queue:${lane}`;
  }

  /** Sorted set of dead letters put back into the lane, by seq: attempted before the queue. */
  replays(lane: string): string {
    return `${this.base}:replays:${lane}`;
  }

  /** List of the lane's committed events, oldest first. */
  history(lane: string): string {
    return `${this.base}:history:${lane}`;
  }

  /** Hash: seq → position in the history at which its replay was committed. */
  replayed(lane: string): string {
    return `${this.base}:replayed:${lane}`;
  }

  /** Hash: seq → record of an event that no handler took, kept as long as its history. */
  kept(lane: string): string {
    return `${this.base}:kept:${lane}`;
  }

  /** Hash: document id → JSON, one collection of one merchant's state. */
  documents(lane: string, collection: string): string {
    return `${this.base}:state:${collection}:${lane}`;
  }

  /** Sorted set: documents of a merchant that were removed, by the seq that removed them, as far back as its history goes. */
  removed(lane: string): string {
    return `${this.base}:removed:${lane}`;
  }

  /** String: a body too large to travel with its record. */
  body(token: string): string {
    return `${this.base}:body:${token}`;
  }

  /** Hash of digests of ids: one of many buckets of one slice of time. */
  seen(source: string, slice: number, bucket: number): string {
    return `${this.base}:seen:${source}:${slice}:${bucket}`;
  }

  /** Hash: counters of one minute. */
  minute(minute: number): string {
    return `${this.base}:minute:${minute}`;
  }
}

/** Hash: what is fixed for a data set. */
export function dataSetKey(prefix: string): string {
  return `{${prefix}:0}:data-set`;
}

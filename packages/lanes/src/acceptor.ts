import type { Event } from '@syncline/events';
import { Arming } from './arming';
import { closeConnection, openConnection, type RedisClient } from './connection';
import { type DataSet, DataSetMismatchError, openDataSet } from './data-set';
import { shardOf } from './keys';
import type { Logger } from './logger';
import { encodeRecord, newBodyToken } from './record';
import { type Pending, ShardAcceptor } from './shard-acceptor';
import { StoreRoom } from './store-room';

/** An event to keep: `aliases` are further event ids under which it is to be found and known again. */
export interface AcceptRequest {
  readonly event: Event;
  readonly aliases: readonly string[];
  /** Present when the event cannot be processed as it is: it is then kept as a dead letter with this reason. */
  readonly quarantine?: { readonly reason: string; readonly message: string };
}

/**
 * - accepted: durable, in its lane (or, quarantined, among the dead letters)
 * - duplicate: the event was durable before
 * - full: the store has no room; nothing was kept
 * - overloaded: too many requests are already waiting for the store; nothing was kept
 * - timeout: not known to be durable within the deadline; it may still have been kept, so the sender should repeat it
 */
export type AcceptResult = { readonly status: 'accepted' | 'duplicate' | 'full' | 'overloaded' | 'timeout' };

/** Makes events durable. `accept` never rejects. */
export interface Acceptor {
  accept(request: AcceptRequest): Promise<AcceptResult>;
  /** True when the store has answered within the last seconds and has room. */
  readonly ready: boolean;
  /** Requests that wait for the store now. */
  readonly waiting: number;
  start(): void;
  /**
   * Goes on until nothing waits any more, or `graceMs` are over: what still waits then is answered `timeout`. Closes the connections.
   * Idempotent.
   */
  stop(graceMs: number): Promise<void>;
}

export interface AcceptorSettings {
  readonly redisUrl: string;
  readonly prefix: string;
  readonly shards: number;
  /** How long a request may wait to become durable, its repeated tries included. */
  readonly acceptTimeoutMs: number;
  /** How long one try may take. */
  readonly tryTimeoutMs: number;
  /** How long an id of a source is remembered. */
  readonly dedupWindowMs: (source: string) => number;
  /** Replicas that must hold an event before it counts as durable. */
  readonly waitReplicas: number;
  /** What one Redis may hold at most, in bytes, whatever its `maxmemory`; 0 for no such limit. */
  readonly storeMaxBytes?: number;
  readonly log: Logger;
  /** Called once when the configuration does not fit the stored data: the process should end. */
  readonly onMismatch: (error: DataSetMismatchError) => void;
}

const WAITING_MAX_REQUESTS = 10_000;
const WAITING_MAX_BYTES = 128 * 1024 * 1024;
const SWEEP_MS = 50;

export function createAcceptor(settings: AcceptorSettings): Acceptor {
  return new BatchingAcceptor(settings);
}

/**
 * Gathers the accepts of one turn of the event loop into one script call per shard, and repeats a call that failed until each
 * request's deadline: dedup makes that safe.
 */
class BatchingAcceptor implements Acceptor {
  readonly #settings: AcceptorSettings;
  readonly #client: RedisClient;
  readonly #arming: Arming;
  readonly #room: StoreRoom;
  readonly #shards: ShardAcceptor[];
  #dataSet: Promise<DataSet> | undefined;
  #opened = false;
  #mismatched = false;
  #sweeper: NodeJS.Timeout | undefined;
  #waiting = 0;
  #waitingBytes = 0;
  #arrivals = 0;
  #stopping = false;
  #stopped = false;

  constructor(settings: AcceptorSettings) {
    this.#settings = settings;
    this.#client = openConnection(settings.redisUrl, { kind: 'accept', timeoutMs: settings.tryTimeoutMs });
    this.#client.on('error', (error: Error) => settings.log.debug({ err: error }, 'accepting connection'));
    this.#room = new StoreRoom(this.#client, { maxBytes: settings.storeMaxBytes ?? 0, log: settings.log });
    this.#arming = new Arming({ client: this.#client, prefix: settings.prefix, shards: settings.shards, log: settings.log });
    this.#shards = Array.from(
      { length: settings.shards },
      (_, shard) =>
        new ShardAcceptor(
          settings,
          shard,
          this.#client,
          (turns) => this.#arming.arm(shard, turns),
          () => this.#open(),
        ),
    );
  }

  get ready(): boolean {
    return this.#opened && this.#room.answering && !this.#room.full;
  }

  get waiting(): number {
    return this.#waiting;
  }

  start(): void {
    this.#room.start();
    const open = (): void => {
      this.#open().catch((error: unknown) => this.#settings.log.debug({ err: error }, 'the data set is not open yet'));
    };
    this.#client.on('ready', open);
    if (this.#client.status === 'ready') open();
  }

  accept(request: AcceptRequest): Promise<AcceptResult> {
    if (this.#stopped) return Promise.resolve({ status: 'overloaded' });
    if (this.#room.full) return Promise.resolve({ status: 'full' });
    const encoded = encodeRecord(request.event, request.quarantine ? undefined : newBodyToken);
    if (!this.#room.hasRoomFor(this.#waitingBytes + encoded.bytes)) return Promise.resolve({ status: 'full' });
    if (this.#waiting >= WAITING_MAX_REQUESTS || this.#waitingBytes + encoded.bytes > WAITING_MAX_BYTES) {
      return Promise.resolve({ status: 'overloaded' });
    }
    this.#waiting++;
    this.#waitingBytes += encoded.bytes;
    this.#sweeper ??= setInterval(() => this.#sweep(), SWEEP_MS);
    return new Promise((resolve) => {
      const settle = (result: AcceptResult): void => {
        this.#waiting--;
        this.#waitingBytes -= encoded.bytes;
        if (result.status === 'accepted') this.#room.took(encoded.bytes);
        pending.settle = undefined;
        resolve(result);
      };
      const pending: Pending = {
        request,
        encoded,
        // Deadlines are looked at every so often: none may be missed by that.
        deadline: performance.now() + this.#settings.acceptTimeoutMs - SWEEP_MS,
        arrival: this.#arrivals++,
        uncertain: false,
        settle,
      };
      this.#shards[shardOf(request.event.lane, this.#settings.shards)]?.add(pending);
    });
  }

  async stop(graceMs: number): Promise<void> {
    if (this.#stopping) return;
    this.#stopping = true;
    const giveUp = setTimeout(() => {
      for (const shard of this.#shards) shard.expire(Number.POSITIVE_INFINITY);
    }, graceMs);
    await Promise.all(this.#shards.map((shard) => shard.drained()));
    clearTimeout(giveUp);
    this.#stopped = true;
    clearInterval(this.#sweeper);
    this.#room.stop();
    await this.#arming.close();
    closeConnection(this.#client);
  }

  #open(): Promise<DataSet> {
    this.#dataSet ??= openDataSet(this.#client, this.#settings.prefix, this.#settings.shards).then(
      (dataSet) => {
        this.#opened = true;
        return dataSet;
      },
      (error: unknown) => {
        this.#dataSet = undefined;
        if (error instanceof DataSetMismatchError && !this.#mismatched) {
          this.#mismatched = true;
          this.#settings.onMismatch(error);
        }
        throw error;
      },
    );
    return this.#dataSet;
  }

  #sweep(): void {
    const now = performance.now();
    for (const shard of this.#shards) shard.expire(now);
    if (this.#waiting > 0) return;
    clearInterval(this.#sweeper);
    this.#sweeper = undefined;
  }
}

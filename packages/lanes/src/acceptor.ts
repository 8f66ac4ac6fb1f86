import { randomBytes } from 'node:crypto';
import type { Event } from '@syncline/events';
import { Arming, type ArmedTurn } from './arming';
import { closeConnection, openConnection, type RedisClient } from './connection';
import { type DataSet, DataSetMismatchError, openDataSet } from './data-set';
import { placeOf, sliceLifeMs, slicesAround } from './dedup';
import { shardOf, ShardKeys } from './keys';
import type { Logger } from './logger';
import { type EncodedRecord, encodeRecord } from './record';
import { Script } from './script';
import { LOG_MAX_ENTRIES } from './timers';
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
  /** Answers what is still waiting, then closes the connections. Idempotent. */
  stop(): Promise<void>;
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
  readonly log: Logger;
  /** Called once when the configuration does not fit the stored data: the process should end. */
  readonly onMismatch: (error: DataSetMismatchError) => void;
}

const acceptScript = new Script('accept', 'append');

const BATCH_MAX_EVENTS = 32;
const BATCH_MAX_BYTES = 256 * 1024;
/** Calls under way at once in a shard: while they are, the next batch gathers. */
const CALLS_MAX = 4;
const WAITING_MAX_REQUESTS = 10_000;
const WAITING_MAX_BYTES = 128 * 1024 * 1024;
const TRY_AGAIN_MS = 50;
const SWEEP_MS = 50;

interface Pending {
  readonly request: AcceptRequest;
  readonly encoded: EncodedRecord;
  readonly bodyToken: string;
  readonly deadline: number;
  readonly arrival: number;
  /** An earlier try of this request may have run: a duplicate is then most likely its own. */
  uncertain: boolean;
  settle: ((result: AcceptResult) => void) | undefined;
}

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
  #sweeper: NodeJS.Timeout | undefined;
  #waiting = 0;
  #waitingBytes = 0;
  #arrivals = 0;
  #stopped = false;

  constructor(settings: AcceptorSettings) {
    this.#settings = settings;
    this.#client = openConnection(settings.redisUrl, { kind: 'accept', timeoutMs: settings.tryTimeoutMs });
    this.#client.on('error', (error: Error) => settings.log.debug({ err: error }, 'accepting connection'));
    this.#room = new StoreRoom(this.#client, settings.log);
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
    this.#sweeper ??= setInterval(() => this.#sweep(), SWEEP_MS);
    this.#open().catch(() => undefined);
  }

  accept(request: AcceptRequest): Promise<AcceptResult> {
    if (this.#stopped) return Promise.resolve({ status: 'overloaded' });
    if (this.#room.full) return Promise.resolve({ status: 'full' });
    const bodyToken = randomBytes(12).toString('base64url');
    const encoded = encodeRecord(request.event, request.quarantine ? undefined : bodyToken);
    if (this.#waiting >= WAITING_MAX_REQUESTS || this.#waitingBytes + encoded.bytes > WAITING_MAX_BYTES) {
      return Promise.resolve({ status: 'overloaded' });
    }
    this.#waiting++;
    this.#waitingBytes += encoded.bytes;
    return new Promise((resolve) => {
      const settle = (result: AcceptResult): void => {
        this.#waiting--;
        this.#waitingBytes -= encoded.bytes;
        pending.settle = undefined;
        resolve(result);
      };
      const pending: Pending = {
        request,
        encoded,
        bodyToken,
        deadline: Date.now() + this.#settings.acceptTimeoutMs,
        arrival: this.#arrivals++,
        uncertain: false,
        settle,
      };
      this.#shards[shardOf(request.event.lane, this.#settings.shards)]?.add(pending);
    });
  }

  async stop(): Promise<void> {
    if (this.#stopped) return;
    this.#stopped = true;
    await Promise.all(this.#shards.map((shard) => shard.drain()));
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
        if (error instanceof DataSetMismatchError) this.#settings.onMismatch(error);
        throw error;
      },
    );
    return this.#dataSet;
  }

  #sweep(): void {
    const now = Date.now();
    if (!this.#opened && this.#waiting === 0) this.#open().catch(() => undefined);
    for (const shard of this.#shards) shard.expire(now);
  }
}

/** One shard's queue of accepts. */
class ShardAcceptor {
  readonly #settings: AcceptorSettings;
  readonly #shard: number;
  readonly #keys: ShardKeys;
  readonly #client: RedisClient;
  readonly #arm: (turns: ArmedTurn[]) => void;
  readonly #open: () => Promise<DataSet>;
  #queue: Pending[] = [];
  readonly #underWay = new Set<Pending>();
  #calls = 0;
  #flushing: NodeJS.Immediate | undefined;
  #pause: NodeJS.Timeout | undefined;
  #drained: (() => void) | undefined;

  constructor(
    settings: AcceptorSettings,
    shard: number,
    client: RedisClient,
    arm: (turns: ArmedTurn[]) => void,
    open: () => Promise<DataSet>,
  ) {
    this.#settings = settings;
    this.#shard = shard;
    this.#keys = new ShardKeys(settings.prefix, shard);
    this.#client = client;
    this.#arm = arm;
    this.#open = open;
  }

  add(pending: Pending): void {
    this.#queue.push(pending);
    this.#schedule();
  }

  /** Answers the requests whose time is over. One that is under way may still become durable: that is what `timeout` says. */
  expire(now: number): void {
    for (const pending of this.#underWay) if (pending.deadline <= now) pending.settle?.({ status: 'timeout' });
    if (!this.#queue.some((pending) => pending.deadline <= now)) return;
    for (const pending of this.#queue) if (pending.deadline <= now) pending.settle?.({ status: 'timeout' });
    this.#queue = this.#queue.filter((pending) => pending.settle);
    this.#settleDrain();
  }

  /** Resolves when nothing waits any more: all durable, or out of time. */
  drain(): Promise<void> {
    return new Promise((resolve) => {
      this.#drained = resolve;
      this.#settleDrain();
    });
  }

  #settleDrain(): void {
    if (this.#queue.length === 0 && this.#calls === 0) this.#drained?.();
  }

  #schedule(): void {
    if (this.#flushing || this.#pause) return;
    this.#flushing = setImmediate(() => {
      this.#flushing = undefined;
      while (this.#calls < CALLS_MAX && this.#queue.length > 0) void this.#send(this.#takeBatch());
    });
  }

  #takeBatch(): Pending[] {
    let bytes = 0;
    let size = 0;
    for (const pending of this.#queue) {
      bytes += pending.encoded.bytes;
      if (size > 0 && (size === BATCH_MAX_EVENTS || bytes > BATCH_MAX_BYTES)) break;
      size++;
    }
    return this.#queue.splice(0, size);
  }

  async #send(batch: Pending[]): Promise<void> {
    this.#calls++;
    for (const pending of batch) this.#underWay.add(pending);
    try {
      await this.#accept(batch);
    } catch (error) {
      this.#settings.log.debug({ err: error, shard: this.#shard, events: batch.length }, 'accept will be tried again');
      const unsent = error instanceof Error && error.message.includes('writeable');
      if (!unsent) for (const pending of batch) pending.uncertain = true;
      this.#again(batch);
    } finally {
      this.#calls--;
      for (const pending of batch) this.#underWay.delete(pending);
      if (this.#queue.length > 0) this.#schedule();
      this.#settleDrain();
    }
  }

  #again(batch: Pending[]): void {
    // Calls fail in any order; what waits goes in the order in which it came.
    this.#queue = [...batch.filter((pending) => pending.settle), ...this.#queue].sort((a, b) => a.arrival - b.arrival);
    this.#pause ??= setTimeout(() => {
      this.#pause = undefined;
      this.#schedule();
    }, TRY_AGAIN_MS);
  }

  async #accept(batch: Pending[]): Promise<void> {
    const { dedupKey } = await this.#open();
    const now = Date.now();
    const keys = this.#keys;
    const keyNames = [
      keys.ready,
      keys.heads,
      keys.lanes,
      keys.log,
      keys.totals,
      keys.minute(Math.floor(now / 60_000)),
      keys.dead,
      keys.deadBodies,
      keys.deadIndex,
    ];
    const args: (string | number | Buffer)[] = ['', batch.length, LOG_MAX_ENTRIES];
    for (const { request, encoded, bodyToken } of batch) {
      const { event, aliases, quarantine } = request;
      const windowMs = this.#settings.dedupWindowMs(event.source);
      const slices = slicesAround(windowMs, now);
      const ids = [event.eventId, ...aliases];
      keyNames.push(keys.lane(event.lane), keys.queue(event.lane), keys.body(bodyToken));
      args.push(
        event.lane,
        encoded.record,
        encoded.body,
        event.receivedAt,
        quarantine ? JSON.stringify(describeQuarantine(event, quarantine)) : '',
        Math.ceil(windowMs / 60_000),
        sliceLifeMs(windowMs),
        this.#shard,
        ids.length,
      );
      for (const id of ids) {
        const place = placeOf(dedupKey, event.source, id);
        for (const slice of slices) keyNames.push(keys.seen(event.source, slice, place.bucket));
        args.push(place.digest);
      }
    }
    const answers = (await acceptScript.run(this.#client, keyNames, args)) as [string, string?, number?][];
    await this.#awaitReplicas();

    const turns: ArmedTurn[] = [];
    const again: Pending[] = [];
    for (const [index, pending] of batch.entries()) {
      const [status, detail = '', turn = 0] = answers[index] ?? ['failed', 'no answer'];
      if (status === 'accepted') {
        if (turn > 0) turns.push([detail, turn]);
        pending.settle?.({ status: 'accepted' });
      } else if (status === 'duplicate') {
        pending.settle?.({ status: pending.uncertain ? 'accepted' : 'duplicate' });
      } else if (detail.includes('OOM')) {
        pending.settle?.({ status: 'full' });
      } else {
        this.#settings.log.error({ lane: pending.request.event.lane, error: detail }, 'an event could not be accepted');
        again.push(pending);
      }
    }
    if (turns.length > 0) this.#arm(turns);
    if (again.length > 0) this.#again(again);
  }

  async #awaitReplicas(): Promise<void> {
    const wanted = this.#settings.waitReplicas;
    if (wanted === 0) return;
    // A duplicate waits too: the try that wrote it may not have reached the replicas.
    const reached = (await this.#client.call('WAIT', String(wanted), String(this.#settings.tryTimeoutMs))) as number;
    if (reached < wanted) throw new Error(`Expected ${wanted} replicas to hold the events, got ${reached}`);
  }
}

function describeQuarantine(event: Event, quarantine: { reason: string; message: string }): object {
  return {
    source: event.source,
    eventId: event.eventId,
    topic: event.topic || null,
    lane: event.lane,
    reason: quarantine.reason,
    message: quarantine.message,
    stack: null,
    attempts: 0,
    at: event.receivedAt,
  };
}

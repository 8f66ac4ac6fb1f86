import type { Event } from '@syncline/events';
import type { AcceptorSettings, AcceptRequest, AcceptResult } from './acceptor';
import type { ArmedTurn } from './arming';
import type { RedisClient } from './connection';
import type { DataSet } from './data-set';
import { placeOf, sliceLifeMs, slicesAround } from './dedup';
import { LOG_MAX_ENTRIES, ShardKeys } from './keys';
import type { EncodedRecord } from './record';
import { Script } from './script';

const acceptScript = new Script('accept', 'append');

const BATCH_MAX_EVENTS = 32;
const BATCH_MAX_BYTES = 256 * 1024;
/** Calls under way at once in a shard: while they are, the next batch gathers. */
const CALLS_MAX = 4;
const TRY_AGAIN_MS = 50;

/** A request that waits to become durable. */
export interface Pending {
  readonly request: AcceptRequest;
  readonly encoded: EncodedRecord;
  readonly deadline: number;
  readonly arrival: number;
  /** An earlier try of this request may have run: a duplicate is then most likely its own. */
  uncertain: boolean;
  settle: ((result: AcceptResult) => void) | undefined;
}

/** One shard's queue of accepts. */
export class ShardAcceptor {
  readonly #settings: AcceptorSettings;
  readonly #shard: number;
  readonly #keys: ShardKeys;
  readonly #client: RedisClient;
  readonly #arm: (turns: ArmedTurn[]) => void;
  readonly #open: () => Promise<DataSet>;
  /** Sets the store's time in tests; its own clock otherwise. */
  readonly #storeNow: () => string;
  #queue: Pending[] = [];
  readonly #underWay = new Set<Pending>();
  #calls = 0;
  #flushing: NodeJS.Immediate | undefined;
  #pause: NodeJS.Timeout | undefined;
  #onDrained: (() => void) | undefined;

  constructor(
    settings: AcceptorSettings,
    shard: number,
    client: RedisClient,
    arm: (turns: ArmedTurn[]) => void,
    open: () => Promise<DataSet>,
    storeNow: () => string = () => '',
  ) {
    this.#settings = settings;
    this.#shard = shard;
    this.#keys = new ShardKeys(settings.prefix, shard);
    this.#client = client;
    this.#arm = arm;
    this.#open = open;
    this.#storeNow = storeNow;
  }

  add(pending: Pending): void {
    this.#queue.push(pending);
    this.#schedule();
  }

  /** Answers the requests whose time is over. One that is under way may still become durable: that is what `timeout` says. */
  expire(now: number): void {
    for (const pending of this.#underWay) if (pending.deadline <= now) pending.settle?.({ status: 'timeout' });
    if (this.#queue.some((pending) => pending.deadline <= now)) {
      for (const pending of this.#queue) if (pending.deadline <= now) pending.settle?.({ status: 'timeout' });
      this.#queue = this.#queue.filter((pending) => pending.settle);
    }
    this.#settleDrain();
  }

  /** Resolves when nothing waits any more: all durable, or out of time. */
  drained(): Promise<void> {
    return new Promise((resolve) => {
      this.#onDrained = resolve;
      this.#settleDrain();
    });
  }

  #settleDrain(): void {
    const underWay = [...this.#underWay].some((pending) => pending.settle);
    if (this.#queue.length === 0 && !underWay) this.#onDrained?.();
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
    const args: (string | number | Buffer)[] = [this.#storeNow(), batch.length, LOG_MAX_ENTRIES];
    for (const { request, encoded } of batch) {
      const { event, aliases, quarantine } = request;
      const windowMs = this.#settings.dedupWindowMs(event.source);
      const slices = slicesAround(windowMs, now);
      const ids = [event.eventId, ...aliases];
      keyNames.push(keys.lane(event.lane), keys.queue(event.lane), keys.body(encoded.bodyToken));
      args.push(
        event.lane,
        encoded.record,
        encoded.body,
        event.receivedAt,
        quarantine ? JSON.stringify(describeQuarantine(event, quarantine)) : '',
        Math.ceil(windowMs / 1_000),
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
    const { waitReplicas, tryTimeoutMs } = this.#settings;
    const wait = waitReplicas > 0 ? { replicas: waitReplicas, timeoutMs: Math.ceil(tryTimeoutMs / 2) } : undefined;
    const { answer, replicas } = await acceptScript.runAndWait(this.#client, keyNames, args, wait);
    const answers = answer as [string, string?, number?][];
    this.#arm(
      answers.flatMap(([status, lane, turn]): ArmedTurn[] => (status === 'accepted' && lane && turn ? [[lane, turn]] : [])),
    );
    if (replicas < waitReplicas) throw new Error(`Expected ${waitReplicas} replicas to hold the events, got ${replicas}`);

    const again: Pending[] = [];
    for (const [index, pending] of batch.entries()) {
      const [status, detail = ''] = answers[index] ?? ['failed', 'no answer'];
      if (status === 'accepted') {
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
    if (again.length > 0) this.#again(again);
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

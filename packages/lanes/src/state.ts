import { createHash } from 'node:crypto';
import {
  type AppendTarget,
  type DocumentRef,
  type Event,
  type FollowUp,
  type Lane,
  merchantLaneOf,
  type SequencedEvent,
  sideLaneOf,
  type UnitOfWork,
} from '@syncline/events';
import type { RedisClient } from './connection';
import type { ShardKeys } from './keys';
import { encodeRecord, newBodyToken } from './record';
import { timerName } from './timers';

/** A stored document is `seq json`: the seq that wrote it tells a replay whether a newer state already stands. */
export function encodeDocument(seq: number, json: string): string {
  return `${seq} ${json}`;
}

export function decodeDocument(stored: string): unknown {
  return JSON.parse(stored.slice(stored.indexOf(' ') + 1)) as unknown;
}

/** One write to Redis that a commit makes. */
export interface Effect {
  readonly command: 'SET' | 'HSET' | 'HDEL' | 'ZADD' | 'ZREM' | 'ZREMRANGEBYRANK' | 'UNLINK' | 'PEXPIRE';
  readonly key: string;
  readonly args: readonly (string | number)[];
}

/** An event that a commit appends to a lane of its shard. */
export interface AppendedEvent {
  readonly lane: string;
  readonly receivedAt: number;
  readonly record: string;
}

/** Arguments of one effect stay well below the number that Lua can unpack. */
const EFFECT_MAX_ARGS = 1_000;

/**
 * A merchant's state as one run of events sees it: what is stored, with the effects of the run's decided events over it. Documents
 * are held as JSON text, so that no handler can change what another reads.
 */
export class RunState {
  readonly #client: RedisClient;
  readonly #keys: ShardKeys;
  readonly #lane: string;
  /** JSON text by collection and id; undefined for a document known to be absent. */
  readonly #known = new Map<string, Map<string, string | undefined>>();
  /** The timers that the run sets, or clears, by key. */
  readonly #timers = new Map<string, { dueAt: number; record: string } | undefined>();
  readonly #appended: AppendedEvent[] = [];
  /** Bodies of appended events that are kept apart. */
  readonly #bodies: Effect[] = [];
  /** What the run writes: the stored form, or undefined to remove. */
  readonly #written = new Map<string, Map<string, string | undefined>>();
  /** What the run removes, and the seq that does. */
  readonly #removed = new Map<string, number>();
  #effectBytes = 0;

  constructor(client: RedisClient, keys: ShardKeys, lane: string) {
    this.#client = client;
    this.#keys = keys;
    this.#lane = lane;
  }

  /** About how many bytes the run's effects have: a commit blocks the store for as long as it takes to write them. */
  get effectBytes(): number {
    return this.#effectBytes;
  }

  /** Fetches documents for the whole run in one round trip. */
  async prefetch(refs: Iterable<DocumentRef>): Promise<void> {
    const wanted = new Map<string, Set<string>>();
    for (const { collection, id } of refs) {
      if (!this.#known.get(collection)?.has(id)) entry(wanted, collection, () => new Set<string>()).add(id);
    }
    await Promise.all(
      [...wanted].map(async ([collection, ids]) => {
        const stored = await this.#client.hmget(this.#keys.documents(this.#lane, collection), ...ids);
        for (const [index, id] of [...ids].entries()) this.#learn(collection, id, stored[index] ?? undefined);
      }),
    );
  }

  async read(collection: string, id: string): Promise<string | undefined> {
    if (!this.#known.get(collection)?.has(id)) await this.prefetch([{ collection, id }]);
    return this.#known.get(collection)?.get(id);
  }

  /** Ids of the documents of a collection. The keys alone are read: the documents of a large one would block the store. */
  async ids(collection: string): Promise<Set<string>> {
    const ids = new Set(await this.#client.hkeys(this.#keys.documents(this.#lane, collection)));
    for (const [id, stored] of this.#written.get(collection) ?? []) {
      if (stored === undefined) ids.delete(id);
      else ids.add(id);
    }
    return ids;
  }

  /** Whether one of these documents was written or removed by an event after this one: a replay must not undo that. */
  async holdsNewer(seq: number, refs: Iterable<DocumentRef>): Promise<boolean> {
    const changedAt = await Promise.all(
      [...refs].map(async ({ collection, id }) => {
        const [stored, removedAt] = await Promise.all([
          this.#client.hget(this.#keys.documents(this.#lane, collection), id),
          this.#client.zscore(this.#keys.removed(this.#lane), nameOf(collection, id)),
        ]);
        return Math.max(Number.parseInt(stored ?? '0', 10), Number(removedAt ?? 0));
      }),
    );
    return changedAt.some((at) => at > seq);
  }

  /** Takes over the effects of an event that was decided. */
  merge(event: SequencedEvent, { writes, timers, followUps }: UnitEffects): void {
    const { seq } = event;
    for (const [index, { followUp, laneFrom }] of followUps.entries()) {
      const appended = followUpEvent(
        event,
        followUp,
        followUpId(event.eventId, `append ${index}`),
        Date.now(),
        laneFrom(event.lane),
      );
      const { record, body, bodyToken, bytes } = encodeRecord(appended, newBodyToken);
      this.#effectBytes += bytes;
      this.#appended.push({ lane: appended.lane, receivedAt: appended.receivedAt, record });
      if (bodyToken !== '') this.#bodies.push({ command: 'SET', key: this.#keys.body(bodyToken), args: [body] });
    }
    for (const [key, timer] of timers) this.#timers.set(key, timer && timerOf(event, key, timer));
    for (const [{ collection, id }, json] of writes) {
      this.#effectBytes += id.length + (json?.length ?? 0);
      entry(this.#known, collection, () => new Map<string, string | undefined>()).set(id, json);
      const stored = json === undefined ? undefined : encodeDocument(seq, json);
      if (json === undefined) this.#removed.set(nameOf(collection, id), seq);
      entry(this.#written, collection, () => new Map<string, string | undefined>()).set(id, stored);
    }
  }

  /** The events that the run appends, in order. */
  get followUps(): readonly AppendedEvent[] {
    return this.#appended;
  }

  /** The run's effects, ready for the commit step. What is removed is remembered like history: so many, and so long in ms. */
  effects({ historyMaxItems, historyMaxAgeMs }: { historyMaxItems: number; historyMaxAgeMs: number }): Effect[] {
    const effects: Effect[] = [...this.#bodies];
    const { timers, timerEvents } = this.#keys;
    for (const [key, timer] of this.#timers) {
      const name = timerName(this.#lane, key);
      if (timer) {
        effects.push(
          { command: 'ZADD', key: timers, args: [timer.dueAt, name] },
          { command: 'HSET', key: timerEvents, args: [name, timer.record] },
        );
      } else {
        effects.push({ command: 'ZREM', key: timers, args: [name] }, { command: 'HDEL', key: timerEvents, args: [name] });
      }
    }
    for (const [collection, documents] of this.#written) {
      const key = this.#keys.documents(this.#lane, collection);
      const puts: string[] = [];
      const deletes: string[] = [];
      for (const [id, stored] of documents) {
        if (stored === undefined) deletes.push(id);
        else puts.push(id, stored);
      }
      for (const args of chunks(puts)) effects.push({ command: 'HSET', key, args });
      for (const args of chunks(deletes)) effects.push({ command: 'HDEL', key, args });
    }
    if (this.#removed.size > 0) {
      const key = this.#keys.removed(this.#lane);
      const removals = [...this.#removed].flatMap(([name, seq]) => [seq, name]);
      for (const args of chunks(removals)) effects.push({ command: 'ZADD', key, args });
      effects.push({ command: 'ZREMRANGEBYRANK', key, args: [0, -historyMaxItems - 1] });
      if (historyMaxAgeMs > 0) effects.push({ command: 'PEXPIRE', key, args: [historyMaxAgeMs] });
    }
    return effects;
  }

  #learn(collection: string, id: string, stored: string | undefined): void {
    // A read that was late must not undo what the run has written since.
    if (this.#known.get(collection)?.has(id)) return;
    const json = stored?.slice(stored.indexOf(' ') + 1);
    entry(this.#known, collection, () => new Map<string, string | undefined>()).set(id, json);
  }
}

/** What one event's handlers asked for. */
export interface UnitEffects {
  readonly writes: readonly [DocumentRef, string | undefined][];
  /** By key; undefined cancels. */
  readonly timers: ReadonlyMap<string, { afterMs: number; followUp: FollowUp } | undefined>;
  readonly followUps: readonly AppendedFollowUp[];
}

interface AppendedFollowUp {
  readonly followUp: FollowUp;
  /** Where it goes, from the lane of its cause. */
  readonly laneFrom: (cause: Lane) => Lane;
}

function timerOf(
  event: SequencedEvent,
  key: string,
  { afterMs, followUp }: { afterMs: number; followUp: FollowUp },
): { dueAt: number; record: string } {
  const dueAt = Date.now() + afterMs;
  return { dueAt, record: encodeRecord(followUpEvent(event, followUp, timerEventId(event.eventId, key), dueAt)).record };
}

/** The id of the event that a timer comes as, made of that of the event which set it. */
export function timerEventId(causeId: string, key: string): string {
  return followUpId(causeId, `timer ${key}`);
}

/**
 * Unique in its source, as the cause's id is, and the same however often the cause is attempted or its lane's seq is given anew.
 * `name` tells the follow-ups of one event apart.
 */
function followUpId(causeId: string, name: string): string {
  return `follow-up-${createHash('sha256').update(`${causeId}\0${name}`).digest('hex').slice(0, 32)}`;
}

function followUpEvent(
  cause: Event,
  { topic, payload }: FollowUp,
  eventId: string,
  receivedAt: number,
  lane = cause.lane,
): Event {
  return {
    source: cause.source,
    eventId,
    topic,
    lane,
    receivedAt,
    headers: {},
    body: JSON.stringify(payload ?? null),
    bodyEncoding: 'utf8',
  };
}

/** The effects of one event's handlers: merged into the run when they succeed, dropped when they fail, closed either way. */
export class EventUnit implements UnitOfWork {
  readonly #state: RunState;
  readonly #writes = new Map<string, [DocumentRef, string | undefined]>();
  readonly #timers = new Map<string, { afterMs: number; followUp: FollowUp } | undefined>();
  readonly #followUps: AppendedFollowUp[] = [];
  #closed = false;

  constructor(state: RunState) {
    this.#state = state;
  }

  async get(collection: string, id: string): Promise<unknown> {
    const own = this.#writes.get(nameOf(collection, id));
    const json = own ? own[1] : await this.#state.read(collection, id);
    return json === undefined ? undefined : (JSON.parse(json) as unknown);
  }

  put(collection: string, id: string, value: unknown): void {
    const json = JSON.stringify(value) as string | undefined;
    if (json === undefined) throw new TypeError(`Expected a JSON value for ${collection}/${id}, got ${typeof value}`);
    this.#write(collection, id, json);
  }

  delete(collection: string, id: string): void {
    this.#write(collection, id, undefined);
  }

  /** Ends the unit: a handler that goes on after its timeout can no longer have effects. */
  close(): UnitEffects {
    this.#closed = true;
    return { writes: [...this.#writes.values()], timers: this.#timers, followUps: this.#followUps };
  }

  async ids(collection: string): Promise<string[]> {
    const ids = await this.#state.ids(collection);
    for (const [{ collection: of, id }, json] of this.#writes.values()) {
      if (of !== collection) continue;
      if (json === undefined) ids.delete(id);
      else ids.add(id);
    }
    return [...ids];
  }

  append(followUp: FollowUp, to?: AppendTarget): void {
    this.#expectOpen();
    const laneFrom = (cause: Lane): Lane => {
      if (to === undefined) return cause;
      const merchantLane = merchantLaneOf(cause);
      return to.sideLane === undefined ? merchantLane : sideLaneOf(merchantLane, to.sideLane);
    };
    this.#followUps.push({ followUp, laneFrom });
  }

  after(afterMs: number, key: string, followUp: FollowUp): void {
    this.#expectOpen();
    if (!Number.isFinite(afterMs) || afterMs < 0) throw new RangeError(`Expected a delay of 0 ms or more, got ${afterMs}`);
    this.#timers.set(key, { afterMs, followUp });
  }

  cancel(key: string): void {
    this.#expectOpen();
    this.#timers.set(key, undefined);
  }

  #expectOpen(): void {
    if (this.#closed) throw new Error('Expected effects before the handler ended or timed out, got one after');
  }

  #write(collection: string, id: string, json: string | undefined): void {
    this.#expectOpen();
    this.#writes.set(nameOf(collection, id), [{ collection, id }, json]);
  }
}

function nameOf(collection: string, id: string): string {
  return `${collection}\0${id}`;
}

function entry<V>(map: Map<string, V>, key: string, make: () => V): V {
  const held = map.get(key);
  if (held !== undefined) return held;
  const made = make();
  map.set(key, made);
  return made;
}

function* chunks<T>(items: readonly T[]): Iterable<T[]> {
  for (let from = 0; from < items.length; from += EFFECT_MAX_ARGS) yield items.slice(from, from + EFFECT_MAX_ARGS);
}

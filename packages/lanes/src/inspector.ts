import { type EventState, type LaneState, laneStates, outcomes } from '@syncline/events';
import { closeConnection, openConnection, type RedisClient } from './connection';
import { cursorNumbers, cursorOf, deadLetterCursor, documentCursor, InvalidCursorError } from './cursor';
import { readDedupKey } from './data-set';
import { placeOf, slicesAround, unpackRemembered } from './dedup';
import { decodeHistory } from './history';
import { ShardKeys, shardOf } from './keys';
import { LogWalk } from './log-walk';
import type { Logger } from './logger';
import type { DeadLetter, EventStatus, HistoryItem, LaneStatus, Overview, Page, PageRequest } from './readings';
import { decodeRecord, payloadOf, type StoredEvent } from './record';
import { Script } from './script';
import { decodeDocument } from './state';

/** Reads of everything that the lanes hold. Nothing here changes anything. All promises reject when Redis cannot be reached. */
export interface Inspector {
  overview(): Promise<Overview>;
  /** Every lane ever seen, oldest first. */
  lanes(page: PageRequest): Promise<Page<LaneStatus>>;
  /** Undefined when the lane was never seen. */
  lane(lane: string): Promise<LaneStatus | undefined>;
  /** Oldest first. */
  history(lane: string, page: PageRequest): Promise<Page<HistoryItem>>;
  /** Newest first, by the order of receipt. A page may hold fewer than `limit` items and still have a successor. */
  events(filter: { state?: EventState | undefined; topic?: string | undefined }, page: PageRequest): Promise<Page<EventStatus>>;
  /** Undefined when no such event is remembered: an id is remembered for its source's dedup window. */
  event(source: string, eventId: string): Promise<EventStatus | undefined>;
  /** Newest first. A page may hold fewer than `limit` items and still have a successor. */
  deadLetters(
    filter: { source?: string | undefined; topic?: string | undefined; reason?: string | undefined },
    page: PageRequest,
  ): Promise<Page<DeadLetter>>;
  deadLetter(id: string): Promise<DeadLetter | undefined>;
  /** The values of a merchant's documents, in no particular order but each exactly once while nothing changes. */
  documents(lane: string, collection: string, page: PageRequest): Promise<Page<{ id: string; value: unknown }>>;
  document(lane: string, collection: string, id: string): Promise<unknown>;
  /** Several documents of several lanes in one round trip, in the order asked. */
  documentsOf(requests: readonly { lane: string; collection: string; id: string }[]): Promise<unknown[]>;
  countDocuments(lane: string, collection: string): Promise<number>;
  /** Rejects when the store does not answer. */
  ping(): Promise<void>;
  stop(): Promise<void>;
}

export interface InspectorSettings {
  readonly redisUrl: string;
  readonly prefix: string;
  readonly shards: number;
  /** The windows that the ingress uses: an event is found by its id within them. */
  readonly dedupWindowMs: (source: string) => number;
  readonly log: Logger;
}

const eventScript = new Script('event');
const historyScript = new Script('history');
const agesScript = new Script('ages');

const READ_TIMEOUT_MS = 3_000;
/** Events looked at for one page of a filtered listing. */
const EXAMINED_MAX = 2_000;
const CHUNK = 100;
/** Events read together, each with its body: their bodies may be large. */
const EVENTS_CHUNK = 25;
/** A page of events ends early once it holds this much. */
const PAGE_MAX_BYTES = 4 * 1024 * 1024;
const RATE_MINUTES = 5;
const HEADS_LOOKED_AT = 1_000;

export function createInspector(settings: InspectorSettings): Inspector {
  return new RedisInspector(settings);
}

class RedisInspector implements Inspector {
  readonly #settings: InspectorSettings;
  readonly #client: RedisClient;
  readonly #shards: ShardKeys[];
  #dedupKey: Buffer | undefined;

  constructor(settings: InspectorSettings) {
    this.#settings = settings;
    this.#client = openConnection(settings.redisUrl, { kind: 'read', timeoutMs: READ_TIMEOUT_MS });
    this.#client.on('error', (error: Error) => settings.log.debug({ err: error }, 'reading connection'));
    this.#shards = Array.from({ length: settings.shards }, (_, shard) => new ShardKeys(settings.prefix, shard));
  }

  async ping(): Promise<void> {
    await this.#client.ping();
  }

  stop(): Promise<void> {
    closeConnection(this.#client);
    return Promise.resolve();
  }

  async overview(): Promise<Overview> {
    const shards = await Promise.all(this.#shards.map((keys) => this.#overviewOf(keys)));
    const sum = (of: (shard: (typeof shards)[number]) => number): number => shards.reduce((total, shard) => total + of(shard), 0);
    return {
      lanes: record(laneStates, (state) => sum((shard) => shard.lanes[state])),
      events: record(['waiting', 'retrying', ...outcomes], (state) => sum((shard) => shard.events[state])),
      deadLetters: sum((shard) => shard.deadLetters),
      oldestWaitingMs: Math.max(0, ...shards.map((shard) => shard.oldestWaitingMs)),
      oldestRetryingMs: Math.max(0, ...shards.map((shard) => shard.oldestRetryingMs)),
      oldestHeldMs: Math.max(0, ...shards.map((shard) => shard.oldestHeldMs)),
      perMinute: {
        accepted: sum((shard) => shard.perMinute.accepted),
        committed: sum((shard) => shard.perMinute.committed),
      },
    };
  }

  async #overviewOf(keys: ShardKeys): Promise<Overview> {
    const now = Date.now();
    const minute = Math.floor(now / 60_000);
    const minutes = Array.from({ length: RATE_MINUTES }, (_, back) => keys.minute(minute - 1 - back));
    const client = this.#client;
    const [all, ready, running, retrying, held, totals, deadLetters, since, ...counted] = await Promise.all([
      client.llen(keys.lanes),
      client.zcard(keys.ready),
      client.zcard(keys.running),
      client.zcard(keys.retrying),
      client.hvals(keys.held),
      client.hgetall(keys.totals),
      client.zcard(keys.deadIndex),
      agesScript.run(client, [keys.heads, keys.retrying, keys.held], [HEADS_LOOKED_AT]) as Promise<[string, string, string]>,
      ...minutes.map((key) => client.hmget(key, 'accepted', 'committed')),
    ]);
    const total = (name: string): number => Number(totals[name] ?? 0);
    const paused = held.filter((why) => why === 'paused').length;
    const blocked = held.length - paused;
    const committed = outcomes.reduce((sum, outcome) => sum + total(outcome), 0);
    const [oldestWaitingMs, oldestRetryingMs, oldestHeldMs] = since.map((at) =>
      at === '' ? 0 : Math.max(0, now - Number(at)),
    ) as [number, number, number];
    const perMinute = (index: number): number =>
      counted.reduce((sum, minuteOf) => sum + Number(minuteOf[index] ?? 0), 0) / RATE_MINUTES;
    return {
      lanes: { idle: Math.max(0, all - ready - running - retrying - held.length), ready, running, retrying, blocked, paused },
      events: {
        waiting: Math.max(0, total('accepted') + total('replays') - total('quarantined') - committed - retrying),
        retrying,
        ...record(outcomes, total),
        dead: total('dead') + total('quarantined'),
      },
      deadLetters,
      oldestWaitingMs,
      oldestRetryingMs,
      oldestHeldMs,
      perMinute: { accepted: perMinute(0), committed: perMinute(1) },
    };
  }

  async lanes({ limit, cursor }: PageRequest): Promise<Page<LaneStatus>> {
    let [shard = 0, offset = 0] = cursor === undefined ? [] : cursorNumbers(cursor, 2);
    const lanes: string[] = [];
    while (shard < this.#shards.length && lanes.length < limit) {
      const wanted = limit - lanes.length;
      const found = await this.#client.lrange(this.#keys(shard).lanes, offset, offset + wanted - 1);
      lanes.push(...found);
      if (found.length < wanted) [shard, offset] = [shard + 1, 0];
      else offset += wanted;
    }
    const items = await Promise.all(lanes.map((lane) => this.#status(lane)));
    return { items, nextCursor: shard < this.#shards.length && lanes.length === limit ? cursorOf([shard, offset]) : null };
  }

  async lane(lane: string): Promise<LaneStatus | undefined> {
    const known = await this.#client.hexists(this.#keysOf(lane).lane(lane), 'no');
    return known ? await this.#status(lane) : undefined;
  }

  async #status(lane: string): Promise<LaneStatus> {
    const keys = this.#keysOf(lane);
    const [fields, waiting, replays, headAt] = await Promise.all([
      this.#client.hmget(keys.lane(lane), 'armed', 'lease', 'notbefore', 'paused', 'blocked', 'attempts', 'error'),
      this.#client.llen(keys.queue(lane)),
      this.#client.zcard(keys.replays(lane)),
      this.#client.zscore(keys.heads, lane),
    ]);
    const [armed, lease, notBefore, paused, blocked, attempts, error] = fields;
    const now = Date.now();
    const headAttempts = Number(attempts ?? 0);
    return {
      lane,
      state: laneState({ armed, lease, paused, blocked, retrying: headAttempts > 0, now }),
      depth: waiting + replays,
      oldestAgeMs: headAt === null ? null : Math.max(0, now - Number(headAt)),
      headAttempts,
      nextAttemptAt: notBefore === null || notBefore === undefined || headAttempts === 0 ? null : Number(notBefore),
      lastError: headAttempts > 0 ? (error ?? null) : null,
    };
  }

  async history(lane: string, { limit, cursor }: PageRequest): Promise<Page<HistoryItem>> {
    const keys = this.#keysOf(lane);
    const [wanted = 1] = cursor === undefined ? [] : cursorNumbers(cursor, 1);
    const [first, more, ...items] = (await historyScript.run(
      this.#client,
      [keys.lane(lane), keys.history(lane)],
      [wanted, limit],
    )) as [number, number, ...string[]];
    return {
      items: items.map((item, index) => decodeHistory(item, first + index)),
      nextCursor: more === 1 ? cursorOf([first + items.length]) : null,
    };
  }

  async events(
    filter: { state?: EventState | undefined; topic?: string | undefined },
    { limit, cursor }: PageRequest,
  ): Promise<Page<EventStatus>> {
    const log = new LogWalk(this.#client, this.#shards, cursor);
    const items: EventStatus[] = [];
    let examined = 0;
    let bytes = 0;
    while (items.length < limit && examined < EXAMINED_MAX && bytes < PAGE_MAX_BYTES) {
      const places = await log.peek(EVENTS_CHUNK);
      if (places.length === 0) break;
      const found = await Promise.all(places.map(({ shard, laneNumber, seq }) => this.#eventAt(shard, laneNumber, seq)));
      for (const [index, event] of found.entries()) {
        const place = places[index];
        if (!place || items.length === limit) break;
        log.pass(place);
        examined++;
        if (!event) continue;
        if (filter.state !== undefined && event.state !== filter.state) continue;
        if (filter.topic !== undefined && event.topic !== filter.topic) continue;
        items.push(event);
        bytes += JSON.stringify(event.payload ?? null).length;
      }
    }
    return { items, nextCursor: await log.cursor() };
  }

  async event(source: string, eventId: string): Promise<EventStatus | undefined> {
    this.#dedupKey ??= await readDedupKey(this.#client, this.#settings.prefix);
    if (!this.#dedupKey) return undefined;
    const { digest, bucket } = placeOf(this.#dedupKey, source, eventId);
    const slices = slicesAround(this.#settings.dedupWindowMs(source), Date.now());
    const found = await Promise.all(
      this.#shards.flatMap((keys, shard) =>
        slices.map(async (slice) => ({ shard, value: await this.#client.hgetBuffer(keys.seen(source, slice, bucket), digest) })),
      ),
    );
    for (const { shard, value } of found) {
      if (!value) continue;
      const { laneNumber, seq } = unpackRemembered(value);
      return await this.#eventAt(shard, laneNumber, seq);
    }
    return undefined;
  }

  async #eventAt(shard: number, laneNumber: number, seq: number): Promise<EventStatus | undefined> {
    const keys = this.#keys(shard);
    const deadLetterId = `${shard}.${laneNumber}.${seq}`;
    if (laneNumber === 0) {
      const letter = await this.deadLetter(deadLetterId);
      return letter && { ...eventOfDeadLetter(letter), seq: null };
    }
    const lane = await this.#client.lindex(keys.lanes, laneNumber - 1);
    if (lane === null) return undefined;
    const [status, ...rest] = (await eventScript.run(
      this.#client,
      [
        keys.lane(lane),
        keys.queue(lane),
        keys.replays(lane),
        keys.history(lane),
        keys.replayed(lane),
        keys.kept(lane),
        keys.recent,
        keys.totals,
      ],
      [seq],
    )) as ['unknown'] | ['waiting', string, number, string, string] | ['committed', string, string, string];
    if (status === 'unknown') return undefined;
    if (status === 'waiting') {
      const [element, attempts, notBefore, error] = rest as [string, number, string, string];
      const event = await this.#stored(keys, element);
      return (
        event && {
          ...event,
          state: attempts > 0 ? 'retrying' : 'waiting',
          attempts,
          committedAt: null,
          nextAttemptAt: attempts > 0 && notBefore !== '' ? Number(notBefore) : null,
          error: error === '' ? null : error,
        }
      );
    }
    const [item, recent, kept] = rest as [string, string, string];
    const { eventId, topic, outcome, attempt, receivedAt, committedAt } = decodeHistory(item, 0);
    const letter = outcome === 'dead' ? await this.deadLetter(deadLetterId) : undefined;
    const element = kept || recent;
    return {
      source: lane.slice(0, lane.indexOf(':')),
      eventId,
      topic,
      lane,
      // A dead letter leaves only by a replay, which writes its own item, or by being discarded.
      state: outcome === 'dead' && !letter ? 'discarded' : outcome,
      seq,
      attempts: attempt,
      receivedAt,
      committedAt,
      nextAttemptAt: null,
      error: letter?.message ?? null,
      payload: letter ? letter.payload : ((await this.#stored(keys, element))?.payload ?? null),
    };
  }

  /**
   * An event from its record; a body that was kept apart and is gone is null. Undefined where there is no record, or a newer version wrote it:
   * one event that cannot be read must not cost the others of a page.
   */
  async #stored(keys: ShardKeys, element: string) {
    if (element === '') return undefined;
    let stored: StoredEvent;
    try {
      stored = decodeRecord(element);
    } catch (error) {
      this.#settings.log.warn({ err: error }, 'an event cannot be read');
      return undefined;
    }
    const { source, eventId, topic, lane, seq, receivedAt, bodyToken, ...event } = stored;
    const body = bodyToken === undefined ? event.body : await this.#client.get(keys.body(bodyToken));
    const payload = body === null || event.bodyEncoding === 'base64' ? body : payloadOf(body);
    return { source, eventId, topic, lane, seq, receivedAt, payload };
  }

  async deadLetters(
    filter: { source?: string | undefined; topic?: string | undefined; reason?: string | undefined },
    { limit, cursor }: PageRequest,
  ): Promise<Page<DeadLetter>> {
    let after = cursor === undefined ? undefined : deadLetterCursor(cursor);
    const items: DeadLetter[] = [];
    for (let examined = 0; examined < EXAMINED_MAX; examined += CHUNK) {
      const places = await this.#deadLetterPlaces(after, CHUNK);
      const found = await Promise.all(places.map(({ id }) => this.#description(id)));
      for (const [index, letter] of found.entries()) {
        after = places[index] ?? after;
        if (!letter) continue;
        if (filter.source !== undefined && letter.source !== filter.source) continue;
        if (filter.topic !== undefined && letter.topic !== filter.topic) continue;
        if (filter.reason !== undefined && letter.reason !== filter.reason) continue;
        items.push(letter);
        if (items.length === limit) break;
      }
      if (items.length === limit) break;
      if (places.length < CHUNK) return { items, nextCursor: null };
    }
    const more = after !== undefined && (await this.#deadLetterPlaces(after, 1)).length > 0;
    return { items, nextCursor: more && after ? cursorOf([after.at, after.id]) : null };
  }

  /** The next dead letters after a place, newest first, over all shards. */
  async #deadLetterPlaces(after: { at: number; id: string } | undefined, count: number): Promise<{ at: number; id: string }[]> {
    const ofShards = await Promise.all(
      this.#shards.map(async (keys) => {
        const places: { at: number; id: string }[] = [];
        for (let offset = 0; places.length < count; offset += CHUNK) {
          const from = after ? after.at : '+inf';
          const pairs = await this.#client.zrevrangebyscore(keys.deadIndex, from, '-inf', 'WITHSCORES', 'LIMIT', offset, CHUNK);
          for (let index = 0; index < pairs.length; index += 2) {
            const place = { id: pairs[index] ?? '', at: Number(pairs[index + 1]) };
            if (!after || newestFirst(after, place) < 0) places.push(place);
          }
          if (pairs.length < CHUNK * 2) break;
        }
        return places;
      }),
    );
    return ofShards.flat().sort(newestFirst).slice(0, count);
  }

  async #description(id: string): Promise<DeadLetter | undefined> {
    const text = await this.#client.hget(this.#keys(Number.parseInt(id, 10)).dead, id);
    return text === null ? undefined : { id, ...(JSON.parse(text) as Omit<DeadLetter, 'id' | 'payload'>), payload: null };
  }

  async deadLetter(id: string): Promise<DeadLetter | undefined> {
    const shard = /^(\d{1,5})\.\d{1,10}\.\d{1,16}$/.exec(id)?.[1];
    if (shard === undefined || Number(shard) >= this.#shards.length) return undefined;
    const keys = this.#keys(Number(shard));
    const [letter, element] = await Promise.all([this.#description(id), this.#client.hget(keys.deadBodies, id)]);
    if (!letter) return undefined;
    return { ...letter, payload: (await this.#stored(keys, element ?? ''))?.payload ?? null };
  }

  async documents(
    lane: string,
    collection: string,
    { limit, cursor }: PageRequest,
  ): Promise<Page<{ id: string; value: unknown }>> {
    const key = this.#keysOf(lane).documents(lane, collection);
    // A scan step may return more than was asked (a small hash comes whole): the cursor says how many of them were given out.
    let [scan, given]: [string, number] = cursor === undefined ? ['0', 0] : documentCursor(cursor);
    const items: { id: string; value: unknown }[] = [];
    for (;;) {
      const [next, fields] = await this.#client.hscan(key, scan, 'COUNT', Math.max(limit, 10));
      for (; given * 2 < fields.length && items.length < limit; given++) {
        items.push({ id: fields[given * 2] ?? '', value: decodeDocument(fields[given * 2 + 1] ?? '') });
      }
      if (given * 2 < fields.length) return { items, nextCursor: cursorOf([scan, given]) };
      [scan, given] = [next, 0];
      if (next === '0') return { items, nextCursor: null };
      if (items.length === limit) return { items, nextCursor: cursorOf([scan, 0]) };
    }
  }

  async document(lane: string, collection: string, id: string): Promise<unknown> {
    const stored = await this.#client.hget(this.#keysOf(lane).documents(lane, collection), id);
    return stored === null ? undefined : decodeDocument(stored);
  }

  documentsOf(requests: readonly { lane: string; collection: string; id: string }[]): Promise<unknown[]> {
    return Promise.all(requests.map(({ lane, collection, id }) => this.document(lane, collection, id)));
  }

  async countDocuments(lane: string, collection: string): Promise<number> {
    return await this.#client.hlen(this.#keysOf(lane).documents(lane, collection));
  }

  #keys(shard: number): ShardKeys {
    const keys = this.#shards[shard];
    if (!keys) throw new InvalidCursorError();
    return keys;
  }

  #keysOf(lane: string): ShardKeys {
    return this.#keys(shardOf(lane, this.#shards.length));
  }
}

function laneState(of: {
  armed: string | null | undefined;
  lease: string | null | undefined;
  paused: string | null | undefined;
  blocked: string | null | undefined;
  retrying: boolean;
  now: number;
}): LaneState {
  if (of.blocked) return 'blocked';
  if (of.lease && Number(of.lease) > of.now) return 'running';
  if (of.paused) return 'paused';
  if (!of.armed) return 'idle';
  return of.retrying && !of.lease ? 'retrying' : 'ready';
}

function eventOfDeadLetter(letter: DeadLetter): Omit<EventStatus, 'seq'> {
  return {
    source: letter.source,
    eventId: letter.eventId,
    topic: letter.topic ?? '',
    lane: letter.lane,
    state: 'dead',
    attempts: letter.attempts,
    receivedAt: letter.at,
    committedAt: letter.at,
    nextAttemptAt: null,
    error: letter.message,
    payload: letter.payload,
  };
}

function newestFirst(a: { at: number; id: string }, b: { at: number; id: string }): number {
  if (a.at !== b.at) return b.at - a.at;
  return a.id === b.id ? 0 : a.id < b.id ? 1 : -1;
}

function record<K extends string, V>(keys: readonly K[], value: (key: K) => V): Record<K, V> {
  return Object.fromEntries(keys.map((key) => [key, value(key)])) as Record<K, V>;
}

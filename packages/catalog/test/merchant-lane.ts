import type { AttemptContext, Decision, DocumentRef, FollowUp, SequencedEvent, UnitOfWork } from '@syncline/events';
import {
  type CatalogSettings,
  createDecider,
  type EventReport,
  type Handler,
  type MerchantStatus,
  merchantStatusOf,
  statusRef,
} from '../src/index';

/** When the first event of a lane is received, in these tests. */
export const T0 = Date.UTC(2026, 0, 1);
export const SECOND = 1_000;

export interface Given {
  readonly source?: string;
  readonly eventId?: string;
  readonly merchantId?: string;
  readonly receivedAt?: number;
  readonly headers?: Record<string, string>;
  readonly bodyEncoding?: 'utf8' | 'base64';
  readonly attempt?: number;
  readonly signal?: AbortSignal;
}

export interface Timer {
  readonly dueAt: number;
  readonly followUp: FollowUp;
}

/** A lane without a store: applies events to documents in memory, committing the effects of each that is decided. */
export class MerchantLane {
  /** The timers that are set, by key. */
  readonly timers = new Map<string, Timer>();
  readonly appended: FollowUp[] = [];
  /** What the handlers of the event applied last reported. */
  report: EventReport | undefined;
  readonly #documents = new Map<string, string>();
  readonly #decider;
  #seq = 0;

  constructor(handlers: readonly Handler[] = [], settings: Partial<CatalogSettings> = {}) {
    this.#decider = createDecider(handlers, settings);
  }

  /** Decides one event; `body` is sent as JSON unless it is a text. Rejects as its handlers do, and then changes nothing. */
  async apply(topic: string, body: unknown, given: Given = {}): Promise<Decision> {
    this.#seq += 1;
    const event = eventOf(topic, body, { receivedAt: T0 + this.#seq * SECOND, ...given }, this.#seq);
    const effects = new Map<string, string | null>();
    const timers = new Map<string, Timer | undefined>();
    const appended: FollowUp[] = [];
    const context: AttemptContext = { signal: given.signal ?? new AbortController().signal, attempt: given.attempt ?? 1 };
    const unit: UnitOfWork = {
      ...this.#unit(effects),
      append: (followUp) => void appended.push(followUp),
      after: (afterMs, key, followUp) => void timers.set(key, { dueAt: event.receivedAt + afterMs, followUp }),
      cancel: (key) => void timers.set(key, undefined),
    };
    const decision = await this.#decider.plan(event).run(unit, context);
    this.report = this.#decider.reportOf(event);
    for (const [key, value] of effects) {
      if (value === null) this.#documents.delete(key);
      else this.#documents.set(key, value);
    }
    for (const [key, timer] of timers) {
      if (timer === undefined) this.timers.delete(key);
      else this.timers.set(key, timer);
    }
    this.appended.push(...appended);
    return decision;
  }

  /** Brings the timer's event into the lane at its time, as the engine does once that has come. */
  async fire(key: string, given: Given = {}): Promise<Decision> {
    const timer = this.timers.get(key);
    if (timer === undefined) throw new Error(`Expected a timer ${key}, got ${[...this.timers.keys()].join(', ') || 'none'}`);
    this.timers.delete(key);
    const { topic, payload = null } = timer.followUp;
    return this.apply(topic, payload, { receivedAt: timer.dueAt, ...given });
  }

  document(collection: string, id: string): unknown {
    const stored = this.#documents.get(keyOf({ collection, id }));
    return stored === undefined ? undefined : JSON.parse(stored);
  }

  ids(collection: string): string[] {
    const keys = [...this.#documents.keys()].map((key) => JSON.parse(key) as [string, string]);
    return keys.filter(([of]) => of === collection).map(([, id]) => id);
  }

  status(): MerchantStatus {
    return merchantStatusOf(this.document(statusRef.collection, statusRef.id));
  }

  #unit(effects: Map<string, string | null>): Pick<UnitOfWork, 'get' | 'put' | 'delete' | 'ids'> {
    return {
      ids: (collection) => {
        const ids = new Set(this.ids(collection));
        for (const [key, effect] of effects) {
          const [of, id] = JSON.parse(key) as [string, string];
          if (of !== collection) continue;
          if (effect === null) ids.delete(id);
          else ids.add(id);
        }
        return Promise.resolve([...ids]);
      },
      get: (collection, id) => {
        const key = keyOf({ collection, id });
        const effect = effects.get(key);
        const stored = effect === undefined ? this.#documents.get(key) : effect;
        return Promise.resolve(stored === undefined || stored === null ? undefined : JSON.parse(stored));
      },
      put: (collection, id, value) => void effects.set(keyOf({ collection, id }), JSON.stringify(value)),
      delete: (collection, id) => void effects.set(keyOf({ collection, id }), null),
    };
  }
}

function keyOf({ collection, id }: DocumentRef): string {
  return JSON.stringify([collection, id]);
}

export function eventOf(topic: string, body: unknown, given: Given = {}, seq = 1): SequencedEvent {
  const source = given.source ?? 'violet';
  return {
    source,
    eventId: given.eventId ?? `event-${seq}`,
    topic,
    lane: `${source}:${given.merchantId ?? '10042'}`,
    receivedAt: given.receivedAt ?? T0,
    headers: given.headers ?? {},
    body: typeof body === 'string' ? body : JSON.stringify(body),
    bodyEncoding: given.bodyEncoding ?? 'utf8',
    seq,
  };
}

/** What an attempt that is expected to fail rejects with. */
export async function rejectionOf(attempt: Promise<unknown>): Promise<{ code?: unknown; reason?: unknown; message: string }> {
  try {
    await attempt;
  } catch (error) {
    return error as { message: string };
  }
  throw new Error('Expected a rejection, got none');
}

/** The date as Violet writes it. */
export function violetDate(epochMs: number): string {
  return new Date(epochMs).toISOString().replace('.000Z', '+0000');
}

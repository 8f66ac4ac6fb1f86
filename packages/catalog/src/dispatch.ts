import { createHash } from 'node:crypto';
import {
  isInternalTopic,
  parseLane,
  type AttemptContext,
  type Decider,
  type Decision,
  type DocumentRef,
  type Plan,
  type SequencedEvent,
  type UnitOfWork,
} from '@syncline/events';
import { statusRef } from './documents';
import type { Handler, HandlerContext, HandlerEvent } from './handler';
import { internalHandlers } from './internal';
import { createMerchant } from './merchant';
import { checkPayload, parseBody } from './payload';
import { propexoHandlers } from './propexo';
import { EventReport } from './report';
import { type CatalogSettings, defaultSettings } from './settings';
import { synctecHandlers } from './synctec';
import { violetHandlers } from './violet/handlers';

/** A sender's meaning is one list here: see docs/adding-a-sender.md. */
const catalogHandlers = routesOf([...violetHandlers, ...propexoHandlers, ...synctecHandlers, ...internalHandlers]);

const unhandled: Plan = { external: false, reads: [], run: () => Promise.resolve('unhandled') };

/** A handler, made ready to be matched. */
interface Route {
  readonly handler: Handler;
  readonly name: string;
  matches(source: string, topic: string): boolean;
}

/** True for topics that the catalogue itself handles. */
export function isCatalogTopic(source: string, topic: string): boolean {
  return catalogHandlers.some((route) => route.matches(source, topic));
}

/** Decides events, and tells what their handlers did. */
export interface CatalogDecider extends Decider {
  /** What the handlers of this very event reported in its latest attempt; undefined when they had nothing to report. */
  reportOf(event: SequencedEvent): EventReport | undefined;
}

/** What an attempt's handlers share. */
interface Catalog {
  readonly settings: CatalogSettings;
  /** The reports of events under way. They go with their events: who wants one asks for it when the event is committed. */
  readonly reports: WeakMap<SequencedEvent, EventReport>;
}

/**
 * Decides events by the catalogue's handlers and then by the user's, in order and in the same unit of work. An event that the
 * catalogue's handler finds stale is superseded, and the user's handlers do not see it.
 */
export function createDecider(userHandlers: readonly Handler[] = [], settings: Partial<CatalogSettings> = {}): CatalogDecider {
  const userRoutes = routesOf(userHandlers);
  const catalog: Catalog = { settings: { ...defaultSettings, ...settings }, reports: new WeakMap() };
  return {
    plan(event) {
      const ours = catalogHandlers.filter((route) => route.matches(event.source, event.topic));
      const theirs = userRoutes.filter((route) => route.matches(event.source, event.topic));
      return ours.length + theirs.length === 0 ? unhandled : planOf(catalog, event, ours, theirs);
    },
    reportOf: (event) => catalog.reports.get(event),
  };
}

/** A handler with the event as it will see it, which throws what is wrong with the payload. */
interface Step {
  readonly handler: Handler;
  readonly event: () => HandlerEvent;
}

function planOf(catalog: Catalog, event: SequencedEvent, ours: readonly Route[], theirs: readonly Route[]): Plan {
  const ourSteps = ours.map((route) => ({
    handler: route.handler,
    event: once(() => eventFor(route, event, payloadFor(route, event))),
  }));
  return {
    external: [...ours, ...theirs].some(({ handler }) => handler.external === true),
    reads: readsOf(event, ourSteps, theirs),
    foldKey: theirs.length === 0 ? foldKeyOf(ourSteps) : undefined,
    async run(unit, context) {
      catalog.reports.delete(event);
      const handle = (handler: Handler, handlerEvent: HandlerEvent) =>
        runHandler(catalog, handler, event, handlerEvent, unit, context);
      let decision: Decision = 'superseded';
      for (const step of ourSteps) {
        if ((await handle(step.handler, step.event())) === 'superseded') return 'superseded';
        decision = 'processed';
      }
      // Every payload is checked before any of these handlers runs: one of them may act outside, which cannot be undone.
      const theirSteps: [Handler, HandlerEvent][] = [];
      for (const route of theirs) theirSteps.push([route.handler, eventFor(route, event, await payloadFor(route, event))]);
      for (const [handler, handlerEvent] of theirSteps) {
        context.signal.throwIfAborted();
        if ((await handle(handler, handlerEvent)) !== 'superseded') decision = 'processed';
      }
      return decision;
    },
  };
}

/**
 * The body as JSON, then what the handler's schema makes of it. Each handler gets a value of its own: a user's handler may change
 * its payload, and what another handler has stored must not change with it.
 */
function payloadFor({ handler }: Route, event: SequencedEvent): unknown {
  const payload = parseBody(event);
  return handler.payload === undefined ? payload : checkPayload(handler.payload, payload, event.topic);
}

function readsOf(event: SequencedEvent, ours: readonly Step[], theirs: readonly Route[]): readonly DocumentRef[] {
  const reads = ours.flatMap(hintsOf);
  if (theirs.length === 0) return reads;
  reads.push(statusRef);
  for (const route of theirs) {
    reads.push(...hintsOf({ handler: route.handler, event: () => eventFor(route, event, payloadFor(route, event)) }));
  }
  return [...new Map(reads.map((ref) => [`${ref.collection}\n${ref.id}`, ref])).values()];
}

/** A user's handler is promised every event. */
function foldKeyOf(steps: readonly Step[]): string | undefined {
  const [step, another] = steps;
  if (!step?.handler.foldKey || another) return undefined;
  try {
    return step.handler.foldKey(step.event());
  } catch {
    // What is wrong with the event is for the run to reject.
    return undefined;
  }
}

/** Reads fetched ahead only save time: whatever is wrong with the event is for the run to reject. */
function hintsOf({ handler, event: eventOf }: Step): readonly DocumentRef[] {
  if (handler.reads === undefined) return [];
  try {
    const event = eventOf();
    if (event.payload instanceof Promise) {
      event.payload.catch(() => undefined);
      return [];
    }
    return [...handler.reads(event)];
  } catch {
    return [];
  }
}

async function runHandler(
  { settings, reports }: Catalog,
  handler: Handler,
  event: SequencedEvent,
  handlerEvent: HandlerEvent,
  unit: UnitOfWork,
  context: AttemptContext,
): Promise<unknown> {
  const handlerContext: HandlerContext = {
    // Made when asked for.
    get signal() {
      return context.signal;
    },
    attempt: context.attempt,
    replay: context.replay ?? false,
    get idempotencyKey() {
      return handlerEvent.idempotencyKey;
    },
  };
  const report = (): EventReport => {
    const held = reports.get(event) ?? new EventReport();
    reports.set(event, held);
    return held;
  };
  const { merchant, settled } = createMerchant(unit, event, settings, report);
  const result = await handler.handle(handlerEvent, merchant, handlerContext);
  await settled();
  return result;
}

function eventFor(route: Route, event: SequencedEvent, payload: unknown): HandlerEvent {
  return {
    source: event.source,
    eventId: event.eventId,
    topic: event.topic,
    merchantId: parseLane(event.lane).merchantId,
    lane: event.lane,
    seq: event.seq,
    receivedAt: event.receivedAt,
    headers: event.headers,
    payload,
    // The place in the lane has no part in it: a store that was rolled back can give the same place to another event.
    get idempotencyKey() {
      return createHash('sha256')
        .update(JSON.stringify([event.source, event.eventId, route.name]))
        .digest('hex');
    },
  };
}

function routesOf(handlers: readonly Handler[]): Route[] {
  const uses = new Map<string, number>();
  return handlers.map((handler) => {
    const base = handler.name ?? handler.topics.join(',');
    const use = (uses.get(base) ?? 0) + 1;
    uses.set(base, use);
    const exact = new Set(handler.topics.filter((topic) => !topic.endsWith('*')));
    const beginnings = handler.topics.filter((topic) => topic.endsWith('*')).map((topic) => topic.slice(0, -1));
    return {
      handler,
      name: use === 1 ? base : `${base}#${use}`,
      matches: (source, topic) =>
        (source === handler.source || handler.source === '*') &&
        (exact.has(topic) || beginnings.some((beginning) => covers(beginning, topic))),
    };
  });
}

/**
 * An internal topic is taken only by who names it as one: otherwise a handler of all topics would take, and so lose, those that a
 * newer version of Syncline waits for.
 */
function covers(beginning: string, topic: string): boolean {
  return topic.startsWith(beginning) && (!isInternalTopic(topic) || isInternalTopic(beginning));
}

function once<T>(make: () => T): () => T {
  let made: { value: T } | undefined;
  return () => {
    made ??= { value: make() };
    return made.value;
  };
}

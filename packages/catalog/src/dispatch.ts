import { createHash } from 'node:crypto';
import {
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
import { createMerchant } from './merchant';
import { checkPayload, parseBody } from './payload';
import { violetHandlers } from './violet/handlers';

const catalogHandlers = routesOf(violetHandlers);

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

/**
 * Decides events by the catalogue's handlers and then by the user's, in order and in the same unit of work. An event that the
 * catalogue's handler finds stale is superseded, and the user's handlers do not see it.
 */
export function createDecider(userHandlers: readonly Handler[] = []): Decider {
  const userRoutes = routesOf(userHandlers);
  return {
    plan(event) {
      const ours = catalogHandlers.filter((route) => route.matches(event.source, event.topic));
      const theirs = userRoutes.filter((route) => route.matches(event.source, event.topic));
      return ours.length + theirs.length === 0 ? unhandled : planOf(event, ours, theirs);
    },
  };
}

/** A handler with the event as it will see it, which throws what is wrong with the payload. */
interface Step {
  readonly handler: Handler;
  readonly event: () => HandlerEvent;
}

function planOf(event: SequencedEvent, ours: readonly Route[], theirs: readonly Route[]): Plan {
  const ourSteps = ours.map((route) => ({
    handler: route.handler,
    event: once(() => eventFor(route, event, payloadFor(route, event))),
  }));
  return {
    external: [...ours, ...theirs].some(({ handler }) => handler.external === true),
    reads: readsOf(event, ourSteps, theirs),
    async run(unit, context) {
      let decision: Decision = 'superseded';
      for (const step of ourSteps) {
        if ((await handle(step.handler, step.event(), unit, context)) === 'superseded') return 'superseded';
        decision = 'processed';
      }
      // Every payload is checked before any of these handlers runs: one of them may act outside, which cannot be undone.
      const theirSteps: [Handler, HandlerEvent][] = [];
      for (const route of theirs) theirSteps.push([route.handler, eventFor(route, event, await payloadFor(route, event))]);
      for (const [handler, handlerEvent] of theirSteps) {
        context.signal.throwIfAborted();
        if ((await handle(handler, handlerEvent, unit, context)) !== 'superseded') decision = 'processed';
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

async function handle(handler: Handler, event: HandlerEvent, unit: UnitOfWork, context: AttemptContext): Promise<unknown> {
  const handlerContext: HandlerContext = {
    signal: context.signal,
    attempt: context.attempt,
    get idempotencyKey() {
      return event.idempotencyKey;
    },
  };
  return handler.handle(event, createMerchant(unit, event.lane, event.receivedAt), handlerContext);
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
        source === handler.source && (exact.has(topic) || beginnings.some((beginning) => topic.startsWith(beginning))),
    };
  });
}

function once<T>(make: () => T): () => T {
  let made: { value: T } | undefined;
  return () => {
    made ??= { value: make() };
    return made.value;
  };
}

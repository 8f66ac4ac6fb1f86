import { defineHandler, type Handler, type Merchant, parseDate, type TrackName } from '@syncline/catalog';
import { type Event, laneOf, NO_MERCHANT, sideLaneOf } from '@syncline/events';
import { violet, violetTopics } from '@syncline/senders';
import * as z from 'zod';
import { type FetchingSettings, withinStep } from './fetching';
import { REFRESH_LANE } from './topics';
import type { EventSearch, VioletApi } from './violet-api/client';
import { endless, PAGE_MAX_ENTRIES } from './violet-api/pages';

/** The lane in which gaps are looked for: they are nobody's in particular. */
export const GAPS_LANE = sideLaneOf(laneOf('violet', NO_MERCHANT), REFRESH_LANE);

/** The topic of the event that looks for gaps. Stored data. */
export const GAPS_TOPIC = 'syncline.gaps';

/** Where the webhooks that the sender has switched off are written down, in that lane. */
export const disabledWebhooksRef = { collection: 'gaps', id: 'webhooks' } as const;

const own = { state: 'gaps', found: 'gaps-found' } as const;
const SEARCHED_ID = 'searched';

/** A delivery may take a quarter of an hour without anything being wrong. */
const DELIVERY_MS = 15 * 60_000;
/** A search begins this long before the end of the one before: events are dated by the sender, and it may list them late. */
const SEARCH_OVERLAP_MS = 3_600_000;
/** Pages of one search: far more than the syncs of all merchants in two days. */
const SEARCH_PAGES_MAX = 1_000;
/** Events brought in by one step: each is one request. */
const BROUGHT_AT_ONCE = 5;

/** Of what is found, all that changes where a merchant stands. Offers and collections come by the refresh that a sync brings. */
const soughtTopics = violetTopics.filter((topic) => /^(PRODUCT_SYNC|COLLECTION_SYNC)_/.test(topic) || isMerchantTopic(topic));

/** What the looking for gaps needs of the rest. */
export interface GapSettings extends FetchingSettings {
  /** How far back events are looked for at most, in milliseconds: less than their ids are remembered. */
  readonly lookBackMs: number;
  /** Whether the event has been received. */
  readonly isKnown: (eventId: string) => Promise<boolean>;
  /** Where a merchant's track stands: start and end of its latest run in epoch milliseconds, each null where it is not known or not yet. */
  readonly latestRun: (merchantId: string, track: TrackName) => Promise<LatestRun>;
  /** Accepts an event as the ingress does. */
  readonly accept: (request: {
    readonly event: Event;
    readonly aliases: readonly string[];
  }) => Promise<{ readonly status: 'accepted' | 'duplicate' | 'full' | 'overloaded' | 'timeout' }>;
}

export interface LatestRun {
  readonly startedAt: number | null;
  readonly finishedAt: number | null;
}

const step = z.discriminatedUnion('step', [
  z.object({ step: z.literal('webhooks') }),
  z.object({ step: z.literal('search'), after: z.number(), before: z.number(), number: z.int() }),
  z.object({ step: z.literal('bring'), before: z.number() }),
]);
type GapStep = z.infer<typeof step>;

const foundEvent = z.object({
  eventId: z.int(),
  webhookId: z.int(),
  entityId: z.int().nullable(),
  topic: z.string(),
  createdAt: z.number(),
});
type FoundEvent = z.infer<typeof foundEvent>;

/**
 * The event that looks for gaps, one in each `everyMs`: its id is made of the time, so that of several workers which bring it in, one does.
 */
export function gapsEvent(now: number, everyMs: number): Event {
  return {
    source: 'violet',
    eventId: `gaps-${everyMs}-${Math.floor(now / everyMs)}`,
    topic: GAPS_TOPIC,
    lane: GAPS_LANE,
    receivedAt: now,
    headers: {},
    body: JSON.stringify({ step: 'webhooks' } satisfies GapStep),
    bodyEncoding: 'utf8',
  };
}

/**
 * Looks for what was never received: webhooks that the sender has switched off, and events of syncs and merchants that it knows of and we do
 * not. Those are brought in as if they had been delivered; their ids are the sender's, so what arrives after all is a duplicate.
 */
export function gapHandler(settings: GapSettings): Handler {
  return defineHandler({
    name: 'gaps',
    source: 'violet',
    topics: [GAPS_TOPIC],
    payload: step,
    external: true,
    async handle({ payload }, merchant, context) {
      // What fails for good is left to the next look.
      await withinStep(settings, context, async (signal, api) => {
        const next = await takeStep(payload, { ...settings, api }, merchant, signal);
        if (next !== undefined) merchant.append({ topic: GAPS_TOPIC, payload: next });
      });
    },
  });
}

type Seeker = GapSettings & { readonly api: VioletApi };

async function takeStep(at: GapStep, seeker: Seeker, merchant: Merchant, signal: AbortSignal): Promise<GapStep | undefined> {
  switch (at.step) {
    case 'webhooks':
      await lookAtWebhooks(seeker, merchant, signal);
      return await firstSearch(seeker, merchant);
    case 'search':
      return await search(at, seeker, merchant, signal);
    default:
      return await bring(at, seeker, merchant, signal);
  }
}

const disabledWebhooks = z.array(z.object({ id: z.int(), topic: z.string(), status: z.string() }));

/** Each one that is switched off is told of once, until it is on again. */
async function lookAtWebhooks({ api }: Seeker, merchant: Merchant, signal: AbortSignal): Promise<void> {
  const documents = merchant.documents(own.state);
  const before = disabledWebhooks.safeParse(await documents.get(disabledWebhooksRef.id)).data ?? [];
  const disabled = (await api.webhooks(signal)).flatMap(({ id, event, status, temp_disable_ms }) => {
    const isPaused = typeof temp_disable_ms === 'number' && temp_disable_ms > 0;
    return status === 'DISABLED' || isPaused ? [{ id, topic: event, status: isPaused ? 'PAUSED' : 'DISABLED' }] : [];
  });
  for (const webhook of disabled) {
    if (before.some(({ id }) => id === webhook.id)) continue;
    merchant.notice('webhook.disabled', { webhookId: webhook.id, topic: webhook.topic, status: webhook.status });
  }
  documents.put(disabledWebhooksRef.id, disabled);
}

async function firstSearch({ now, lookBackMs }: Seeker, merchant: Merchant): Promise<GapStep> {
  const before = now() - DELIVERY_MS;
  const searched = z.number().safeParse(await merchant.documents(own.state).get(SEARCHED_ID)).data ?? before;
  return { step: 'search', after: Math.max(searched - SEARCH_OVERLAP_MS, now() - lookBackMs), before, number: 1 };
}

async function search(
  at: GapStep & { step: 'search' },
  { api, isKnown }: Seeker,
  merchant: Merchant,
  signal: AbortSignal,
): Promise<GapStep> {
  const { after, before, number } = at;
  const wanted: EventSearch = { eventTypes: soughtTopics, after, before };
  const page = await api.searchEvents(wanted, { number, size: PAGE_MAX_ENTRIES }, signal);
  const found = merchant.documents(own.found);
  const known = await Promise.all(page.items.map(({ id }) => isKnown(String(id))));
  for (const [index, { id, webhook_id, entity_id, event_type, date_created }] of page.items.entries()) {
    const createdAt = parseDate(date_created);
    if (typeof webhook_id !== 'number' || typeof event_type !== 'string' || createdAt === undefined || known[index]) continue;
    const event: FoundEvent = { eventId: id, webhookId: webhook_id, entityId: entity_id ?? null, topic: event_type, createdAt };
    found.put(String(id), event);
  }
  if (page.last) return { step: 'bring', before };
  if (number >= SEARCH_PAGES_MAX) throw endless('events', number);
  return { ...at, number: number + 1 };
}

async function bring(
  at: GapStep & { step: 'bring' },
  seeker: Seeker,
  merchant: Merchant,
  signal: AbortSignal,
): Promise<GapStep | undefined> {
  const documents = merchant.documents(own.found);
  const held = await Promise.all((await documents.ids()).map((id) => documents.get(id)));
  const events = held.map((document) => foundEvent.parse(document));
  // In the order in which they happened: a start before its end.
  events.sort((a, b) => a.createdAt - b.createdAt || a.eventId - b.eventId);
  for (const event of events.slice(0, BROUGHT_AT_ONCE)) {
    await bringIn(event, seeker, signal);
    documents.delete(String(event.eventId));
  }
  if (events.length > BROUGHT_AT_ONCE) return at;
  merchant.documents(own.state).put(SEARCHED_ID, at.before);
  return undefined;
}

/** Brings in one event. Leaves out what is no longer to be had or read, and the sync that a later one has followed. */
async function bringIn(event: FoundEvent, { api, now, accept, latestRun }: Seeker, signal: AbortSignal): Promise<void> {
  const text = await api.eventBody(event.webhookId, event.eventId, signal);
  if (text === undefined) return;
  const body = Buffer.from(text);
  const headers = {
    'x-violet-topic': event.topic,
    'x-violet-event-id': String(event.eventId),
    'x-violet-webhook-id': String(event.webhookId),
    ...(event.entityId !== null && { 'x-violet-entity-id': String(event.entityId) }),
  };
  const identity = violet.identify({ headers, body }, { secrets: [] });
  if (identity.kind !== 'event' || identity.merchantId === undefined) return;
  const track = trackOf(event.topic);
  if (track !== undefined && isPast(event, await latestRun(identity.merchantId, track))) return;
  const { status } = await accept({
    event: {
      source: violet.source,
      eventId: identity.eventId,
      topic: identity.topic,
      lane: laneOf(violet.source, identity.merchantId),
      receivedAt: now(),
      headers: identity.headers,
      body: text,
      bodyEncoding: 'utf8',
    },
    aliases: identity.aliases,
  });
  if (status !== 'accepted' && status !== 'duplicate') throw new Error(`Expected the store to take an event, got ${status}`);
}

/** True for a sync that a later one has followed: told now, it would undo what that said. */
function isPast({ topic, createdAt }: FoundEvent, { startedAt, finishedAt }: LatestRun): boolean {
  const isStart = topic.endsWith('_STARTED');
  return (finishedAt !== null && finishedAt >= createdAt) || (isStart && startedAt !== null && startedAt >= createdAt);
}

function trackOf(topic: string): TrackName | undefined {
  if (topic.startsWith('PRODUCT_SYNC_')) return 'product';
  return topic.startsWith('COLLECTION_SYNC_') ? 'collection' : undefined;
}

function isMerchantTopic(topic: string): boolean {
  return topic.startsWith('MERCHANT_') && !topic.startsWith('MERCHANT_PAYOUT_');
}

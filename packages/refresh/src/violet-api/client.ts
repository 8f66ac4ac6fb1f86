import { setTimeout as sleep } from 'node:timers/promises';
import { retryAfterMs } from '@syncline/events';
import * as z from 'zod';
import { VioletApiError } from './errors';
import { createExchange, nameOf, type ApiAnswer, type ApiRequest } from './exchange';
import type { Limit } from './limit';
import {
  listedEntity,
  type ListedEntity,
  offerCount,
  page,
  webhook,
  type Webhook,
  webhookEvent,
  type WebhookEvent,
  webhookEventBody,
} from './schemas';
import { createTokenKeeper, type Credentials } from './token';

export interface VioletApiSettings extends Credentials {
  /** With its version: `https://sandbox-api.violet.io/v1`. */
  readonly baseUrl: string;
  readonly appId: string;
  readonly appSecret: string;
  /** For one request, its answer included; 4,000 ms by default. */
  readonly timeoutMs?: number;
  /** 16 MiB by default. */
  readonly answerMaxBytes?: number;
  /** Tries of one call in all; 3 by default. */
  readonly tries?: number;
  /** Bounds that every request keeps, also those of a login. */
  readonly limits?: readonly Limit[];
  /** Numbers in [0, 1). */
  readonly random?: () => number;
  /** Epoch milliseconds. */
  readonly now?: () => number;
}

/** Which part of a list is asked for: `number` counts from 1. */
export interface PageRequest {
  readonly number: number;
  /** 1 to 100. */
  readonly size: number;
}

/** A part of a list. */
export interface Page<Item> {
  readonly items: readonly Item[];
  /** Entries that could not be read as what the list is of. */
  readonly unreadable: number;
  /** Nothing comes after it: it says so, or holds nothing. Counts and numbers in pages say nothing reliable. */
  readonly last: boolean;
}

/** What to look for among the events that Violet has sent or tried to send. */
export interface EventSearch {
  readonly eventTypes?: readonly string[];
  readonly entityIds?: readonly number[];
  /** Epoch milliseconds. */
  readonly after?: number;
  readonly before?: number;
}

/**
 * Violet's API, as far as a catalogue and its gaps need it. Every call rejects with a VioletApiError that says what is wrong, and with the
 * signal's reason when that fires.
 */
export interface VioletApi {
  /** The published offers of a merchant; with `since`, in epoch milliseconds, those modified after it. */
  offers(merchantId: string, page: PageRequest, signal: AbortSignal, since?: number): Promise<Page<ListedEntity>>;
  /** How many published offers a merchant has; undefined when the answer does not say. */
  offerCount(merchantId: string, signal: AbortSignal): Promise<number | undefined>;
  /** The collections of a merchant, hidden ones too. */
  collections(merchantId: string, page: PageRequest, signal: AbortSignal): Promise<Page<ListedEntity>>;
  /** Ids of the offers in a collection. `undefined` when there is no such collection. */
  collectionOfferIds(collectionId: string, page: PageRequest, signal: AbortSignal): Promise<Page<number> | undefined>;
  searchEvents(search: EventSearch, page: PageRequest, signal: AbortSignal): Promise<Page<WebhookEvent>>;
  /** An event's body as JSON text; undefined when Violet keeps it no longer (30 days). */
  eventBody(webhookId: number, eventId: number, signal: AbortSignal): Promise<string | undefined>;
  webhooks(signal: AbortSignal): Promise<readonly Webhook[]>;
}

/** Waits longer than this are for the caller, who need not hold anything meanwhile. */
const WAIT_MAX_MS = 1_000;
const BACKOFF_BASE_MS = 200;

export function createVioletApi(settings: VioletApiSettings): VioletApi {
  const { baseUrl, appId, appSecret, username, password } = settings;
  const { timeoutMs = 4_000, answerMaxBytes = 16 * 1024 * 1024, tries = 3, limits = [] } = settings;
  const { random = Math.random, now = Date.now } = settings;
  const exchange = createExchange({
    baseUrl: baseUrl.replace(/\/+$/, ''),
    headers: { 'X-Violet-App-Id': appId, 'X-Violet-App-Secret': appSecret },
    timeoutMs,
    answerMaxBytes,
    limits,
  });
  const tokens = createTokenKeeper({ exchange, username, password, now });

  /** One call: its answer, whatever its status, once no further try would change it. */
  async function call(request: ApiRequest, signal: AbortSignal): Promise<ApiAnswer> {
    let renewed = false;
    for (let tried = 1; ; ) {
      try {
        const token = await tokens.current(signal);
        const answer = await exchange({ ...request, headers: { 'X-Violet-Token': token } }, signal);
        if (answer.status === 401 && !renewed) {
          tokens.spent(token);
          renewed = true;
          continue;
        }
        const problem = passing(request, answer);
        if (problem === undefined) return answer;
        throw problem;
      } catch (error) {
        const isPassing = error instanceof VioletApiError && (error.problem === 'unavailable' || error.problem === 'limited');
        if (!isPassing || tried >= tries) throw error;
        const waitMs = error.retryAfterMs ?? random() * BACKOFF_BASE_MS * 2 ** (tried - 1);
        if (waitMs > WAIT_MAX_MS) throw error;
        tried += 1;
        await sleep(waitMs, undefined, { signal }).catch(() => signal.throwIfAborted());
      }
    }
  }

  /** What another try may change. */
  function passing(request: ApiRequest, { status, headers }: ApiAnswer): VioletApiError | undefined {
    const options = { status, retryAfterMs: retryAfterMs(headers.get('retry-after'), now()) };
    if (status === 429) return new VioletApiError('limited', `Expected an answer to ${nameOf(request)}, got 429`, options);
    if (status >= 500)
      return new VioletApiError('unavailable', `Expected an answer to ${nameOf(request)}, got ${status}`, options);
    return undefined;
  }

  async function read<Value>(request: ApiRequest, schema: z.ZodType<Value>, signal: AbortSignal): Promise<Value | undefined> {
    const answer = await call(request, signal);
    if (answer.status === 404 || answer.status === 410) return undefined;
    if (answer.status < 200 || answer.status > 299) {
      throw new VioletApiError('refused', `Expected Violet to answer ${nameOf(request)}, got ${answer.status}`, {
        status: answer.status,
      });
    }
    const value = schema.safeParse(answer.value);
    if (value.success) return value.data;
    // Paths alone: what is at them is not ours to repeat.
    const places = [...new Set(value.error.issues.map((issue) => issue.path.join('.') || 'the whole'))].slice(0, 3).join(', ');
    throw new VioletApiError(
      'unreadable',
      `Expected an answer to ${nameOf(request)} as Violet describes it, got another at ${places}`,
      {
        status: answer.status,
      },
    );
  }

  async function readPage<Item>(
    request: ApiRequest,
    item: z.ZodType<Item>,
    signal: AbortSignal,
  ): Promise<Page<Item> | undefined> {
    const answer = await read(request, page, signal);
    if (answer === undefined) return undefined;
    const content = answer.content ?? [];
    const items = content.flatMap((entry) => {
      const parsed = item.safeParse(entry);
      return parsed.success ? [parsed.data] : [];
    });
    return { items, unreadable: content.length - items.length, last: answer.last === true || content.length === 0 };
  }

  /** For what must be there: a 404 is a refusal like others. */
  async function expect<Value>(request: ApiRequest, reading: Promise<Value | undefined>): Promise<Value> {
    const value = await reading;
    if (value !== undefined) return value;
    throw new VioletApiError('refused', `Expected Violet to answer ${nameOf(request)}, got 404`, { status: 404 });
  }

  return {
    async offers(merchantId, { number, size }, signal, since) {
      const request: ApiRequest = {
        method: 'GET',
        path: `/catalog/offers/merchants/${encodeURIComponent(merchantId)}`,
        query: { page: number, size, 'date_last_modified:min': since === undefined ? undefined : violetDate(since) },
      };
      return ofMerchant(await expect(request, readPage(request, listedEntity, signal)), merchantId);
    },
    async offerCount(merchantId, signal) {
      const request: ApiRequest = { method: 'GET', path: `/catalog/offers/merchants/${encodeURIComponent(merchantId)}/count` };
      const { count, published_count, not_published_count } = await expect(request, read(request, offerCount, signal));
      if (typeof published_count === 'number') return published_count;
      return typeof count === 'number' && typeof not_published_count === 'number' ? count - not_published_count : undefined;
    },
    async collections(merchantId, { number, size }, signal) {
      const request: ApiRequest = {
        method: 'GET',
        path: `/catalog/collections/merchants/${encodeURIComponent(merchantId)}`,
        query: { page: number, size, exclude_hidden: false },
      };
      return ofMerchant(await expect(request, readPage(request, listedEntity, signal)), merchantId);
    },
    collectionOfferIds: (collectionId, { number, size }, signal) =>
      readPage(
        {
          method: 'GET',
          path: `/catalog/collections/${encodeURIComponent(collectionId)}/offers/ids`,
          query: { page: number, size, exclude_hidden: false },
        },
        z.int(),
        signal,
      ),
    async searchEvents({ eventTypes, entityIds, after, before }, { number, size }, signal) {
      const request: ApiRequest = {
        method: 'POST',
        path: '/events/webhooks/all/events/search',
        query: { page: number, size },
        body: {
          ...(eventTypes && { event_types: eventTypes }),
          ...(entityIds && { entity_ids: entityIds }),
          ...(after !== undefined && { after_date: violetDate(after) }),
          ...(before !== undefined && { before_date: violetDate(before) }),
        },
      };
      return expect(request, readPage(request, webhookEvent, signal));
    },
    async eventBody(webhookId, eventId, signal) {
      const path = `/events/webhooks/${webhookId}/events/${eventId}/body`;
      const answer = await read({ method: 'GET', path }, webhookEventBody, signal);
      if (answer === undefined) return undefined;
      return typeof answer.body === 'string' ? answer.body : JSON.stringify(answer.body);
    },
    async webhooks(signal) {
      const request: ApiRequest = { method: 'GET', path: '/events/webhooks' };
      return expect(request, read(request, z.array(webhook), signal));
    },
  };
}

/** What names another merchant is not this one's, wherever it is listed. */
function ofMerchant(listed: Page<ListedEntity>, merchantId: string): Page<ListedEntity> {
  const items = listed.items.filter(
    ({ merchant_id }) => merchant_id === undefined || merchant_id === null || String(merchant_id) === merchantId,
  );
  return { ...listed, items, unreadable: listed.unreadable + listed.items.length - items.length };
}

/** A date as Violet writes it: whole seconds, no colon in the offset. */
export function violetDate(epochMs: number): string {
  return `${new Date(epochMs).toISOString().slice(0, 19)}+0000`;
}

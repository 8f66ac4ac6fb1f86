import http from 'node:http';
import type { AddressInfo } from 'node:net';
import type { ContractRequest } from './violet-contract';

/** An offer or a collection as the API gives it. */
export interface VioletEntity {
  readonly id: number;
  readonly merchant_id: number;
  readonly date_last_modified: string;
  readonly [field: string]: unknown;
}

/** An event that the API knows to have been sent, or tried. */
export interface VioletSentEvent {
  readonly id: number;
  readonly webhook_id: number;
  readonly entity_id: number;
  readonly event_type: string;
  readonly status: string;
  readonly date_created: string;
  readonly body: object;
}

export interface VioletWebhook {
  readonly id: number;
  readonly event: string;
  readonly remote_endpoint: string;
  readonly status: string;
  readonly temp_disable_ms?: number;
}

/** What the server holds. A test changes it as it likes, also while it is being read. */
export interface VioletHoldings {
  readonly offers: Map<number, VioletEntity>;
  readonly collections: Map<number, VioletEntity>;
  /** Ids of the offers in a collection, by its id. */
  readonly members: Map<number, readonly number[]>;
  readonly events: Map<number, VioletSentEvent>;
  readonly webhooks: Map<number, VioletWebhook>;
}

/** What happens to a request instead of, or around, its answer. */
export type VioletFault =
  | { readonly kind: 'status'; readonly status: number; readonly retryAfter?: string }
  /** The answer is held back until `release` is called. */
  | { readonly kind: 'hold'; readonly until: Promise<void> }
  /** Half of the answer comes, then the connection is cut. */
  | { readonly kind: 'cut' }
  /** This text is the body, whatever it is. */
  | { readonly kind: 'body'; readonly body: string }
  /** The list says on each of its pages that there are more, and gives the first one over and over. */
  | { readonly kind: 'endless' };

/** A request that was answered. */
export interface SeenRequest {
  readonly method: string;
  /** With its query, without the version before it. */
  readonly url: string;
  readonly status: number;
}

/** How pages are numbered and counted: the API's documents disagree. */
export interface PageShape {
  readonly numberFrom?: 0 | 1;
  readonly totals?: 'true' | 'zero';
  /** False leaves `last` out. */
  readonly last?: boolean;
}

export interface VioletApiServer {
  /** The base URL, with the version. */
  readonly url: string;
  readonly credentials: {
    readonly appId: string;
    readonly appSecret: string;
    readonly username: string;
    readonly password: string;
  };
  readonly holdings: VioletHoldings;
  readonly seen: readonly SeenRequest[];
  /** Requests that are being held back now. */
  readonly held: number;
  /** Requests that are not as the contract says, and answers of this server that are not. `stop` rejects when there are any. */
  readonly violations: string[];
  pageShape: PageShape;
  /** Called once a request has been answered, before the next is read: the catalogue changes under the reader. */
  afterAnswer: ((request: SeenRequest) => void) | undefined;
  /** Lets the fault happen to the next `times` requests whose method and path, as in `GET /catalog/…`, fit. */
  fail(fitting: RegExp, fault: VioletFault, times?: number): void;
  /** Every token given so far is answered 401 from now on; the refresh tokens too unless they are kept. */
  expireTokens(settings?: { readonly refreshTokens?: boolean }): void;
  /** Rejects when a request or an answer was not as the contract says. Idempotent. */
  stop(): Promise<void>;
}

interface PendingFault {
  readonly fitting: RegExp;
  readonly fault: VioletFault;
  left: number;
}

const VERSION = '/v1';
const PAGE_MAX = 100;

/**
 * A local server for Violet's catalogue and event API. Every request is judged by Violet's published contract (violet-openapi); login and
 * renewal, of which there is none, by Violet's guide: `POST /login`, `GET /auth/token`.
 */
export async function startVioletApi(): Promise<VioletApiServer> {
  // Loaded here: whoever needs no such server should not wait for the contract.
  const { loadVioletContract } = require('./violet-contract') as typeof import('./violet-contract');
  const contract = loadVioletContract();
  const credentials = {
    appId: '10042',
    appSecret: 'app-secret-of-tests',
    username: 'channel@example.com',
    password: 'a password',
  };
  const holdings: VioletHoldings = {
    offers: new Map(),
    collections: new Map(),
    members: new Map(),
    events: new Map(),
    webhooks: new Map(),
  };
  const seen: SeenRequest[] = [];
  const violations: string[] = [];
  const faults: PendingFault[] = [];
  const tokens = new Set<string>();
  const refreshTokens = new Set<string>();
  let given = 0;
  let held = 0;

  const server = http.createServer((request, response) => {
    answer(request, response).catch((error: unknown) => {
      violations.push(`the server failed: ${String(error)}`);
      response.destroy();
    });
  });
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });

  const api: VioletApiServer = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}${VERSION}`,
    credentials,
    holdings,
    seen,
    get held() {
      return held;
    },
    violations,
    pageShape: {},
    afterAnswer: undefined,
    fail: (fitting, fault, times = 1) => void faults.push({ fitting, fault, left: times }),
    expireTokens({ refreshTokens: also = true } = {}) {
      tokens.clear();
      if (also) refreshTokens.clear();
    },
    async stop() {
      server.closeAllConnections();
      if (server.listening) {
        await new Promise((resolve) => {
          server.close(resolve);
        });
      }
      if (violations.length > 0) throw new Error(`Expected requests as Violet's contract says, got:\n${violations.join('\n')}`);
    },
  };

  async function answer(incoming: http.IncomingMessage, response: http.ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of incoming) chunks.push(chunk as Buffer);
    const url = new URL(incoming.url ?? '/', api.url);
    const written = (incoming.url ?? '').slice(VERSION.length);
    const text = Buffer.concat(chunks).toString('utf8');
    const request: ContractRequest = {
      method: incoming.method ?? '',
      path: url.pathname.slice(VERSION.length),
      query: url.searchParams,
      headers: incoming.headers,
      body: text === '' ? undefined : (JSON.parse(text) as unknown),
    };
    const name = `${request.method} ${written}`;
    if (written.includes('%3A')) violations.push(`${name}: expected literal colons`);
    const fault = takeFault(`${request.method} ${request.path}`);
    if (fault?.kind === 'hold') {
      held += 1;
      await fault.until;
      held -= 1;
    }
    const { status, value } =
      fault?.kind === 'status' ? { status: fault.status, value: { message: 'a fault' } } : answerTo(request, name, fault);
    const body = fault?.kind === 'body' ? fault.body : JSON.stringify(value);
    const retryAfter = fault?.kind === 'status' ? fault.retryAfter : undefined;
    response.writeHead(status, {
      'Content-Type': 'application/json',
      'Content-Length': Buffer.byteLength(body),
      ...(retryAfter !== undefined && { 'Retry-After': retryAfter }),
    });
    const told = { method: request.method, url: written, status };
    seen.push(told);
    if (fault?.kind === 'cut') {
      response.write(body.slice(0, Math.floor(body.length / 2)), () => response.destroy());
    } else {
      response.end(body);
    }
    api.afterAnswer?.(told);
  }

  function takeFault(name: string): VioletFault | undefined {
    const pending = faults.find(({ fitting, left }) => left > 0 && fitting.test(name));
    if (pending) pending.left -= 1;
    return pending?.fault;
  }

  function answerTo(request: ContractRequest, name: string, fault: VioletFault | undefined): { status: number; value: unknown } {
    const { headers } = request;
    if (headers['x-violet-app-id'] !== credentials.appId || headers['x-violet-app-secret'] !== credentials.appSecret) {
      return { status: 401, value: { message: 'unknown app' } };
    }
    if (request.path === '/login' || request.path === '/auth/token') return authenticate(request, name);
    const reading = contract(request);
    violations.push(...reading.problems.map((problem) => `${name}: ${problem}`));
    if (reading.problems.length > 0) return { status: 400, value: { message: 'not as the contract says' } };
    if (typeof headers['x-violet-token'] !== 'string' || !tokens.has(headers['x-violet-token'])) {
      return { status: 401, value: { message: 'expired' } };
    }
    const value = valueFor(reading.template ?? '', request, fault?.kind === 'endless');
    if (value === undefined) return { status: 404, value: { message: 'no such thing' } };
    violations.push(...reading.answerProblems(value).map((problem) => `${name}: ${problem}`));
    return { status: 200, value };
  }

  function authenticate({ method, path, body, headers }: ContractRequest, name: string): { status: number; value: unknown } {
    if (path === '/login') {
      const { username, password, ...others } = (body ?? {}) as Record<string, unknown>;
      if (method !== 'POST' || Object.keys(others).length > 0)
        violations.push(`${name}: expected POST with username and password`);
      if (username !== credentials.username || password !== credentials.password) {
        return { status: 401, value: { message: 'wrong password' } };
      }
    } else {
      if (method !== 'GET' || body !== undefined) violations.push(`${name}: expected GET without a body`);
      const refreshToken = headers['x-violet-token'];
      if (typeof refreshToken !== 'string' || !refreshTokens.delete(refreshToken))
        return { status: 401, value: { message: 'expired' } };
    }
    given += 1;
    tokens.add(`token-${given}`);
    refreshTokens.add(`refresh-token-${given}`);
    return { status: 200, value: { token: `token-${given}`, refresh_token: `refresh-token-${given}` } };
  }

  function valueFor(template: string, { path, query, body }: ContractRequest, endless: boolean): unknown {
    const ids = path
      .split('/')
      .filter((part) => /^\d+$/.test(part))
      .map(Number);
    const [first = 0, second = 0] = ids;
    const since = Date.parse(query.get('date_last_modified:min') ?? '1970-01-01T00:00:00Z');
    const listed = [...holdings.offers.values()]
      .filter((offer) => offer.merchant_id === first && Date.parse(offer.date_last_modified) > since)
      .sort((a, b) => a.id - b.id);
    const published = listed.filter((offer) => offer.publishing_status === 'PUBLISHED');
    switch (template) {
      case '/catalog/offers/merchants/{merchant_id}':
        return pageOf(published, query, endless);
      case '/catalog/offers/merchants/{merchant_id}/count':
        return { count: listed.length, published_count: published.length, not_published_count: listed.length - published.length };
      case '/catalog/collections/merchants/{merchant_id}':
        return pageOf(
          [...holdings.collections.values()].filter(({ merchant_id }) => merchant_id === first).sort((a, b) => a.id - b.id),
          query,
          endless,
        );
      case '/catalog/collections/{collection_id}/offers/ids':
        return holdings.collections.has(first) ? pageOf(holdings.members.get(first) ?? [], query, endless) : undefined;
      case '/events/webhooks/all/events/search':
        return pageOf(searched(body as SearchBody), query, endless);
      case '/events/webhooks/{webhook_id}/events/{event_id}/body': {
        const event = holdings.events.get(second);
        return event === undefined || event.webhook_id !== first
          ? undefined
          : { body: event.body, length: JSON.stringify(event.body).length, date_created: event.date_created };
      }
      case '/events/webhooks':
        return [...holdings.webhooks.values()];
      default:
        return undefined;
    }
  }

  interface SearchBody {
    readonly event_types?: readonly string[];
    readonly entity_ids?: readonly number[];
    readonly after_date?: string;
    readonly before_date?: string;
  }

  function searched({ event_types, entity_ids, after_date, before_date }: SearchBody): unknown[] {
    return [...holdings.events.values()]
      .filter(
        (event) =>
          (event_types?.includes(event.event_type) ?? true) &&
          (entity_ids?.includes(event.entity_id) ?? true) &&
          (after_date === undefined || Date.parse(event.date_created) >= Date.parse(after_date)) &&
          (before_date === undefined || Date.parse(event.date_created) <= Date.parse(before_date)),
      )
      .map(({ body: _body, ...described }) => described);
  }

  function pageOf(all: readonly unknown[], query: URLSearchParams, endless: boolean): object {
    const { numberFrom = 1, totals = 'true', last = true } = api.pageShape;
    const size = Math.min(Number(query.get('size') ?? 20), PAGE_MAX);
    const number = endless ? 1 : Number(query.get('page') ?? 1);
    const content = all.slice((number - 1) * size, number * size);
    const isLast = !endless && number * size >= all.length;
    return {
      content,
      ...(last && { last: isLast }),
      first: number === 1,
      empty: content.length === 0,
      number: number - 1 + numberFrom,
      number_of_elements: content.length,
      size,
      total_elements: totals === 'zero' ? 0 : all.length,
      total_pages: totals === 'zero' ? 0 : Math.ceil(all.length / size),
    };
  }

  return api;
}

/** An offer with everything that the contract requires. */
export function violetOfferOf(id: number, merchantId: number, fields: Readonly<Record<string, unknown>> = {}): VioletEntity {
  return {
    id,
    merchant_id: merchantId,
    external_id: `external-${id}`,
    name: `Offer ${id}`,
    source: 'SHOPIFY',
    seller: 'A shop',
    available: true,
    visible: true,
    min_price: 1_000,
    max_price: 2_000,
    currency: 'USD',
    type: 'PHYSICAL',
    status: 'AVAILABLE',
    publishing_status: 'PUBLISHED',
    skus: [],
    variants: [],
    date_created: '2025-01-01T00:00:00+0000',
    date_last_modified: '2025-01-01T00:00:00+0000',
    ...fields,
  };
}

/** A collection with everything that the contract requires. */
export function violetCollectionOf(id: number, merchantId: number, fields: Readonly<Record<string, unknown>> = {}): VioletEntity {
  return {
    id,
    merchant_id: merchantId,
    external_id: `external-${id}`,
    name: `Collection ${id}`,
    status: 'ACTIVE',
    type: 'CUSTOM',
    date_created: '2025-01-01T00:00:00+0000',
    date_last_modified: '2025-01-01T00:00:00+0000',
    ...fields,
  };
}

import {
  createDecider,
  documentCollections,
  type MerchantStatus,
  merchantStatusOf,
  readStatusDocument,
  statusRef,
} from '@syncline/catalog';
import { laneOf, sideLaneOf } from '@syncline/events';
import { type Acceptor, createAcceptor, createInspector, createTurnWorker, type Inspector, type Logger } from '@syncline/lanes';
import { type TestRedis, type VioletApiServer, waitFor } from '@syncline/testkit';
import {
  createRefreshHandlers,
  createVioletApi,
  GAPS_LANE,
  gapsEvent,
  REFRESH_LANE,
  type RefreshSettings,
  type VioletApiSettings,
} from '../src/index';

const HOUR_MS = 3_600_000;
const silent: Logger = { debug() {}, info() {}, warn() {}, error() {} };

let prefixes = 0;
let sent = 0;

export interface RefreshedSettings extends Partial<VioletApiSettings> {
  /** False for a worker without credentials. */
  readonly hasApi?: boolean;
  readonly maxAttempts?: number;
}

/** A data set of its own on a real Redis, with as many workers as wanted. */
export class Refreshed {
  readonly merchantId = '10042';
  readonly lane = laneOf('violet', this.merchantId);
  readonly notices: { kind: string; data: object }[] = [];
  readonly acceptor: Acceptor;
  readonly inspector: Inspector;
  readonly #redis: TestRedis;
  readonly #server: VioletApiServer;
  readonly #prefix = `refresh-${(prefixes += 1)}`;
  readonly #ends: (() => Promise<void>)[] = [];

  constructor(redis: TestRedis, server: VioletApiServer) {
    this.#redis = redis;
    this.#server = server;
    const store = this.#store();
    this.acceptor = createAcceptor({
      ...store,
      acceptTimeoutMs: 8_000,
      tryTimeoutMs: 4_000,
      waitReplicas: 0,
      onMismatch: (error) => {
        throw error;
      },
    });
    this.acceptor.start();
    this.inspector = createInspector(store);
    this.#ends.push(
      () => this.acceptor.stop(1_000),
      () => this.inspector.stop(),
    );
  }

  async startWorker({
    hasApi = true,
    maxAttempts = 4,
    ...overrides
  }: RefreshedSettings = {}): Promise<{ stop(): Promise<void> }> {
    const api = hasApi
      ? createVioletApi({ baseUrl: this.#server.url, ...this.#server.credentials, random: () => 0, ...overrides })
      : undefined;
    const worker = createTurnWorker({
      ...this.#store(),
      decider: createDecider(createRefreshHandlers({ api, stepTimeoutMs: 4_000, maxAttempts, gaps: this.#gaps() }), {
        refreshes: () => hasApi,
        notify: (_unit, _merchant, kind, data) => void this.notices.push({ kind, data }),
      }),
      retry: { maxAttempts, baseMs: 10, factor: 1, capMs: 10, jitter: 0 },
      failurePolicy: () => 'park',
      handlerTimeoutMs: 5_000,
      turnMaxEvents: 100,
      turnMaxBytes: 512 * 1024,
      historyMaxItems: 10_000,
      historyMaxAgeMs: HOUR_MS,
      concurrency: 10,
      observer: {
        attempted() {},
        committed() {},
        retried() {},
        fenced() {},
        rescued() {},
        violated: (kind) => {
          throw new Error(`Expected no broken promise, got ${kind}`);
        },
      },
    });
    await worker.start();
    let stopped: Promise<void> | undefined;
    const stop = (): Promise<void> => (stopped ??= worker.stop(1_000));
    this.#ends.push(stop);
    return { stop };
  }

  async send(topic: string, body: object, headers: Record<string, string> = {}, eventId = `sent-${(sent += 1)}`): Promise<void> {
    const event = {
      source: 'violet',
      eventId,
      topic,
      lane: this.lane,
      receivedAt: Date.now(),
      headers,
      body: JSON.stringify(body),
      bodyEncoding: 'utf8' as const,
    };
    const { status } = await this.acceptor.accept({ event, aliases: [] });
    if (status !== 'accepted') throw new Error(`Expected the event to be accepted, got ${status}`);
  }

  /** A product sync that completes. */
  complete(track: 'PRODUCT' | 'COLLECTION' = 'PRODUCT'): Promise<void> {
    return this.send(`${track}_SYNC_COMPLETED`, { merchant_id: 10_042 });
  }

  /** Resolves when both lanes are idle and no refresh is under way, `refreshes` of them having ended in all. */
  async settled(refreshes = 1): Promise<void> {
    await waitFor(
      async () => {
        const state = await this.state();
        const ended = (await this.topics()).filter((topic) => /refresh-(settled|failed)/.test(topic)).length;
        const lanes = await Promise.all([
          this.inspector.lane(this.lane),
          this.inspector.lane(sideLaneOf(this.lane, REFRESH_LANE)),
        ]);
        return (
          ended >= refreshes && state?.running === null && lanes.every((lane) => lane === undefined || lane.state === 'idle')
        );
      },
      { message: 'the refresh to end' },
    );
  }

  async state(): Promise<Record<string, unknown> | undefined> {
    return (await this.inspector.document(this.lane, 'refresh', 'state')) as Record<string, unknown> | undefined;
  }

  async status(): Promise<MerchantStatus> {
    return merchantStatusOf(await this.inspector.document(this.lane, statusRef.collection, statusRef.id));
  }

  /** Topics of the merchant's own lane, in order. */
  async topics(): Promise<string[]> {
    return (await this.inspector.history(this.lane, { limit: 1_000 })).items.map(({ topic }) => topic);
  }

  async held(kind: 'offers' | 'collections' | 'collection-offers'): Promise<Map<string, unknown>> {
    const held = new Map<string, unknown>();
    let cursor: string | undefined;
    do {
      const page = await this.inspector.documents(this.lane, kind, { limit: 1_000, cursor });
      for (const { id, value } of page.items) held.set(id, value);
      cursor = page.nextCursor ?? undefined;
    } while (cursor !== undefined);
    return held;
  }

  /** What the server lists: what must be held once a refresh has ended. */
  served(kind: 'offers' | 'collections'): Map<string, unknown> {
    const served = [...this.#server.holdings[kind].values()].filter(
      ({ merchant_id, publishing_status }) =>
        String(merchant_id) === this.merchantId && (kind === 'collections' || publishing_status === 'PUBLISHED'),
    );
    return new Map(served.map((entity) => [String(entity.id), entity]));
  }

  /** What is left of a refresh, beside its state. */
  async leftovers(): Promise<number> {
    const counts = await Promise.all(
      ['refresh-seen', 'refresh-members', documentCollections.receipts].map((name) =>
        this.inspector.countDocuments(this.lane, name),
      ),
    );
    return counts.reduce((sum, count) => sum + count, 0);
  }

  async close(): Promise<void> {
    for (const end of this.#ends.splice(0).reverse()) await end();
  }

  /** Looks for gaps, at `now` if it is given. */
  async lookForGaps(now = Date.now()): Promise<void> {
    const { status } = await this.acceptor.accept({ event: gapsEvent(now, 1), aliases: [] });
    if (status !== 'accepted') throw new Error(`Expected the look to be accepted, got ${status}`);
    await waitFor(async () => (await this.inspector.lane(GAPS_LANE))?.state === 'idle');
  }

  #gaps(): RefreshSettings['gaps'] {
    return {
      lookBackMs: 48 * HOUR_MS,
      isKnown: async (eventId) => (await this.inspector.event('violet', eventId)) !== undefined,
      latestRun: async (merchantId, track) => {
        const document = await this.inspector.document(laneOf('violet', merchantId), statusRef.collection, statusRef.id);
        return readStatusDocument(document).tracks[track];
      },
      accept: (request) => this.acceptor.accept(request),
    };
  }

  #store() {
    return { redisUrl: this.#redis.url, prefix: this.#prefix, shards: 1, dedupWindowMs: () => HOUR_MS, log: silent };
  }
}

import { retryAfterMs } from '@syncline/events';
import * as z from 'zod';
import type { Clock } from './clock';
import { CommandFailure, Interrupted, networkReason } from './failure';
import { jsonOf } from './json';

const time = z.string().nullable();
const count = z.number();

const trackSchema = z.looseObject({
  state: z.string(),
  startedAt: time,
  finishedAt: time,
  durationMs: count.nullable(),
  runs: count,
  completed: count,
  failed: count,
  consecutiveFailures: count,
  total: count.nullable(),
  synced: count.nullable(),
  lastError: z.string().nullable(),
  failuresRisingSince: z.string().optional(),
});

const merchantSchema = z.looseObject({
  source: z.string(),
  merchantId: z.string(),
  connection: z.string(),
  catalogReady: z.boolean(),
  catalogReadyAt: time,
  catalogStaleSince: time,
  tracks: z.looseObject({ product: trackSchema, collection: trackSchema }),
  offers: z.looseObject({ count }),
  collections: z.looseObject({ count }),
  lane: z.looseObject({ state: z.string(), depth: count, headAttempts: count, nextAttemptAt: time }),
});

const historyItemSchema = z.looseObject({ position: count, eventId: z.string(), topic: z.string(), outcome: z.string() });
const pageSchema = z.object({ items: z.array(z.unknown()), nextCursor: z.string().nullable() });
const errorSchema = z.object({ error: z.object({ code: z.string(), message: z.string() }) });

export type Track = z.output<typeof trackSchema>;
/** A merchant as the console shows it; fields that this client does not know are kept. */
export type Merchant = z.output<typeof merchantSchema>;
export type HistoryItem = z.output<typeof historyItemSchema>;

export interface ConsoleClientSettings {
  /** Where the console listens, without a path. */
  readonly consoleUrl: string;
  readonly token: string;
  /** Whose merchants are read. */
  readonly source: string;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

/**
 * Reads the console's API. Every method rejects with a CommandFailure when the console cannot be used, and with Interrupted when the
 * signal fires. An unavailable store is waited for; so is the console itself once it has answered.
 */
export interface ConsoleClient {
  /** Undefined for a merchant that the console does not know. */
  merchant(merchantId: string): Promise<Merchant | undefined>;
  /** The merchant's committed events, oldest first. */
  history(merchantId: string): AsyncGenerator<HistoryItem>;
  /** The entities as last applied. */
  entities(merchantId: string, kind: 'offers' | 'collections'): AsyncGenerator;
}

const ATTEMPTS_MAX = 20;
const RETRY_DELAY_MS = 500;
const ANSWER_TIMEOUT_MS = 10_000;
const PAGE_LIMIT = 500;

export function createConsoleClient({ consoleUrl, token, source, clock, signal }: ConsoleClientSettings): ConsoleClient {
  let hasAnswered = false;

  /** The JSON answered, or undefined where the console says that it knows no such thing. */
  async function get(path: string): Promise<unknown> {
    const url = new URL(`/api/v1${path}`, consoleUrl);
    for (let attempt = 1; ; attempt += 1) {
      let response: Response;
      let body: unknown;
      try {
        response = await fetch(url, {
          headers: { Authorization: `Bearer ${token}` },
          redirect: 'error',
          signal: AbortSignal.any([signal, AbortSignal.timeout(ANSWER_TIMEOUT_MS)]),
        });
        body = jsonOf(await response.text());
        hasAnswered = true;
      } catch (error) {
        if (signal.aborted) throw new Interrupted('Stopped', { cause: error });
        if (!hasAnswered || attempt === ATTEMPTS_MAX) {
          throw new CommandFailure(
            `Expected a console at ${consoleUrl}, got ${networkReason(error)}. Is \`npm start\` running? Another address goes with --console.`,
          );
        }
        await clock.sleep(RETRY_DELAY_MS, signal);
        continue;
      }
      // Undefined is kept for what the console does not know; a body that is no JSON fits no schema.
      if (response.ok) return body ?? null;
      const error = errorSchema.safeParse(body).data?.error;
      if (response.status === 404 && error?.code === 'not_found') return undefined;
      if (response.status !== 503 || attempt === ATTEMPTS_MAX)
        throw new CommandFailure(refusalMessage(response.status, consoleUrl, error));
      await clock.sleep(retryAfterMs(response.headers.get('retry-after'), clock.now()) ?? RETRY_DELAY_MS, signal);
    }
  }

  async function* list(path: string): AsyncGenerator {
    let cursor: string | null = null;
    do {
      const from = cursor === null ? '' : `&cursor=${encodeURIComponent(cursor)}`;
      const body = await get(`${path}?limit=${PAGE_LIMIT}${from}`);
      if (body === undefined) return;
      const page = parse(pageSchema, body, consoleUrl);
      yield* page.items;
      cursor = page.nextCursor;
    } while (cursor !== null);
  }

  return {
    async merchant(merchantId) {
      const body = await get(pathOf(source, merchantId));
      return body === undefined ? undefined : parse(merchantSchema, body, consoleUrl);
    },
    async *history(merchantId) {
      for await (const item of list(`${pathOf(source, merchantId)}/history`)) yield parse(historyItemSchema, item, consoleUrl);
    },
    entities: (merchantId, kind) => list(`${pathOf(source, merchantId)}/${kind}`),
  };
}

function pathOf(source: string, merchantId: string): string {
  return `/merchants/${source}/${encodeURIComponent(merchantId)}`;
}

function parse<Schema extends z.ZodType>(schema: Schema, body: unknown, consoleUrl: string): z.output<Schema> {
  const result = schema.safeParse(body);
  // The schemas change nothing; the body itself keeps the order of its fields for people to read.
  if (result.success) return body as z.output<Schema>;
  throw new CommandFailure(
    `Expected a console at ${consoleUrl}, got an answer of another form. Check --console.\n${z.prettifyError(result.error)}`,
  );
}

function refusalMessage(status: number, consoleUrl: string, error: { code: string; message: string } | undefined): string {
  switch (status) {
    case 401:
      return 'Expected the console to know the token, got 401. Set CONSOLE_TOKEN to what the console was started with.';
    case 404:
      return `Expected a console at ${consoleUrl}, got 404. Check --console.`;
    case 503:
      return `Expected the console to reach its store, got 503 for a while: ${error?.message ?? 'no reason'}. Look at ${consoleUrl}/readyz.`;
    default:
      return `Expected the console to answer, got ${status}: ${error?.message ?? 'no reason'}`;
  }
}

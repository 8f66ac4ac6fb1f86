import { VioletApiError } from './errors';
import { enterAll, type Limit } from './limit';

/** One request, before it has a token. */
export interface ApiRequest {
  readonly method: 'GET' | 'POST';
  /** Begins with a slash; ids in it are encoded. */
  readonly path: string;
  readonly query?: Readonly<Record<string, string | number | boolean | undefined>>;
  readonly headers?: Readonly<Record<string, string>>;
  /** A JSON value. */
  readonly body?: unknown;
}

/** An answer whose body was read to its end and is JSON. */
export interface ApiAnswer {
  readonly status: number;
  readonly headers: Headers;
  /** Undefined when the answer is no success, or has no body. */
  readonly value: unknown;
  readonly bytes: number;
}

export interface ExchangeSettings {
  /** Without a slash at its end. */
  readonly baseUrl: string;
  /** Sent with every request. */
  readonly headers: Readonly<Record<string, string>>;
  /** For one request, its answer included. */
  readonly timeoutMs: number;
  readonly answerMaxBytes: number;
  readonly limits: readonly Limit[];
}

export type Exchange = (request: ApiRequest, signal: AbortSignal) => Promise<ApiAnswer>;

/**
 * Sends requests and reads their answers, within time, size and limits. Rejects with a VioletApiError `unavailable`, `busy`, `tooLarge` or
 * `unreadable`, and with the signal's reason when that fires. A status that tells of failure is an answer.
 */
export function createExchange({ baseUrl, headers, timeoutMs, answerMaxBytes, limits }: ExchangeSettings): Exchange {
  return async (request, signal) => {
    const leave = await enterAll(limits, signal);
    const timeout = AbortSignal.timeout(timeoutMs);
    const either = AbortSignal.any([signal, timeout]);
    const name = nameOf(request);
    try {
      const response = await fetch(`${baseUrl}${request.path}${queryOf(request.query)}`, {
        method: request.method,
        // A redirect would carry token and secret to wherever it points.
        redirect: 'error',
        signal: either,
        headers: {
          Accept: 'application/json',
          ...headers,
          ...request.headers,
          ...(request.body !== undefined && { 'Content-Type': 'application/json' }),
        },
        ...(request.body !== undefined && { body: JSON.stringify(request.body) }),
      });
      const body = await readBounded(response, answerMaxBytes, name);
      const value = response.ok && body.length > 0 ? parse(body, name, response.status) : undefined;
      return { status: response.status, headers: response.headers, value, bytes: body.length };
    } catch (error) {
      if (error instanceof VioletApiError) throw error;
      if (signal.aborted) throw signal.reason;
      const got = timeout.aborted ? `none within ${timeoutMs} ms` : `a broken connection (${reasonOf(error)})`;
      throw new VioletApiError('unavailable', `Expected an answer to ${name}, got ${got}`);
    } finally {
      leave();
    }
  };
}

/** How an error tells of a request: its ids stay, its query does not. */
export function nameOf({ method, path }: Pick<ApiRequest, 'method' | 'path'>): string {
  return `${method} ${path}`;
}

/** Violet's names of parameters, and its dates, hold literal colons. */
function queryOf(query: ApiRequest['query'] = {}): string {
  const parts = Object.entries(query).flatMap(([name, value]) =>
    value === undefined ? [] : [`${name}=${encodeURIComponent(String(value)).replaceAll('%3A', ':')}`],
  );
  return parts.length === 0 ? '' : `?${parts.join('&')}`;
}

async function readBounded(response: Response, maxBytes: number, name: string): Promise<Buffer> {
  const tooLarge = (): VioletApiError =>
    new VioletApiError('tooLarge', `Expected an answer to ${name} of at most ${maxBytes} bytes, got more`, {
      status: response.status,
    });
  const announced = Number(response.headers.get('content-length') ?? 0);
  if (announced > maxBytes) {
    await response.body?.cancel();
    throw tooLarge();
  }
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  const body: AsyncIterable<Uint8Array> = response.body ?? emptyBody();
  for await (const chunk of body) {
    bytes += chunk.length;
    // Leaving the loop cancels the rest.
    if (bytes > maxBytes) throw tooLarge();
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

async function* emptyBody(): AsyncGenerator<Uint8Array> {
  // Nothing to give.
}

function parse(body: Buffer, name: string, status: number): unknown {
  try {
    return JSON.parse(body.toString('utf8')) as unknown;
  } catch {
    throw new VioletApiError('unreadable', `Expected JSON in answer to ${name}, got ${body.length} bytes that are none`, {
      status,
    });
  }
}

/** The code of what broke a connection; messages could hold more than they should. */
function reasonOf(error: unknown): string {
  for (let cause = error; typeof cause === 'object' && cause !== null; cause = 'cause' in cause ? cause.cause : undefined) {
    if ('code' in cause && typeof cause.code === 'string') return cause.code;
  }
  return error instanceof Error ? error.name : 'unknown';
}

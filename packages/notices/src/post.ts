import { lookup } from 'node:dns';
import http from 'node:http';
import https from 'node:https';
import { isIP } from 'node:net';
import { PermanentError, RetryAfterError, retryAfterMs } from '@syncline/events';
import { hostOf, isPublicAddress, lookupFor, privateAddress, type ResolveHost } from './address';
import { undeliverable } from './undeliverable';

export interface PostRequest {
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  /** Ends the request, whatever it is doing. */
  readonly signal: AbortSignal;
  /** Host names and addresses, in lower case, that may be reached although they are not public. */
  readonly allowPrivateHosts: ReadonlySet<string>;
  readonly resolve?: ResolveHost | undefined;
}

interface Answer {
  readonly status: number;
  /** What the answer asks to wait. */
  readonly waitMs: number | undefined;
  /** The beginning of the answer's body. */
  readonly text: string;
}

/** Statuses of which another attempt may be the end; all other 4xx are for good. */
const passing: ReadonlySet<number> = new Set([408, 409, 421, 425, 429]);

const ANSWER_MAX_BYTES = 16 * 1024;
/** How long the rest of an answer may take once its status has come. */
const ANSWER_REST_MS = 1_000;
/** An answer in a single word says why, as Slack's do; others could repeat what was sent, and are not shown. */
const WORD = /^[a-z][a-z_]{0,63}$/;

/**
 * Posts a body once, over a connection of its own. Resolves when the answer is 2xx. Rejects with a PermanentError when another attempt
 * cannot help, with a RetryAfterError where the answer says when to come again, with another error when it is to be tried later. Redirects are
 * not followed. No error holds more of the URL than its host.
 */
export async function post(request: PostRequest): Promise<void> {
  const { status, waitMs, text } = await exchange(request);
  if (status >= 200 && status < 300) return;
  const host = request.url.host;
  const said = WORD.test(text.trim()) ? ` (${text.trim()})` : '';
  if (status >= 300 && status < 400) {
    throw new PermanentError(`Expected 2xx from ${host}, got the redirect ${status}, which is not followed: set the new URL`, {
      reason: undeliverable.refused,
    });
  }
  const message = `Expected 2xx from ${host}, got ${status}${said}`;
  if (status < 500 && !passing.has(status)) throw new PermanentError(message, { reason: undeliverable.refused });
  if (waitMs !== undefined) throw new RetryAfterError(message, waitMs);
  throw new Error(message);
}

async function exchange({ url, headers, body, signal, allowPrivateHosts, resolve = lookup }: PostRequest): Promise<Answer> {
  signal.throwIfAborted();
  const host = hostOf(url);
  const isAllowed = allowPrivateHosts.has(host);
  // A literal address is connected to without being looked up.
  if (!isAllowed && isIP(host) !== 0 && !isPublicAddress(host)) throw privateAddress(host, host);
  const { request } = url.protocol === 'https:' ? https : http;
  return await new Promise((settle, reject) => {
    const fail = (error: NodeJS.ErrnoException): void => {
      if (error instanceof PermanentError) reject(error);
      else if (signal.aborted) reject(new Error(`Expected an answer of ${url.host} in time, got none`));
      else reject(new Error(`Expected an answer of ${url.host}, got ${error.code ?? 'none'}`));
    };
    const outgoing = request(url, {
      method: 'POST',
      headers: { 'user-agent': 'Syncline', ...headers, 'content-length': Buffer.byteLength(body) },
      // A pooled connection would have been checked for another destination, and may be closed just as it is used.
      agent: false,
      lookup: lookupFor(resolve, { allowPrivate: isAllowed }),
      rejectUnauthorized: true,
      signal,
    });
    outgoing.on('error', fail);
    outgoing.on('response', (response) => {
      const status = response.statusCode ?? 0;
      beginningOf(response).then(
        (text) => settle({ status, waitMs: retryAfterMs(response.headers['retry-after'], Date.now()), text }),
        fail,
      );
    });
    outgoing.end(body);
  });
}

/** Reads no more than this is worth: the status is known, and whatever happens to the rest does not change it. */
function beginningOf(response: http.IncomingMessage): Promise<string> {
  return new Promise((settle) => {
    const chunks: Buffer[] = [];
    let bytes = 0;
    const end = (): void => {
      clearTimeout(timer);
      response.destroy();
      settle(Buffer.concat(chunks).toString('utf8'));
    };
    const timer = setTimeout(end, ANSWER_REST_MS);
    response.on('data', (chunk: Buffer) => {
      bytes += chunk.length;
      if (bytes <= ANSWER_MAX_BYTES) chunks.push(chunk);
      else end();
    });
    response.on('end', end);
    response.on('error', end);
    response.on('close', end);
  });
}

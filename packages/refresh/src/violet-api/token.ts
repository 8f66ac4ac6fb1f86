import * as z from 'zod';
import { VioletApiError } from './errors';
import { nameOf, type ApiAnswer, type ApiRequest, type Exchange } from './exchange';

export interface Credentials {
  readonly username: string;
  readonly password: string;
}

/** The token that calls carry. It lives 24 hours, which nobody counts on: an answer of 401 says when it is spent. */
export interface TokenKeeper {
  /**
   * The token, after logging in where there is none; all callers share one login. Rejects with a VioletApiError: `loginRefused` when the
   * credentials are not taken, else what the exchange gives; and with the signal's reason when that fires.
   */
  current(signal: AbortSignal): Promise<string>;
  /** Says that a call with this token was answered 401: the next `current` gives another. */
  spent(token: string): void;
}

const tokens = z.looseObject({ token: z.string().min(1), refresh_token: z.string().min(1).nullish() });

/** A wrong password is not tried again and again: accounts get locked. */
const REFUSED_PAUSE_MS = 60_000;

export interface TokenSettings extends Credentials {
  readonly exchange: Exchange;
  /** Epoch milliseconds. */
  readonly now: () => number;
}

export function createTokenKeeper({ exchange, username, password, now }: TokenSettings): TokenKeeper {
  let token: string | undefined;
  let refreshToken: string | undefined;
  let renewing: Promise<string> | undefined;
  let refusedUntil = 0;

  // Shared by callers: none of them may end it for the others, and its requests end by their own timeout.
  const unending = new AbortController().signal;

  async function renew(): Promise<string> {
    if (now() < refusedUntil) throw refused(refusedUntil - now());
    const answer = (await refreshed()) ?? (await loggedIn());
    const read = tokens.safeParse(answer.value);
    if (!read.success) {
      throw new VioletApiError('unreadable', 'Expected a token in answer to a login, got none', { status: answer.status });
    }
    token = read.data.token;
    refreshToken = read.data.refresh_token ?? refreshToken;
    return token;
  }

  /** Undefined when there is no refresh token, or it is not taken any more. */
  async function refreshed(): Promise<ApiAnswer | undefined> {
    if (refreshToken === undefined) return undefined;
    const answer = await exchange({ method: 'GET', path: '/auth/token', headers: { 'X-Violet-Token': refreshToken } }, unending);
    refreshToken = undefined;
    return answer.status >= 200 && answer.status < 300 ? answer : undefined;
  }

  async function loggedIn(): Promise<ApiAnswer> {
    const request: ApiRequest = { method: 'POST', path: '/login', body: { username, password } };
    const answer = await exchange(request, unending);
    if (answer.status >= 200 && answer.status < 300) return answer;
    if (answer.status === 400 || answer.status === 401 || answer.status === 403) {
      refusedUntil = now() + REFUSED_PAUSE_MS;
      throw refused(REFUSED_PAUSE_MS, answer.status);
    }
    throw new VioletApiError('unavailable', `Expected a token in answer to ${nameOf(request)}, got status ${answer.status}`, {
      status: answer.status,
    });
  }

  return {
    async current(signal) {
      if (token !== undefined) return token;
      renewing ??= renew().finally(() => {
        renewing = undefined;
      });
      // The last caller may have gone by the time it fails.
      renewing.catch(() => undefined);
      return await orAborted(renewing, signal);
    },
    spent(used) {
      if (token === used) token = undefined;
    },
  };
}

function refused(retryAfterMs: number, status?: number): VioletApiError {
  return new VioletApiError(
    'loginRefused',
    'Expected Violet to take the credentials, got a refusal. Check VIOLET_API_APP_ID, VIOLET_API_APP_SECRET, VIOLET_API_USERNAME and VIOLET_API_PASSWORD',
    { retryAfterMs, ...(status !== undefined && { status }) },
  );
}

async function orAborted<T>(running: Promise<T>, signal: AbortSignal): Promise<T> {
  signal.throwIfAborted();
  let onAbort: (() => void) | undefined;
  try {
    return await Promise.race([
      running,
      new Promise<never>((_, reject) => {
        onAbort = () => reject(signal.reason as Error);
        signal.addEventListener('abort', onAbort);
      }),
    ]);
  } finally {
    if (onAbort) signal.removeEventListener('abort', onAbort);
  }
}

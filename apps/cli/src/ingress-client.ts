import http from 'node:http';
import https from 'node:https';
import { retryAfterMs } from '@syncline/events';
import * as z from 'zod';
import type { Clock } from './clock';
import { CommandFailure, Interrupted, networkReason, throwIfInterrupted } from './failure';
import { jsonOf } from './json';
import type { WrittenDelivery } from './senders';

/** A delivery is attempted ten times and an answer waited for ten seconds, as Violet does; a sender's day between attempts is a second here. */
const ATTEMPTS_MAX = 10;
const ANSWER_TIMEOUT_MS = 10_000;
const RETRY_DELAY_MS = 1_000;

const answerSchema = z.looseObject({
  status: z.enum(['accepted', 'duplicate', 'quarantined']),
  eventId: z.string(),
  lane: z.string().optional(),
});

export type AnswerStatus = z.output<typeof answerSchema>['status'];

/** A delivery that was taken. */
export interface Taken {
  readonly status: AnswerStatus;
  /** The id and the lane that the ingress gives the event; the lane of accepted ones only. */
  readonly eventId: string;
  readonly lane: string | undefined;
  readonly attempts: number;
  /** From the beginning of the attempt that was answered to its answer, in milliseconds. */
  readonly tookMs: number;
}

export interface IngressClientSettings {
  /** Where the ingress listens, without a path. */
  readonly ingressUrl: string;
  readonly source: string;
  /** The variable that holds the source's secrets: named where they do not fit. */
  readonly secretVariable: string;
  /** Connections at the same time; they are used again and again. */
  readonly connections: number;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  /** Called before each repetition of a delivery that was not taken. */
  readonly onRetry: (retry: { reason: string; delayMs: number }) => void;
}

/** Delivers as a sender does: what is not taken is repeated until it is. */
export interface IngressClient {
  /**
   * Resolves once the delivery is taken; each attempt is written anew. Rejects with a CommandFailure when a repetition cannot help or all
   * attempts are used up, and with Interrupted when the signal fires.
   */
  deliver(write: () => WrittenDelivery): Promise<Taken>;
  /** Closes the connections. */
  close(): void;
}

/** Resolves when something answers HTTP at the ingress's address; rejects with a CommandFailure otherwise. */
export async function requireIngress({
  ingressUrl,
  signal,
}: Pick<IngressClientSettings, 'ingressUrl' | 'signal'>): Promise<void> {
  try {
    await fetch(new URL('/healthz', ingressUrl), { signal: AbortSignal.any([signal, AbortSignal.timeout(ANSWER_TIMEOUT_MS)]) });
  } catch (error) {
    throwIfInterrupted(signal);
    throw new CommandFailure(
      `Expected an ingress at ${ingressUrl}, got ${networkReason(error)}. Is \`npm start\` running? Another address goes with --ingress.`,
    );
  }
}

export function createIngressClient(settings: IngressClientSettings): IngressClient {
  const { ingressUrl, source, connections, clock, signal, onRetry } = settings;
  const url = new URL(`/webhooks/${source}`, ingressUrl);
  const { Agent } = url.protocol === 'https:' ? https : http;
  const agent = new Agent({ keepAlive: true, maxSockets: connections });

  return {
    async deliver(write) {
      for (let attempts = 1; ; attempts += 1) {
        throwIfInterrupted(signal);
        const startedAt = performance.now();
        const answer = await attemptOnce(url, agent, write(), settings);
        if ('status' in answer) return { ...answer, attempts, tookMs: performance.now() - startedAt };
        if (attempts === ATTEMPTS_MAX) {
          throw new CommandFailure(
            `Expected an event to be taken within ${ATTEMPTS_MAX} attempts, got ${answer.reason} last. Look at the ingress's log and at ${ingressUrl}/readyz.`,
          );
        }
        const delayMs = answer.delayMs ?? RETRY_DELAY_MS;
        onRetry({ reason: answer.reason, delayMs });
        await clock.sleep(delayMs, signal);
      }
    },
    close: () => agent.destroy(),
  };
}

type Attempt = Pick<Taken, 'status' | 'eventId' | 'lane'> | { readonly reason: string; readonly delayMs: number | undefined };

async function attemptOnce(
  url: URL,
  agent: http.Agent,
  delivery: WrittenDelivery,
  settings: IngressClientSettings,
): Promise<Attempt> {
  const { clock, signal, ingressUrl } = settings;
  let answer: Answer;
  try {
    answer = await post(url, agent, delivery, signal);
  } catch (error) {
    if (signal.aborted) throw new Interrupted('Stopped', { cause: error });
    return { reason: networkReason(error), delayMs: undefined };
  }
  const { status, text, retryAfter } = answer;
  if (status >= 200 && status <= 299) {
    const taken = answerSchema.safeParse(jsonOf(text));
    if (taken.success) return { status: taken.data.status, eventId: taken.data.eventId, lane: taken.data.lane };
    throw new CommandFailure(
      `Expected an ingress at ${ingressUrl}, got an answer ${status} that says neither accepted nor duplicate. Check --ingress.`,
    );
  }
  if (status >= 500 || status === 429) {
    return { reason: `answer ${status}`, delayMs: retryAfterMs(retryAfter, clock.now()) };
  }
  throw new CommandFailure(refusalMessage(status, settings, text));
}

interface Answer {
  readonly status: number;
  readonly text: string;
  readonly retryAfter: string | undefined;
}

/** One request over a connection of the agent's. Rejects when no whole answer comes. */
function post(url: URL, agent: http.Agent, { body, headers }: WrittenDelivery, signal: AbortSignal): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const { request: open } = url.protocol === 'https:' ? https : http;
    const request = open(url, {
      method: 'POST',
      agent,
      signal,
      headers: { ...headers, 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(body) },
    });
    const timer = setTimeout(() => request.destroy(new DOMException('No answer in time', 'TimeoutError')), ANSWER_TIMEOUT_MS);
    request.on('response', (response) => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (chunk: string) => {
        text += chunk;
      });
      response.on('error', reject);
      response.on('end', () => resolve({ status: response.statusCode ?? 0, text, retryAfter: response.headers['retry-after'] }));
    });
    request.on('error', reject);
    request.on('close', () => {
      clearTimeout(timer);
      // After an answer or an error this changes nothing.
      reject(new Error('the connection closed before the whole answer had come'));
    });
    request.end(body);
  });
}

function refusalMessage(status: number, { ingressUrl, source, secretVariable }: IngressClientSettings, text: string): string {
  switch (status) {
    case 401: {
      const encoding = source === 'violet' ? ' (and VIOLET_SIGNATURE_ENCODING)' : '';
      return `Expected the ingress to know the signature, got 401: its secret is another one. Set ${secretVariable}${encoding} to what the ingress was started with.`;
    }
    case 404:
      return `Expected an open source at ${ingressUrl}/webhooks/${source}, got 404. Start the ingress with ${secretVariable} set, or correct --ingress.`;
    case 413:
      return 'Expected the ingress to take the body, got 413: raise BODY_LIMIT_BYTES of the ingress.';
    default:
      return `Expected the ingress to take the event, got ${status}: ${text.slice(0, 200)}`;
  }
}

import { violet } from '@syncline/senders';
import * as z from 'zod';
import type { Clock } from './clock';
import { CommandFailure, Interrupted, networkReason, throwIfInterrupted } from './failure';
import { jsonOf } from './json';
import { retryAfterMs } from './retry-after';
import type { PlannedEvent } from './scenarios';

/** Violet attempts an event ten times and waits ten seconds for an answer; its day between attempts is shortened to seconds here. */
const ATTEMPTS_MAX = 10;
const ANSWER_TIMEOUT_MS = 10_000;
const RETRY_DELAY_MS = 1_000;

const answerSchema = z.looseObject({ status: z.enum(['accepted', 'duplicate', 'quarantined']) });

export type AnswerStatus = z.output<typeof answerSchema>['status'];

export interface SenderSettings {
  /** Where the ingress listens, without a path. */
  readonly ingressUrl: string;
  readonly secret: string;
  readonly signatureEncoding: 'base64' | 'hex';
  readonly clock: Clock;
  readonly signal: AbortSignal;
  /** Called before each repetition of an event that was not taken. */
  readonly onRetry: (retry: { eventId: string; reason: string; delayMs: number }) => void;
}

/** Delivers events as Violet does: signed, and repeated until they are taken. */
export interface Sender {
  /**
   * Resolves with the ingress's answer once the event is taken. Rejects with a CommandFailure when a repetition cannot help or all
   * attempts are used up, and with Interrupted when the signal fires.
   */
  send(event: PlannedEvent, eventId: string): Promise<AnswerStatus>;
}

/** Resolves when something answers HTTP at the ingress's address; rejects with a CommandFailure otherwise. */
export async function requireIngress({ ingressUrl, signal }: Pick<SenderSettings, 'ingressUrl' | 'signal'>): Promise<void> {
  try {
    await fetch(new URL('/healthz', ingressUrl), { signal: AbortSignal.any([signal, AbortSignal.timeout(ANSWER_TIMEOUT_MS)]) });
  } catch (error) {
    throwIfInterrupted(signal);
    throw new CommandFailure(
      `Expected an ingress at ${ingressUrl}, got ${networkReason(error)}. Is \`npm start\` running? Another address goes with --ingress.`,
    );
  }
}

export function createSender(settings: SenderSettings): Sender {
  const { ingressUrl, clock, signal, onRetry } = settings;
  const url = new URL('/webhooks/violet', ingressUrl);

  return {
    async send(event, eventId) {
      const request = signed(settings, event, eventId);
      for (let attempt = 1; ; attempt += 1) {
        throwIfInterrupted(signal);
        const answer = await attemptOnce(url, request, settings);
        if ('taken' in answer) return answer.taken;
        if (attempt === ATTEMPTS_MAX) {
          throw new CommandFailure(
            `Expected event ${eventId} to be taken within ${ATTEMPTS_MAX} attempts, got ${answer.reason} last. Look at the ingress's log and at ${ingressUrl}/readyz.`,
          );
        }
        const delayMs = answer.delayMs ?? RETRY_DELAY_MS;
        onRetry({ eventId, reason: answer.reason, delayMs });
        await clock.sleep(delayMs, signal);
      }
    },
  };
}

type Attempt = { readonly taken: AnswerStatus } | { readonly reason: string; readonly delayMs: number | undefined };

async function attemptOnce(url: URL, request: RequestInit, { clock, signal, ingressUrl }: SenderSettings): Promise<Attempt> {
  let response: Response;
  let text: string;
  try {
    response = await fetch(url, { ...request, signal: AbortSignal.any([signal, AbortSignal.timeout(ANSWER_TIMEOUT_MS)]) });
    text = await response.text();
  } catch (error) {
    if (signal.aborted) throw new Interrupted('Stopped', { cause: error });
    return { reason: networkReason(error), delayMs: undefined };
  }
  if (response.ok) {
    const answer = answerSchema.safeParse(jsonOf(text));
    if (answer.success) return { taken: answer.data.status };
    throw new CommandFailure(
      `Expected an ingress at ${ingressUrl}, got an answer ${response.status} that says neither accepted nor duplicate. Check --ingress.`,
    );
  }
  if (response.status >= 500 || response.status === 429) {
    return { reason: `answer ${response.status}`, delayMs: retryAfterMs(response.headers.get('retry-after'), clock.now()) };
  }
  throw new CommandFailure(refusalMessage(response.status, ingressUrl, text));
}

function refusalMessage(status: number, ingressUrl: string, text: string): string {
  switch (status) {
    case 401:
      return 'Expected the ingress to know the signature, got 401: its secret is another one. Set VIOLET_APP_SECRET (and VIOLET_SIGNATURE_ENCODING) to what the ingress was started with.';
    case 404:
      return `Expected an open source at ${ingressUrl}/webhooks/violet, got 404. Start the ingress with VIOLET_APP_SECRET set, or correct --ingress.`;
    case 413:
      return 'Expected the ingress to take the body, got 413: raise BODY_LIMIT_BYTES of the ingress.';
    default:
      return `Expected the ingress to take the event, got ${status}: ${text.slice(0, 200)}`;
  }
}

function signed({ secret, signatureEncoding }: SenderSettings, event: PlannedEvent, eventId: string): RequestInit {
  const body = JSON.stringify(event.body());
  const headers = violet.sign({ eventId, topic: event.topic, body }, { secrets: [secret], signatureEncoding });
  return {
    method: 'POST',
    redirect: 'error',
    body,
    headers: {
      ...headers,
      'Content-Type': 'application/json',
      'X-Violet-Webhook-Id': String(webhookIdOf(event.topic)),
      'X-Violet-Entity-Id': String(event.entityId),
      ...(event.reason !== undefined && { 'X-Violet-Reason': event.reason }),
    },
  };
}

/** Each topic has a webhook of its own at the sender: an id that is the same in every run. */
function webhookIdOf(topic: string): number {
  let id = 0;
  for (let index = 0; index < topic.length; index += 1) id = (id * 31 + topic.charCodeAt(index)) % 90_000;
  return 10_000 + id;
}

import { defineHandler, type Handler } from '@syncline/catalog';
import { PermanentError, RetryAfterError } from '@syncline/events';
import { standard } from '@syncline/senders';
import type { ResolveHost } from './address';
import type { Destination, NoticesConfig, SlackDestination, WebhookDestination } from './config';
import { EventLog } from './event-log';
import { DELIVERY_TOPIC, deliveryPayload, type Told, toldOf } from './notice';
import { Pace } from './pace';
import { post } from './post';
import { slackMessage } from './slack';
import { renderBody } from './template';
import { undeliverable } from './undeliverable';

/**
 * What became of one attempt: the destination has it; it failed and is attempted again, until the attempts are used up; it was refused for
 * good; or it was put off, because the destination's rate was used up.
 */
export const deliveryOutcomes = ['delivered', 'failed', 'refused', 'deferred'] as const;
export type DeliveryOutcome = (typeof deliveryOutcomes)[number];

export interface DeliverySettings {
  readonly config: NoticesConfig;
  /** Told of every attempt. `destination` is one of the configuration, or `unknown`. */
  readonly observe?: ((destination: string, outcome: DeliveryOutcome) => void) | undefined;
  /**
   * How long a delivery waits for a worker that knows its destination, in milliseconds; ten minutes unless given. While a new configuration
   * is rolled out, a worker of the old one may be the first to meet it.
   */
  readonly unknownWaitMs?: number | undefined;
  /** Of the operating system unless given. */
  readonly resolve?: ResolveHost | undefined;
}

const UNKNOWN_WAIT_MS = 600_000;
const UNKNOWN_ASK_MS = 15_000;
/** Longest that one answer holds up all deliveries to its destination. */
const PAUSE_MAX_MS = 300_000;

type Send = (told: Told, signal: AbortSignal) => Promise<void>;

/** The handler that delivers notices, in lanes of every source. It acts outside: a delivery whose worker died may be made again, under the same id. */
export function createDeliveryHandler({
  config,
  observe = () => undefined,
  unknownWaitMs = UNKNOWN_WAIT_MS,
  resolve,
}: DeliverySettings): Handler {
  const ways = new Map([...config.destinations].map(([name, destination]) => [name, wayTo(destination, config, resolve)]));
  return defineHandler({
    name: 'notices',
    source: '*',
    topics: [DELIVERY_TOPIC],
    external: true,
    payload: deliveryPayload,
    async handle({ payload, receivedAt }, merchant, { signal, replay, idempotencyKey }) {
      const { destination, id = idempotencyKey } = payload;
      const way = ways.get(destination);
      if (way === undefined) {
        const error = unknownDestination(destination, Date.now() - receivedAt < unknownWaitMs);
        observe('unknown', error instanceof PermanentError ? 'refused' : 'deferred');
        throw error;
      }
      const { pace, send } = way;
      const waitMs = pace.enter(id);
      if (waitMs > 0) {
        observe(destination, 'deferred');
        // A replay cannot wait. It takes its place at the end of the lane anew, with all attempts.
        if (replay) return merchant.append({ topic: DELIVERY_TOPIC, payload: { ...payload, id } }, { sideLane: destination });
        throw new RetryAfterError(
          `The destination ${destination} is given no more at once: see its rate and concurrency`,
          waitMs,
          {
            counts: false,
          },
        );
      }
      try {
        await send(toldOf(payload, id), signal);
        observe(destination, 'delivered');
      } catch (error) {
        observe(destination, error instanceof PermanentError ? 'refused' : 'failed');
        if (error instanceof RetryAfterError) pace.pause(Math.min(error.retryAfterMs, PAUSE_MAX_MS));
        throw error;
      } finally {
        pace.leave();
      }
    },
  });
}

function unknownDestination(name: string, isNew: boolean): Error {
  const message = `Expected the destination ${name} in NOTICES_FILE, got none of that name`;
  if (isNew) return new RetryAfterError(message, UNKNOWN_ASK_MS, { counts: false });
  return new PermanentError(`${message}: put it back and replay, or discard`, { reason: undeliverable.removed });
}

function wayTo(destination: Destination, config: NoticesConfig, resolve: ResolveHost | undefined): { pace: Pace; send: Send } {
  const pace = new Pace(destination.pace);
  if (destination.type === 'file') {
    const log = new EventLog(destination.log);
    return { pace, send: (told, signal) => log.append(told, signal) };
  }
  const { allowPrivateHosts } = config;
  const messageOf = (told: Told): Message =>
    destination.type === 'slack' ? slackRequest(destination, told) : webhookRequest(destination, told);
  return { pace, send: (told, signal) => post({ ...messageOf(told), signal, allowPrivateHosts, resolve }) };
}

interface Message {
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

function slackRequest({ url, template }: SlackDestination, told: Told): Message {
  return {
    url: new URL(url.reveal()),
    headers: { 'content-type': 'application/json; charset=utf-8', 'idempotency-key': told.id },
    body: JSON.stringify(slackMessage(told, template)),
  };
}

/** Signed as Standard Webhooks says: the id stays the same over attempts, the time is that of the attempt, each secret makes a signature. */
function webhookRequest({ url, secrets, headers, contentType, isJson, template }: WebhookDestination, told: Told): Message {
  const body = template === undefined ? JSON.stringify(told) : renderBody(template, told, isJson);
  const message = { eventId: told.id, topic: told.type, body, sentAtMs: Date.now() };
  const signed = secrets.map((secret) => standard.sign(message, { secrets: [secret.reveal()] }));
  return {
    url: new URL(url.reveal()),
    headers: {
      ...Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, value.reveal()])),
      'content-type': contentType,
      'idempotency-key': told.id,
      'webhook-id': told.id,
      'webhook-timestamp': String(Math.floor(message.sentAtMs / 1_000)),
      ...(signed.length > 0 && { 'webhook-signature': signed.map((one) => one['webhook-signature']).join(' ') }),
    },
    body,
  };
}

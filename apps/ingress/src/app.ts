import type { IncomingMessage, RequestListener } from 'node:http';
import type { Acceptor, Logger } from '@syncline/lanes';
import type { OperationsHandler } from '@syncline/runtime';
import express, { type ErrorRequestHandler, type Request, type Response } from 'express';
import { type DeliveryOutcome, type IngressMetrics, UNKNOWN_SOURCE } from './metrics';
import { answerOf, createReceiver, type OpenSource, type Receipt, refusalAnswer } from './receive';
import type { RefusalCode } from './refusals';
import { reply } from './reply';

export interface IngressSettings {
  readonly acceptor: Pick<Acceptor, 'accept'>;
  /** The sources that are open; every other one is answered 404. */
  readonly sources: readonly OpenSource[];
  readonly isHandled: (source: string, topic: string) => boolean;
  readonly bodyLimitBytes: number;
  /** Of all bodies that are in memory at once; 256 MiB by default. */
  readonly bodiesMaxBytes?: number;
  readonly log: Logger;
  readonly metrics: IngressMetrics;
  readonly operations: OperationsHandler;
  /** Epoch milliseconds; the system's clock by default. */
  readonly now?: () => number;
}

const WEBHOOKS = '/webhooks/';

/**
 * Receives webhooks at POST /webhooks/{source}. Paths are compared as they came, undecoded: each source has exactly one.
 * No body parser is in front of the signature, which is over the raw bytes.
 */
export function createIngress(settings: IngressSettings): RequestListener {
  const { bodyLimitBytes, log, metrics, operations } = settings;
  const now = settings.now ?? Date.now;
  const receive = createReceiver({ ...settings, now });
  const sources = new Map(settings.sources.map((source) => [`${WEBHOOKS}${source.sender.source}`, source]));

  const record = (source: string, receipt: Receipt, startedAt: number): void => {
    const outcome: DeliveryOutcome = receipt.status === 'refused' ? receipt.code : receipt.status;
    metrics.deliveries.inc({ source, outcome });
    const { status: _status, ...details } = receipt;
    const line = { source, outcome, ...details, durationMs: Math.round(performance.now() - startedAt) };
    if (receipt.status === 'refused') log.info(line, 'delivery refused');
    else log.debug(line, 'delivery');
  };

  const webhooks = async (request: Request, response: Response, next: () => void): Promise<void> => {
    if (!request.path.startsWith(WEBHOOKS)) return next();
    const startedAt = performance.now();
    const source = sources.get(request.path);
    const receipt: Receipt = source ? await receive(source, request) : { status: 'refused', code: 'unknown_source' };
    const answer = answerOf(receipt);
    if (answer !== undefined) reply(request, response, answer, bodyLimitBytes);
    record(source?.sender.source ?? UNKNOWN_SOURCE, receipt, startedAt);
  };

  const refuse = (request: Request, response: Response, code: RefusalCode): void =>
    reply(request, response, refusalAnswer(code), bodyLimitBytes);

  const failed: ErrorRequestHandler = (error: unknown, request, response, _next) => {
    log.error({ err: error }, 'delivery could not be handled');
    refuse(request, response, 'unavailable');
  };

  const app = express();
  app.disable('x-powered-by');
  app.disable('etag');
  app.use(operations);
  app.use(webhooks);
  app.use((request, response) => refuse(request, response, 'not_found'));
  app.use(failed);
  return (request, response) => {
    // A target without a readable path never reaches a middleware: Express would answer it itself, in HTML.
    if (!hasPath(request)) request.url = '/';
    app(request, response);
  };
}

function hasPath({ url = '' }: IncomingMessage): boolean {
  return url.startsWith('/') || URL.canParse(url);
}

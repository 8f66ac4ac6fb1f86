import type { Inspector, Operator } from '@syncline/lanes';
import express, { type ErrorRequestHandler, type Express, type RequestHandler } from 'express';
import type { Registry } from 'prom-client';
import { requireToken } from './access';
import { createActions } from './actions';
import { createCursors } from './cursor';
import { Refusal, refusalOf } from './errors';
import { measureRequests } from './metrics';
import { createRoutes } from './routes';
import { createRead } from './store';

/** Where the console says what went wrong: a pino logger fits. */
export interface ConsoleLog {
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

export interface ConsoleSettings {
  readonly inspector: Inspector;
  readonly operator: Operator;
  /** The bearer token of `/api`. */
  readonly token: string;
  readonly log: ConsoleLog;
  /** Serves /healthz, /readyz and /metrics, and passes on what is not its own. */
  readonly operations: RequestHandler;
  /** Where the answers of the API are measured; nowhere when absent. */
  readonly registry?: Registry;
  /** How long one read of the store may take before it is answered 503, in milliseconds. */
  readonly readTimeoutMs?: number;
}

const READ_TIMEOUT_MS = 5_000;

/** The console's JSON API. Every answer is JSON, every refusal `{"error":{"code","message"}}`. */
export function createConsole({
  inspector,
  operator,
  token,
  log,
  operations,
  registry,
  readTimeoutMs = READ_TIMEOUT_MS,
}: ConsoleSettings): Express {
  const app = express();
  app.disable('x-powered-by');
  app.disable('etag');
  app.set('query parser', 'simple');
  app.set('case sensitive routing', true);

  app.use(secureHeaders);
  app.use(operations);
  if (registry !== undefined) app.use('/api', measureRequests(registry));
  // The token is asked for before the path is looked at: strangers cannot tell which paths exist.
  app.use('/api', requireToken(token));
  const api = { inspector, read: createRead(readTimeoutMs), cursors: createCursors(token) };
  app.use('/api/v1', createActions(api, operator));
  app.use('/api/v1', createRoutes(api));
  app.use((request) => {
    throw new Refusal('not_found', `Nothing is served at ${request.path}; the API is under /api/v1`);
  });
  app.use(answerRefusal(log));
  return app;
}

const secureHeaders: RequestHandler = (_request, response, next) => {
  response.set({
    'X-Content-Type-Options': 'nosniff',
    'Cache-Control': 'no-store',
    'Content-Security-Policy': "default-src 'none'; frame-ancestors 'none'",
    'Referrer-Policy': 'no-referrer',
  });
  next();
};

function answerRefusal(log: ConsoleLog): ErrorRequestHandler {
  return (thrown, request, response, next) => {
    const refusal = refusalOf(thrown);
    if (refusal.code === 'internal')
      log.error({ err: refusal.cause, method: request.method, path: request.path }, 'Failed to answer');
    if (refusal.code === 'unavailable') log.warn({ err: refusal.cause, path: request.path }, 'The store could not be read');
    if (response.headersSent) {
      next(thrown);
      return;
    }
    if (refusal.code === 'unavailable') response.set('Retry-After', '1');
    response.status(refusal.status).json({ error: { code: refusal.code, message: refusal.message } });
  };
}

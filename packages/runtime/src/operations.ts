import type { IncomingMessage, ServerResponse } from 'node:http';

/** A request listener that also works as Express middleware. */
export type OperationsHandler = (request: IncomingMessage, response: ServerResponse, next?: () => void) => void;

export interface OperationsSettings {
  /** A prom-client registry. */
  readonly registry: { readonly contentType: string; metrics(): Promise<string> };
  /** Whether the process can do its work now. A rejection, and no answer within `readyTimeoutMs`, count as no. */
  readonly ready: () => boolean | Promise<boolean>;
  /** 2,000 ms by default. */
  readonly readyTimeoutMs?: number;
}

/** Serves GET and HEAD of /healthz, /readyz and /metrics. Other paths go to `next`, or get a 404 when there is none. */
export function createOperations({ registry, ready, readyTimeoutMs = 2_000 }: OperationsSettings): OperationsHandler {
  const routes: Readonly<Record<string, (response: ServerResponse) => Promise<void>>> = {
    '/healthz': async (response) => sendJson(response, 200, { status: 'ok' }),
    '/readyz': async (response) => {
      const isReady = await answerWithin(readyTimeoutMs, ready);
      sendJson(response, isReady ? 200 : 503, { status: isReady ? 'ready' : 'unavailable' });
    },
    '/metrics': async (response) => {
      const text = await registry.metrics();
      response.writeHead(200, { 'Content-Type': registry.contentType, 'Cache-Control': 'no-store' }).end(text);
    },
  };
  return (request, response, next) => {
    const path = (request.url ?? '/').split('?', 1)[0] ?? '/';
    const route = Object.hasOwn(routes, path) ? routes[path] : undefined;
    if (route === undefined) {
      if (next !== undefined) next();
      else sendError(response, 404, 'not_found', `Nothing is served at ${path}.`);
      return;
    }
    if (request.method !== 'GET' && request.method !== 'HEAD') {
      response.setHeader('Allow', 'GET, HEAD');
      sendError(response, 405, 'method_not_allowed', `Expected GET or HEAD, got ${request.method ?? 'no method'}.`);
      return;
    }
    route(response).catch(() => sendError(response, 500, 'internal', `${path} could not be answered.`));
  };
}

async function answerWithin(timeoutMs: number, question: () => boolean | Promise<boolean>): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const deadline = new Promise<boolean>((resolve) => {
    timer = setTimeout(resolve, timeoutMs, false);
  });
  try {
    return await Promise.race([question(), deadline]);
  } catch {
    return false;
  } finally {
    clearTimeout(timer);
  }
}

function sendError(response: ServerResponse, status: number, code: string, message: string): void {
  if (response.headersSent) response.destroy();
  else sendJson(response, status, { error: { code, message } });
}

function sendJson(response: ServerResponse, status: number, body: unknown): void {
  response
    .writeHead(status, { 'Content-Type': 'application/json; charset=utf-8', 'Cache-Control': 'no-store' })
    .end(JSON.stringify(body));
}

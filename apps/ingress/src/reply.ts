import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Answer } from './receive';

/** How long a connection that is to be closed still takes in what its peer sends: in all, and without a byte coming. */
const LINGER_MS = 3_000;
const LINGER_IDLE_MS = 500;

/**
 * Sends the answer at once, however much of the request is still to come. A body that is known to be small is then read and dropped,
 * and the connection kept; any other closes the connection. Does nothing when the connection is gone.
 */
export function reply(request: IncomingMessage, response: ServerResponse, answer: Answer, bodyLimitBytes: number): void {
  if (response.destroyed || response.headersSent) return;
  const body = Buffer.from(JSON.stringify(answer.body));
  response.statusCode = answer.status;
  for (const [name, value] of Object.entries(answer.headers)) response.setHeader(name, value);
  response.setHeader('Content-Type', 'application/json; charset=utf-8');
  response.setHeader('Content-Length', body.length);
  response.setHeader('Cache-Control', 'no-store');
  if (request.complete || announcedBytes(request) <= bodyLimitBytes) {
    response.end(body);
    return;
  }
  // Closing while bytes are unread resets the connection, and the reset can overtake the answer: hence the pause before the close.
  response.setHeader('Connection', 'close');
  response.write(body);
  const close = (): void => {
    clearTimeout(whole);
    clearTimeout(idle);
    response.end();
  };
  const whole = setTimeout(close, LINGER_MS);
  const idle = setTimeout(close, LINGER_IDLE_MS);
  request.on('data', () => idle.refresh());
  request.once('end', close).once('close', close).resume();
}

function announcedBytes({ headers }: IncomingMessage): number {
  if (headers['transfer-encoding'] !== undefined) return Number.POSITIVE_INFINITY;
  return Number(headers['content-length'] ?? 0);
}

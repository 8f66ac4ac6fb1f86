import http from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { ConfigurationError } from './config';

export interface ListenSettings {
  readonly port: number;
  readonly host: string;
  /** The variable that sets the port: named when the port cannot be had. */
  readonly variable: string;
}

const connectionsOf = new WeakMap<http.Server, Set<Socket>>();

/** Serves HTTP. Rejects with a ConfigurationError when the port is taken or not allowed, or the host is not this machine's. */
export function listen(handler: http.RequestListener, { port, host, variable }: ListenSettings): Promise<http.Server> {
  const server = http.createServer(handler);
  server.on('clientError', refuseMalformed);
  server.on('request', (_request, response) => response.socket && lastResponse.set(response.socket, response));
  const connections = new Set<Socket>();
  connectionsOf.set(server, connections);
  server.on('connection', (socket) => {
    connections.add(socket);
    socket.once('close', () => connections.delete(socket));
  });
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      const problem = listenProblem(error.code, { port, host, variable });
      reject(problem === undefined ? error : new ConfigurationError([problem], { cause: error }));
    });
    server.listen({ port, host }, () => resolve(server));
  });
}

function listenProblem(code: string | undefined, { port, host, variable }: ListenSettings): string | undefined {
  switch (code) {
    case 'EADDRINUSE':
      return `${variable}: Expected a free port, got ${port}, which another program on ${host} already uses. Set ${variable} to another port, or stop that program.`;
    case 'EACCES':
      return `${variable}: Expected a port that this user may open, got ${port}. Set ${variable} to a port of 1024 or more.`;
    case 'EADDRNOTAVAIL':
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return `BIND_HOST: Expected an address of this machine, got ${JSON.stringify(host)}. Set it to one, or unset it for 127.0.0.1.`;
    default:
      return undefined;
  }
}

const lastResponse = new WeakMap<Duplex, http.ServerResponse>();

/** What Node cannot read as a request never reaches the handler, and is answered in the form of all other errors. */
function refuseMalformed(error: NodeJS.ErrnoException, socket: Duplex): void {
  const response = lastResponse.get(socket);
  // Bytes behind a half-sent answer would be taken for a part of it.
  const answering = response?.headersSent === true && !response.writableFinished;
  if (error.code === 'ECONNRESET' || !socket.writable || answering) return void socket.destroy();
  const { status, code, message } = malformedAnswers[error.code ?? ''] ?? malformed;
  const body = JSON.stringify({ error: { code, message } });
  socket.end(
    `HTTP/1.1 ${status} ${http.STATUS_CODES[status]}\r\nContent-Type: application/json; charset=utf-8\r\n` +
      `Content-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`,
  );
}

const malformed = { status: 400, code: 'request_malformed', message: 'Expected an HTTP/1.1 request, got bytes that are none.' };
const malformedAnswers: Readonly<Record<string, typeof malformed>> = {
  HPE_HEADER_OVERFLOW: { status: 431, code: 'headers_too_large', message: 'Expected at most 16 KiB of headers, got more.' },
  ERR_HTTP_REQUEST_TIMEOUT: { status: 408, code: 'request_timeout', message: 'Expected the whole request sooner.' },
};

const IDLE_CHECK_MS = 50;

/** Takes no more connections, lets requests finish for `timeoutMs`, then cuts what is left. Resolves when all are closed; idempotent. */
export function closeServer(server: http.Server, timeoutMs: number): Promise<void> {
  if (!server.listening) return Promise.resolve();
  return new Promise((resolve) => {
    // A connection that was busy at the first sweep stays open for the whole keep-alive time once it falls idle.
    const sweep = (): void => {
      server.closeIdleConnections();
      for (const socket of connectionsOf.get(server) ?? []) if (socket.bytesRead === 0) socket.destroy();
    };
    const sweeper = setInterval(sweep, IDLE_CHECK_MS);
    const cutter = setTimeout(() => server.closeAllConnections(), timeoutMs);
    server.close(() => {
      clearInterval(sweeper);
      clearTimeout(cutter);
      resolve();
    });
    sweep();
  });
}

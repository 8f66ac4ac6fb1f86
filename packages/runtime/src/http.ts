import http from 'node:http';
import type { Socket } from 'node:net';
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

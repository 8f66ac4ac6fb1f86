import { once } from 'node:events';
import type http from 'node:http';
import net, { type AddressInfo } from 'node:net';
import { createOperations, listen } from '@syncline/runtime';
import { senders, violet } from '@syncline/senders';
import { Registry } from 'prom-client';
import { createIngress, type IngressSettings } from '../src/app';
import { createMetrics } from '../src/metrics';
import { MemoryAcceptor } from './memory-acceptor';

export const SECRET = 'violet-test-app-secret';
export const BODY_LIMIT_BYTES = 64 * 1024;

export interface LogLine {
  readonly level: string;
  readonly message: string;
  readonly fields: Readonly<Record<string, unknown>>;
}

export interface TestIngress {
  readonly port: number;
  readonly acceptor: MemoryAcceptor;
  readonly lines: LogLine[];
  post(
    path: string,
    body: string | Buffer,
    headers?: Record<string, string>,
  ): Promise<{ status: number; headers: Headers; body: unknown }>;
  /** Sends bytes as they are over a connection of their own; resolves with all that comes back once the server closes. */
  raw(...chunks: readonly (string | Buffer)[]): Promise<string>;
  metric(line: string): Promise<string | undefined>;
  stop(): Promise<void>;
}

/** A real ingress on a free port, in front of an acceptor in memory; all sources but `standard` are open. */
export async function serve(settings: Partial<IngressSettings> = {}): Promise<TestIngress> {
  const acceptor = new MemoryAcceptor();
  const lines: LogLine[] = [];
  const log = (level: string) => (fields: object, message: string) => void lines.push({ level, message, fields: { ...fields } });
  const registry = new Registry();
  const app = createIngress({
    acceptor,
    sources: [
      { sender: senders.violet, settings: { secrets: [SECRET] } },
      { sender: senders.propexo, settings: { secrets: ['propexo-test-secret'] } },
      { sender: senders.synctec, settings: { secrets: ['storelink-test-secret'] } },
    ],
    isHandled: (source, topic) => source === 'violet' && /^(OFFER|PRODUCT_SYNC|MERCHANT)_/.test(topic),
    bodyLimitBytes: BODY_LIMIT_BYTES,
    log: { debug: log('debug'), info: log('info'), warn: log('warn'), error: log('error') },
    metrics: createMetrics(registry, ['violet'], () => 0),
    operations: createOperations({ registry, ready: () => true }),
    ...settings,
  });
  const server = await listen(app, { port: 0, host: '127.0.0.1', variable: 'INGRESS_PORT' });
  const { port } = server.address() as AddressInfo;
  return {
    port,
    acceptor,
    lines,
    post: async (path, body, headers = {}) => {
      const response = await fetch(`http://127.0.0.1:${port}${path}`, { method: 'POST', body, headers });
      return { status: response.status, headers: response.headers, body: await response.json() };
    },
    raw: (...chunks) => exchange(port, chunks),
    metric: async (line) => (await registry.metrics()).split('\n').find((candidate) => candidate.startsWith(line)),
    stop: () => closed(server),
  };
}

/** The headers of a genuine Violet delivery of the body. */
export function signed(
  body: string | Buffer,
  headers: Record<string, string> = {},
  eventId = '1',
  topic = 'OFFER_ADDED',
): Record<string, string> {
  return { ...violet.sign({ eventId, topic, body }, { secrets: [SECRET] }), ...headers };
}

async function exchange(port: number, chunks: readonly (string | Buffer)[]): Promise<string> {
  const socket = net.connect(port, '127.0.0.1');
  const received: Buffer[] = [];
  socket.on('data', (chunk: Buffer) => received.push(chunk));
  // A reset after the answer is the server's right.
  socket.on('error', () => undefined);
  for (const chunk of chunks) socket.write(chunk);
  await new Promise((resolve) => {
    socket.once('close', resolve);
  });
  return Buffer.concat(received).toString('latin1');
}

async function closed(server: http.Server): Promise<void> {
  server.close();
  server.closeAllConnections();
  if (server.listening) await once(server, 'close');
}

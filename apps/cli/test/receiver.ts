import http from 'node:http';
import { Writable } from 'node:stream';
import type { Clock } from '../src/clock';

export interface ReceivedRequest {
  readonly method: string;
  readonly path: string;
  readonly headers: http.IncomingHttpHeaders;
  readonly body: Buffer;
}

/** What to answer; `hang up` closes the connection without an answer. */
export type Reply =
  | 'hang up'
  | {
      readonly status: number;
      readonly headers?: Record<string, string>;
      readonly body?: unknown /** Closes the connection behind it. */;
      readonly cut?: boolean;
    };

export interface Receiver {
  readonly url: string;
  readonly received: ReceivedRequest[];
  /** The most requests that were open at the same time. */
  mostAtOnce(): number;
  /** The connections opened so far. */
  connections(): number;
  close(): Promise<void>;
}

/** An HTTP server that records what it gets and answers as told. */
export async function startReceiver(
  reply: (request: ReceivedRequest, count: number) => Reply | Promise<Reply>,
): Promise<Receiver> {
  const received: ReceivedRequest[] = [];
  let open = 0;
  let mostAtOnce = 0;
  const answer = async (request: http.IncomingMessage, response: http.ServerResponse): Promise<void> => {
    open += 1;
    mostAtOnce = Math.max(mostAtOnce, open);
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const recorded = {
      method: request.method ?? '',
      path: request.url ?? '',
      headers: request.headers,
      body: Buffer.concat(chunks),
    };
    received.push(recorded);
    const given = await reply(recorded, received.length);
    open -= 1;
    if (given === 'hang up') {
      request.socket.destroy();
      return;
    }
    const text = typeof given.body === 'string' ? given.body : JSON.stringify(given.body ?? {});
    response.writeHead(given.status, { 'Content-Type': 'application/json', ...given.headers });
    if (given.cut === true) response.write(text, () => request.socket.destroy());
    else response.end(text);
  };
  const server = http.createServer((request, response) => {
    answer(request, response).catch(() => request.socket.destroy());
  });
  let connections = 0;
  server.on('connection', () => {
    connections += 1;
  });
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  return {
    url: `http://127.0.0.1:${port}`,
    received,
    mostAtOnce: () => mostAtOnce,
    connections: () => connections,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

/** A clock that moves only when somebody sleeps; it remembers how long. */
export function createTestClock(startMs = 1_700_000_000_000): Clock & { readonly slept: number[] } {
  let now = startMs;
  const slept: number[] = [];
  return {
    slept,
    now: () => now,
    sleep: async (ms) => {
      if (ms <= 0) return;
      slept.push(ms);
      now += ms;
    },
  };
}

/** Collects what is written to it. */
export function createTestOutput(isTTY = false): NodeJS.WritableStream & { readonly isTTY: boolean; text(): string } {
  let text = '';
  const stream = new Writable({
    write(chunk: Buffer, _encoding, done) {
      text += chunk.toString();
      done();
    },
  });
  return Object.assign(stream, { isTTY, text: () => text });
}

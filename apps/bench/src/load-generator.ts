import net from 'node:net';
import { percentile } from './figure';
import { requestOf } from './events';
import { takePart } from './part';

/** Requests answered, and how long each took from when it was to be sent until its answer was whole. */
export interface Load {
  readonly seconds: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

export type LoadQuestions = {
  /** Makes signed requests, of the series' events from number `first` on, and keeps them under its name in the place of former ones. */
  prepare: { told: { series: string; first: number; requests: number; merchants: number }; answer: true };
  /**
   * Sends `count` prepared requests from place `from` on, over so many connections. Without `perSecond` each connection sends its next
   * request when it has its answer; with it requests are due at that even pace, whatever the server does, and a request that has to wait for a
   * connection counts its waiting. Rejects when an answer is not 2xx.
   */
  send: {
    told: { series: string; port: number; connections: number; from: number; count: number; perSecond?: number };
    answer: Load;
  };
};

const prepared = new Map<string, Buffer[]>();

takePart<LoadQuestions>({
  prepare: async ({ series, first, requests, merchants }) => {
    prepared.set(
      series,
      Array.from({ length: requests }, (_, index) => requestOf(series, first + index, merchants)),
    );
    return true;
  },
  send: async ({ series, port, connections, from, count, perSecond }) => {
    const requests = prepared.get(series)?.slice(from, from + count) ?? [];
    if (requests.length < count)
      throw new RangeError(`Expected ${count} requests from ${from} of ${series}, got ${requests.length}`);
    const opened = await Promise.all(Array.from({ length: connections }, () => Connection.open(port)));
    const startedAt = performance.now();
    const took = perSecond === undefined ? await sendAllOut(opened, requests) : await sendEvenly(opened, requests, perSecond);
    const seconds = (performance.now() - startedAt) / 1_000;
    for (const connection of opened) connection.close();
    return { seconds, p50Ms: percentile(took, 0.5), p99Ms: percentile(took, 0.99) };
  },
});

async function sendAllOut(connections: readonly Connection[], requests: readonly Buffer[]): Promise<number[]> {
  const took: number[] = [];
  let next = 0;
  await Promise.all(
    connections.map(async (connection) => {
      for (let request = requests[next++]; request !== undefined; request = requests[next++]) {
        const sentAt = performance.now();
        await connection.send(request);
        took.push(performance.now() - sentAt);
      }
    }),
  );
  return took;
}

/** Counts from when a request was due: a server that stalls must not stop the clock by keeping the next request from being sent. */
async function sendEvenly(connections: readonly Connection[], requests: readonly Buffer[], perSecond: number): Promise<number[]> {
  const took: number[] = [];
  const idle = [...connections];
  const startedAt = performance.now();
  let next = 0;
  let sendDue = (): void => {};
  const timer = setInterval(() => sendDue(), 1);
  try {
    await new Promise<void>((resolve, reject) => {
      sendDue = () => {
        const due = Math.min(requests.length, Math.ceil(((performance.now() - startedAt) / 1_000) * perSecond));
        while (next < due) {
          const request = requests[next];
          const connection = idle.pop();
          if (request === undefined || connection === undefined) return;
          const dueAt = startedAt + (next / perSecond) * 1_000;
          next++;
          connection.send(request).then(() => {
            took.push(performance.now() - dueAt);
            idle.push(connection);
            if (took.length === requests.length) resolve();
            else sendDue();
          }, reject);
        }
      };
    });
  } finally {
    clearInterval(timer);
  }
  return took;
}

/** One keep-alive connection with one request under way at a time. Reads only what it must of an answer: a parser would cost more than the server. */
class Connection {
  readonly #socket: net.Socket;
  #received = '';
  #settle: { resolve: () => void; reject: (error: Error) => void } | undefined;

  private constructor(socket: net.Socket) {
    this.#socket = socket;
    socket.setNoDelay(true);
    socket.setEncoding('latin1');
    socket.on('data', (chunk: string) => this.#take(chunk));
    socket.on('error', (error) => this.#settle?.reject(error));
    socket.on('close', () => this.#settle?.reject(new Error('Expected an answer, got a closed connection')));
  }

  static open(port: number): Promise<Connection> {
    return new Promise((resolve, reject) => {
      const socket = net.connect(port, '127.0.0.1');
      socket.once('error', reject);
      socket.once('connect', () => {
        socket.off('error', reject);
        resolve(new Connection(socket));
      });
    });
  }

  send(request: Buffer): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#settle = { resolve, reject };
      this.#socket.write(request);
    });
  }

  close(): void {
    this.#settle = undefined;
    this.#socket.destroy();
  }

  #take(chunk: string): void {
    this.#received += chunk;
    const headEnd = this.#received.indexOf('\r\n\r\n');
    if (headEnd < 0) return;
    const length = /\r\ncontent-length: *(\d+)/i.exec(this.#received)?.[1];
    if (length !== undefined && this.#received.length < headEnd + 4 + Number(length)) return;
    const answer = this.#received;
    this.#received = '';
    const settle = this.#settle;
    this.#settle = undefined;
    if (length !== undefined && answer.startsWith('HTTP/1.1 2')) settle?.resolve();
    else settle?.reject(new Error(`Expected an answer of 2xx with its length, got ${answer.slice(0, 500)}`));
  }
}

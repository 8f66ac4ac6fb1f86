import http from 'node:http';
import type { Inspector, Operator } from '@syncline/lanes';
import { closeServer, createOperations, listen } from '@syncline/runtime';
import { Registry } from 'prom-client';
import { type ConsoleLog, createConsole } from '../src/app';
import { createInMemoryInspector, type Holdings } from './in-memory-inspector';

export const TOKEN = 'token-of-the-tests';

export interface Answer {
  readonly status: number;
  readonly headers: http.IncomingHttpHeaders;
  readonly text: string;
  readonly json: unknown;
}

export interface RequestChanges {
  readonly method?: string;
  readonly headers?: Record<string, string>;
}

/** A console over real HTTP. */
export interface ServedConsole {
  readonly holdings: Holdings;
  /** What was logged as warning or error. */
  readonly logged: object[];
  /** Sends the path byte for byte; with the token unless headers are given. */
  request(path: string, changes?: RequestChanges): Promise<Answer>;
  /** The JSON of a successful GET under `/api/v1`; rejects on any other status than 200. */
  read(path: string): Promise<unknown>;
  close(): Promise<void>;
}

const refuse = (): Promise<never> => Promise.reject(new Error('Expected reads only'));
const noOperator: Operator = { act: refuse, replay: refuse, replayAll: refuse, discard: refuse, stop: refuse };

/** Serves a console over an in-memory inspector, some of whose reads may be replaced. */
export async function serveConsole(reads: Partial<Inspector> = {}, readTimeoutMs?: number): Promise<ServedConsole> {
  const { inspector, holdings } = createInMemoryInspector();
  const logged: object[] = [];
  const record = (fields: object): void => void logged.push(fields);
  const log: ConsoleLog = { warn: record, error: record };
  const registry = new Registry();
  const operations = createOperations({ registry, ready: () => true });
  const app = createConsole({
    inspector: { ...inspector, ...reads },
    operator: noOperator,
    token: TOKEN,
    log,
    operations,
    registry,
    ...(readTimeoutMs !== undefined && { readTimeoutMs }),
  });
  const server = await listen(app, { port: 0, host: '127.0.0.1', variable: 'CONSOLE_PORT' });
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;

  const request = (path: string, changes: RequestChanges = {}): Promise<Answer> =>
    new Promise((resolve, reject) => {
      const headers = changes.headers ?? { Authorization: `Bearer ${TOKEN}` };
      http
        .request({ host: '127.0.0.1', port, path, method: changes.method ?? 'GET', headers, agent: false }, (response) => {
          let text = '';
          response.setEncoding('utf8').on('data', (chunk: string) => {
            text += chunk;
          });
          response.on('end', () => {
            const isJson = /json/.test(response.headers['content-type'] ?? '') && text !== '';
            const json: unknown = isJson ? JSON.parse(text) : undefined;
            resolve({ status: response.statusCode ?? 0, headers: response.headers, text, json });
          });
        })
        .on('error', reject)
        .end();
    });

  return {
    holdings,
    logged,
    request,
    async read(path) {
      const answer = await request(`/api/v1${path}`);
      if (answer.status !== 200) throw new Error(`Expected 200 from ${path}, got ${answer.status}: ${answer.text}`);
      return answer.json;
    },
    close: () => closeServer(server, 1_000),
  };
}

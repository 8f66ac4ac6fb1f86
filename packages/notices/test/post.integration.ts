import type { LookupAddress } from 'node:dns';
import https from 'node:https';
import net from 'node:net';
import type { AddressInfo } from 'node:net';
import { waitFor } from '@syncline/testkit';
import type { ResolveHost } from '../src/address';
import { post, type PostRequest } from '../src/post';
import { answering, Receiver } from './receiver';
import { selfSigned } from './self-signed';

let receiver: Receiver;
beforeEach(async () => {
  receiver = await new Receiver().start();
});
afterEach(() => receiver.stop());

const posting = (given: Partial<PostRequest> = {}): Promise<void> =>
  post({
    url: new URL('/hook?token=hidden-token', receiver.url),
    headers: { 'content-type': 'application/json' },
    body: '{"a":"ä"}',
    signal: new AbortController().signal,
    allowPrivateHosts: new Set(['localhost']),
    ...given,
  });

async function failureOf(attempt: Promise<unknown>): Promise<Record<string, unknown> & Error> {
  try {
    await attempt;
  } catch (error) {
    return error as Record<string, unknown> & Error;
  }
  throw new Error('Expected a rejection, got none');
}

test.each([200, 201, 202, 204, 299])('%i means that the destination has it', async (status) => {
  receiver.answer = answering(status);
  await posting();
  expect(receiver.received).toMatchObject([
    { path: '/hook?token=hidden-token', body: '{"a":"ä"}', headers: { 'content-length': '10' } },
  ]);
});

test.each([400, 401, 403, 404, 405, 410, 413, 422, 451])('%i is for good', async (status) => {
  receiver.answer = answering(status, { 'retry-after': '5' });
  expect(await failureOf(posting())).toMatchObject({ code: 'PERMANENT', reason: 'destination_refused' });
});

test.each([301, 302, 303, 307, 308])('the redirect %i is not followed, and is for good', async (status) => {
  const other = await new Receiver().start();
  try {
    receiver.answer = answering(status, { location: `${other.url}/elsewhere` });
    const error = await failureOf(posting());
    expect(error).toMatchObject({ code: 'PERMANENT', reason: 'destination_refused' });
    expect(error.message).not.toContain('elsewhere');
    expect(other.received).toEqual([]);
  } finally {
    await other.stop();
  }
});

test.each([408, 409, 425, 429, 500, 502, 503, 504])('%i is attempted again, after the retry policy’s delay', async (status) => {
  receiver.answer = answering(status);
  const error = await failureOf(posting());
  expect(error.code).toBeUndefined();
  expect(error.retryAfterMs).toBeUndefined();
  expect(error.message).toBe(`Expected 2xx from localhost:${receiver.port}, got ${status}`);
});

test.each([429, 503, 500])('%i with Retry-After says itself when to come again', async (status) => {
  receiver.answer = answering(status, { 'retry-after': '7' });
  expect(await failureOf(posting())).toMatchObject({ name: 'RetryAfterError', retryAfterMs: 7_000, counts: true });
});

test('an answer in one word is told, any other text of an answer is not', async () => {
  receiver.answer = answering(404, {}, 'no_service\n');
  expect((await failureOf(posting())).message).toContain('got 404 (no_service)');
  receiver.answer = (request, response) => void response.writeHead(404).end(`You sent ${request.body} to ${request.path}`);
  expect((await failureOf(posting())).message).toMatch(/got 404$/);
});

test('an answer without end is read no further than it is worth', async () => {
  let sent = 0;
  receiver.answer = (_request, response) => {
    response.writeHead(500);
    const more = (): void => {
      if (response.destroyed) return;
      sent += 65_536;
      response.write(Buffer.alloc(65_536, 'x'), more);
    };
    more();
  };
  expect((await failureOf(posting())).message).toMatch(/got 500$/);
  expect(sent).toBeLessThan(16 * 1024 * 1024);
});

test('an answer whose body never ends counts by its status', async () => {
  receiver.answer = (_request, response) => void response.writeHead(200).write('half');
  await posting();
});

test('a destination that does not answer is left when the signal fires, and can be attempted again', async () => {
  const controller = new AbortController();
  receiver.answer = () => controller.abort();
  const error = await failureOf(posting({ signal: controller.signal }));
  expect(error.code).toBeUndefined();
  expect(error.message).toBe(`Expected an answer of localhost:${receiver.port} in time, got none`);
});

test('nothing is sent once the signal has fired', async () => {
  await failureOf(posting({ signal: AbortSignal.abort() }));
  expect(receiver.received).toEqual([]);
});

test('a destination that nobody serves, or that hangs up, can be attempted again', async () => {
  receiver.answer = (_request, response) => void response.destroy();
  expect((await failureOf(posting())).message).toMatch(/got ECONNRESET$/);
  const gone = await new Receiver().start();
  const url = new URL(gone.url);
  await gone.stop();
  expect((await failureOf(posting({ url }))).message).toMatch(/got ECONNREFUSED$/);
});

test('what answers is not HTTP, or too long a header: attempted again', async () => {
  const server = net.createServer((socket) => {
    socket.on('error', () => undefined);
    socket.end(`HTTP/1.1 200 OK\r\nX: ${'y'.repeat(100_000)}\r\n\r\n`);
  });
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  try {
    const { port } = server.address() as AddressInfo;
    expect((await failureOf(posting({ url: new URL(`http://localhost:${port}/`) }))).code).toBeUndefined();
  } finally {
    server.close();
  }
});

test('a certificate that nobody vouches for is refused before anything is sent', async () => {
  const { key, cert } = selfSigned();
  let requests = 0;
  const server = https.createServer({ key, cert }, (_request, response) => {
    requests++;
    response.end('ok');
  });
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  try {
    const url = new URL(`https://localhost:${(server.address() as AddressInfo).port}/`);
    expect((await failureOf(posting({ url }))).message).toMatch(/got DEPTH_ZERO_SELF_SIGNED_CERT$/);
    expect(requests).toBe(0);
    const status = await new Promise((resolve, reject) => {
      https.get(url, { ca: cert, agent: false }, (response) => resolve(response.resume().statusCode)).on('error', reject);
    });
    expect(status).toBe(200);
  } finally {
    server.closeAllConnections();
    server.close();
  }
});

test('no error holds more of the URL than its host', async () => {
  const errors: unknown[] = [];
  for (const answer of [
    answering(404),
    answering(500),
    answering(302, { location: '/x' }),
    answering(429, { 'retry-after': '1' }),
  ]) {
    receiver.answer = answer;
    errors.push(await failureOf(posting()));
  }
  errors.push(await failureOf(posting({ allowPrivateHosts: new Set() })));
  errors.push(await failureOf(posting({ signal: AbortSignal.abort() })));
  for (const error of errors) {
    const { message, stack } = error as Error;
    expect(`${message}${stack}`).not.toContain('hidden-token');
  }
});

describe('a destination that is not public', () => {
  const resolvingTo =
    (...rounds: string[][]): ResolveHost =>
    (_host, _options, done) => {
      const addresses = rounds.length > 1 ? (rounds.shift() ?? []) : (rounds[0] ?? []);
      done(
        null,
        addresses.map((address): LookupAddress => ({ address, family: address.includes(':') ? 6 : 4 })),
      );
    };

  const refused = { code: 'PERMANENT', reason: 'destination_private' };

  it.each(['localhost', '127.0.0.1', '0x7f.1', '[::1]', '[::ffff:127.0.0.1]', '0.0.0.0'])(
    'is refused at %s, without a byte being sent',
    async (host) => {
      const url = new URL(`http://${host}:${receiver.port}/`);
      expect(await failureOf(posting({ url, allowPrivateHosts: new Set() }))).toMatchObject(refused);
      expect(receiver.received).toEqual([]);
    },
  );

  it('is refused when a public name leads there', async () => {
    const url = new URL(`http://hook.example:${receiver.port}/`);
    for (const addresses of [['127.0.0.1'], ['8.8.8.8', '127.0.0.1'], ['::ffff:127.0.0.1'], ['64:ff9b::7f00:1']]) {
      const resolve = resolvingTo(addresses);
      expect(await failureOf(posting({ url, allowPrivateHosts: new Set(), resolve }))).toMatchObject(refused);
    }
    expect(receiver.received).toEqual([]);
  });

  it('is refused when a name leads there from the second attempt on: every connection looks again', async () => {
    const url = new URL(`http://hook.example:${receiver.port}/`);
    const looked: string[][] = [];
    const rounds = [['203.0.113.7'], ['127.0.0.1']];
    const resolve: ResolveHost = (host, options, done) => {
      looked.push([host]);
      resolvingTo(rounds[looked.length - 1] ?? [])(host, options, done);
    };
    await failureOf(posting({ url, allowPrivateHosts: new Set(), resolve }));
    expect(await failureOf(posting({ url, allowPrivateHosts: new Set(), resolve }))).toMatchObject(refused);
    expect(looked).toHaveLength(2);
  });

  it('is reached by the name that is allowed, and by no other', async () => {
    const url = new URL(`http://hook.internal:${receiver.port}/`);
    const resolve = resolvingTo(['127.0.0.1']);
    await posting({ url, allowPrivateHosts: new Set(['hook.internal']), resolve });
    await waitFor(() => receiver.received.length === 1);
    expect(await failureOf(posting({ url, allowPrivateHosts: new Set(['internal', 'localhost']), resolve }))).toMatchObject(
      refused,
    );
  });
});

import { readFileSync } from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { unreadableReasons } from '@syncline/senders';
import { waitFor } from '@syncline/testkit';
import { quarantineReasons, refusals } from '../src/refusals';
import { BODY_LIMIT_BYTES, SECRET, serve, signed, type TestIngress } from './serve';

const OFFER = '{"id":1,"merchant_id":10042,"name":"a name that no log may hold"}';

let ingress: TestIngress;
beforeEach(async () => {
  ingress = await serve();
});
afterEach(() => ingress.stop());

function refused(code: keyof typeof refusals) {
  return { status: refusals[code].status, body: { error: { code, message: refusals[code].message } } };
}

const head = (headers: Record<string, string>): string =>
  `POST /webhooks/violet HTTP/1.1\r\nHost: x\r\n${Object.entries(headers)
    .map(([name, value]) => `${name}: ${value}\r\n`)
    .join('')}\r\n`;

describe('401: a delivery does no work when its signature', () => {
  const right = signed(OFFER)['X-Violet-Hmac'] ?? '';
  const latin1 = (bytes: readonly number[]): string => Buffer.from(bytes).toString('latin1');

  test.each<[string, string]>([
    ['is of another secret', 'AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA='],
    ['is short', 'AA=='],
    ['is one character', 'x'],
    ['is no base64', '%%%%'],
    ['is multi-byte', latin1([0xc3, 0xa9, 0xf0, 0x9f, 0x98, 0x80])],
    ['is 44 bytes of multi-byte text', latin1(Array.from({ length: 44 }, (_, index) => (index % 2 ? 0xa9 : 0xc3)))],
    ['is URL-safe and unpadded', right.replaceAll('+', '-').replaceAll('/', '_').replace('=', '')],
    ['has junk behind it', `${right}junk`],
    ['is hex', Buffer.from(right, 'base64').toString('hex')],
  ])('%s', async (_claim, hmac) => {
    const answer = await ingress.post('/webhooks/violet', OFFER, signed(OFFER, { 'X-Violet-Hmac': hmac }));
    expect(answer).toMatchObject(refused('signature_invalid'));
    expect(ingress.acceptor.calls).toBe(0);
  });

  test('is missing or empty', async () => {
    const { 'X-Violet-Hmac': _, ...unsigned } = signed(OFFER);
    expect(await ingress.post('/webhooks/violet', OFFER, unsigned)).toMatchObject(refused('signature_missing'));
    expect(await ingress.post('/webhooks/violet', OFFER, { ...unsigned, 'X-Violet-Hmac': '' })).toMatchObject(
      refused('signature_missing'),
    );
    expect(await ingress.post('/webhooks/violet', OFFER, { ...unsigned, 'X-Violet-Signature': right })).toMatchObject(
      refused('signature_missing'),
    );
    expect(ingress.acceptor.calls).toBe(0);
  });

  test('came twice', async () => {
    const start = `POST /webhooks/violet HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: ${OFFER.length}\r\n`;
    const hmac = `X-Violet-Hmac: ${right}\r\n`;
    expect(await ingress.raw(`${start}X-Violet-Topic: OFFER_ADDED\r\n${hmac}${hmac}\r\n${OFFER}`)).toContain('HTTP/1.1 401');
    expect(ingress.acceptor.calls).toBe(0);
  });

  test('is right for another body, topics known or not, readable or not', async () => {
    for (const body of [OFFER.replace('10042', '10043'), `${OFFER} `, 'nonsense', '']) {
      for (const topic of ['OFFER_ADDED', 'SOMETHING_NEW', '']) {
        const headers = signed(OFFER, { 'X-Violet-Topic': topic });
        expect(await ingress.post('/webhooks/violet', body, headers)).toMatchObject(refused('signature_invalid'));
      }
    }
    expect(ingress.acceptor.calls).toBe(0);
  });
});

describe('404:', () => {
  test.each([
    '/webhooks/unknown',
    '/webhooks/standard',
    '/webhooks/',
    '/webhooks/violet/',
    '/webhooks/VIOLET',
    '/webhooks/%76iolet',
    '/webhooks/violet/x',
    '/webhooks/__proto__',
    '/webhooks/constructor',
    '/webhooks/%E0%A4%A',
    '/webhooks/%00',
    '/webhooks/..%2fviolet',
    '/webhooks/violet%0d%0a',
    '/webhooks/violet;a=b',
  ])('no source is at %s, signed or not', async (at) => {
    expect(await ingress.post(at, OFFER, signed(OFFER))).toMatchObject(refused('unknown_source'));
    expect(ingress.acceptor.calls).toBe(0);
  });

  test.each(['/', '//webhooks/violet', '/webhook/violet', '/webhooks', '/healthz/x', '/__proto__', '/%'])(
    'nothing is at %s',
    async (at) => {
      expect(await ingress.post(at, OFFER, signed(OFFER))).toMatchObject(refused('not_found'));
    },
  );

  test.each([
    '*',
    'http://x/webhooks/none',
    'http://[/webhooks/violet',
    'http://a%zz:99999/',
    '/webhooks/violet#x',
    '/\\webhooks',
    `/${'a'.repeat(8_000)}`,
  ])('an odd request target is answered without a 5xx or a stack: %s', async (target) => {
    const answer = await ingress.raw(`POST ${target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`);
    expect(answer).toMatch(/^HTTP\/1\.1 4\d\d /);
    expect(answer).toContain('\r\n\r\n{"error":{"code":');
  });

  test('comes before everything else', async () => {
    const response = await fetch(`http://127.0.0.1:${ingress.port}/webhooks/unknown`, {
      method: 'PUT',
      body: 'x',
      headers: { 'Content-Encoding': 'gzip' },
    });
    expect(response.status).toBe(404);
  });
});

describe('405:', () => {
  test.each(['GET', 'HEAD', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'PROPFIND'])(
    '%s is refused with Allow: POST',
    async (method) => {
      const response = await fetch(`http://127.0.0.1:${ingress.port}/webhooks/violet`, { method });
      expect(response.status).toBe(405);
      expect(response.headers.get('allow')).toBe('POST');
      expect(await response.text()).toBe(method === 'HEAD' ? '' : JSON.stringify(refused('method_not_allowed').body));
    },
  );
});

describe('415:', () => {
  test.each(['gzip', 'deflate', 'br', 'x-unknown', 'identity, gzip', 'GZIP'])(
    'a body encoded as %s is refused',
    async (encoding) => {
      const answer = await ingress.post('/webhooks/violet', OFFER, signed(OFFER, { 'Content-Encoding': encoding }));
      expect(answer).toMatchObject(refused('content_encoding_unsupported'));
      expect(ingress.acceptor.calls).toBe(0);
    },
  );

  test('comes before a missing signature', async () => {
    expect(await ingress.post('/webhooks/violet', OFFER, { 'Content-Encoding': 'gzip' })).toMatchObject({ status: 415 });
  });
});

describe('413:', () => {
  const tooLarge = `{"merchant_id":1,"a":"${'x'.repeat(BODY_LIMIT_BYTES)}"}`;
  test('a body that is announced too large is refused, however it is signed', async () => {
    expect(await ingress.post('/webhooks/violet', tooLarge, signed(tooLarge))).toMatchObject(refused('body_too_large'));
    const wrong = signed(tooLarge, { 'X-Violet-Hmac': 'x' });
    expect(await ingress.post('/webhooks/violet', tooLarge, wrong)).toMatchObject(refused('body_too_large'));
    expect(ingress.acceptor.calls).toBe(0);
  });

  test('a body of one byte over the limit is refused', async () => {
    const body = 'x'.repeat(BODY_LIMIT_BYTES + 1);
    expect(await ingress.post('/webhooks/violet', body, signed(body))).toMatchObject(refused('body_too_large'));
  });

  test('a body in chunks is refused as soon as it is too large, and the connection closed', async () => {
    const chunk = Buffer.alloc(BODY_LIMIT_BYTES + 1, 'x');
    const answer = await ingress.raw(
      head({ ...signed(''), 'Transfer-Encoding': 'chunked' }),
      `${chunk.length.toString(16)}\r\n`,
      chunk,
      '\r\n',
    );
    expect(answer).toContain('HTTP/1.1 413');
    expect(answer).toContain('Connection: close');
    expect(answer).toContain('"code":"body_too_large"');
  });

  test('the answer to an announced body comes before any of it', async () => {
    const answer = await ingress.raw(head({ ...signed(''), 'Content-Length': String(10 * BODY_LIMIT_BYTES) }));
    expect(answer).toContain('HTTP/1.1 413');
    expect(answer).toContain('Connection: close');
  });

  test('the answer reaches a sender that first sends all', async () => {
    const body = Buffer.alloc(200 * BODY_LIMIT_BYTES, 'x');
    const answer = await ingress.raw(head({ ...signed(''), 'Content-Length': String(body.length) }), body);
    expect(answer).toContain('HTTP/1.1 413');
  });

  test('an absurd length is refused', async () => {
    const answer = await ingress.raw(head({ ...signed(''), 'Content-Length': '9999999999999999999' }));
    expect(answer).toMatch(/HTTP\/1\.1 4(00|13)/);
  });
});

describe('503:', () => {
  test.each([
    ['full', 'store_full'],
    ['overloaded', 'overloaded'],
    ['timeout', 'store_timeout'],
  ] as const)('a store that says %s is answered with Retry-After', async (status, code) => {
    ingress.acceptor.answer = { status };
    const answer = await ingress.post('/webhooks/violet', OFFER, signed(OFFER));
    expect(answer).toMatchObject(refused(code));
    expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(0);
  });

  test('a broken part of ours is answered so too, and logged as an error once', async () => {
    ingress.acceptor.answer = new Error('broken');
    const answer = await ingress.post('/webhooks/violet', OFFER, signed(OFFER));
    expect(answer).toMatchObject(refused('unavailable'));
    expect(answer.headers.get('retry-after')).toBe('5');
    expect(ingress.lines.filter(({ level }) => level === 'error')).toHaveLength(1);
  });
});

describe('bytes on the wire', () => {
  test('of a sender that leaves within its body are no error and get no stack in the log', async () => {
    const socket = net.connect(ingress.port, '127.0.0.1');
    const request = `POST /webhooks/violet HTTP/1.1\r\nHost: x\r\nX-Violet-Hmac: x\r\nContent-Length: 100\r\n\r\nten bytes!`;
    await new Promise((resolve) => socket.write(request, resolve));
    socket.destroy();
    await waitFor(() => ingress.lines.length > 0);
    expect(ingress.lines).toEqual([
      expect.objectContaining({ level: 'debug', fields: expect.objectContaining({ outcome: 'aborted' }) }),
    ]);
    expect(await ingress.metric('syncline_deliveries_total{source="violet",outcome="aborted"}')).toMatch(/ 1$/);
  });

  test.each([
    ['nonsense', 'nonsense\r\n\r\n'],
    ['a bad header', 'POST /webhooks/violet HTTP/1.1\r\nHost: x\r\nbad header\r\n\r\n'],
    ['two lengths', 'POST /webhooks/violet HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nx'],
    [
      'a length and chunks',
      'POST /webhooks/violet HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\nx',
    ],
    ['a bad chunk', 'POST /webhooks/violet HTTP/1.1\r\nHost: x\r\nX-Violet-Hmac: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n'],
    ['a negative length', 'POST /webhooks/violet HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n'],
    ['no host', 'POST /webhooks/violet HTTP/1.1\r\nX-Violet-Hmac: x\r\n\r\n'],
    ['a header beyond all bounds', `POST /webhooks/violet HTTP/1.1\r\nHost: x\r\nX: ${'x'.repeat(100_000)}\r\n\r\n`],
    [
      'an unknown expectation',
      'POST /webhooks/violet HTTP/1.1\r\nHost: x\r\nExpect: nothing\r\nContent-Length: 0\r\nConnection: close\r\n\r\n',
    ],
  ])('that are %s are never a 5xx', async (_claim, bytes) => {
    expect(await ingress.raw(bytes)).not.toMatch(/HTTP\/1\.1 [25]\d\d/);
  });
});

describe('bodies in memory at once', () => {
  test('that are too many in all are refused with 503, and there is room again once they are gone', async () => {
    const small = await serve({ bodiesMaxBytes: 10_000 });
    const announced = (body: string): string =>
      head({ ...signed(body), 'Content-Length': String(body.length), Connection: 'close' });
    const half = 'x'.repeat(8_000);
    const slow = net.connect(small.port, '127.0.0.1');
    slow.write(`${announced(half)}${half.slice(0, 7_000)}`);
    const second = 'y'.repeat(9_000);
    await waitFor(async () => {
      const answer = await small.raw(announced(second), second);
      return answer.includes('HTTP/1.1 503') && answer.includes('"overloaded"') && /^Retry-After: 5\r$/m.test(answer);
    });
    slow.destroy();
    await waitFor(async () => (await small.post('/webhooks/violet', OFFER, signed(OFFER))).status === 202);
    expect(small.acceptor.calls).toBe(1);
    await small.stop();
  });
});

test('bytes that are no request, and headers without end, are answered in the form of all errors', async () => {
  expect(await ingress.raw('nonsense\r\n\r\n')).toMatch(/^HTTP\/1\.1 400 .*\{"error":\{"code":"request_malformed"/s);
  const endless = `POST /webhooks/violet HTTP/1.1\r\nHost: x\r\nX: ${'x'.repeat(100_000)}\r\n\r\n`;
  expect(await ingress.raw(endless)).toMatch(/^HTTP\/1\.1 431 .*\{"error":\{"code":"headers_too_large"/s);
});

test('answers carry neither Express nor an ETag, and are never cached', async () => {
  const answer = await ingress.post('/webhooks/violet', OFFER, signed(OFFER));
  expect(answer.headers.get('x-powered-by')).toBeNull();
  expect(answer.headers.get('etag')).toBeNull();
  expect(answer.headers.get('cache-control')).toBe('no-store');
  expect(answer.headers.get('content-type')).toBe('application/json; charset=utf-8');
});

test('a connection is kept after a refusal of a small body', async () => {
  const refusedOne = `POST /webhooks/unknown HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nbody`;
  const last = `GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`;
  expect((await ingress.raw(refusedOne, last)).match(/HTTP\/1\.1 \d+/g)).toEqual(['HTTP/1.1 404', 'HTTP/1.1 200']);
});

test('health, readiness and metrics are served without a token', async () => {
  for (const at of ['/healthz', '/readyz', '/metrics'])
    expect((await fetch(`http://127.0.0.1:${ingress.port}${at}`)).status).toBe(200);
});

test('deliveries are counted by source and outcome, and an unknown path makes no label', async () => {
  await ingress.post('/webhooks/violet', OFFER, signed(OFFER));
  await ingress.post('/webhooks/violet', OFFER, signed(OFFER));
  await ingress.post('/webhooks/violet', OFFER, { 'X-Violet-Hmac': 'x' });
  await ingress.post('/webhooks/anything', OFFER);
  expect(await ingress.metric('syncline_deliveries_total{source="violet",outcome="accepted"}')).toMatch(/ 1$/);
  expect(await ingress.metric('syncline_deliveries_total{source="violet",outcome="duplicate"}')).toMatch(/ 1$/);
  expect(await ingress.metric('syncline_deliveries_total{source="violet",outcome="signature_invalid"}')).toMatch(/ 1$/);
  expect(await ingress.metric('syncline_deliveries_total{source="unknown",outcome="unknown_source"}')).toMatch(/ 1$/);
  expect(await ingress.metric('syncline_accept_seconds_count')).toMatch(/ 2$/);
  expect(await ingress.metric('syncline_deliveries_waiting')).toMatch(/ 0$/);
});

test('a log line tells what became of a delivery, without body, signature or secret', async () => {
  await ingress.post('/webhooks/violet', OFFER, signed(OFFER));
  await ingress.post('/webhooks/violet', OFFER, signed(OFFER, { 'X-Violet-Hmac': 'x' }));
  expect(ingress.lines).toEqual([
    {
      level: 'debug',
      message: 'delivery',
      fields: {
        source: 'violet',
        outcome: 'accepted',
        eventId: '1',
        topic: 'OFFER_ADDED',
        lane: 'violet:10042',
        bytes: OFFER.length,
        durationMs: expect.any(Number),
      },
    },
    {
      level: 'info',
      message: 'delivery refused',
      fields: {
        source: 'violet',
        outcome: 'signature_invalid',
        code: 'signature_invalid',
        bytes: OFFER.length,
        durationMs: expect.any(Number),
      },
    },
  ]);
  const text = JSON.stringify(ingress.lines);
  for (const hidden of ['no log may hold', SECRET, signed(OFFER)['X-Violet-Hmac']]) expect(text).not.toContain(hidden);
});

describe('docs/errors.md', () => {
  const documentation = readFileSync(path.join(__dirname, '..', '..', '..', 'docs', 'errors.md'), 'utf8');

  test.each(Object.entries(refusals))('documents the code %s with its status', (code, { status }) => {
    expect(documentation).toContain(`| \`${code}\` | ${status} |`);
  });

  test.each(quarantineReasons)('documents the reason %s', (reason) => {
    expect(documentation).toContain(`| \`${reason}\` |`);
  });

  test('knows every reason for which a sender calls a delivery unreadable', () => {
    expect(quarantineReasons).toEqual(expect.arrayContaining([...unreadableReasons]));
  });
});

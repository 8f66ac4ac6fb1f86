import { serveConsole, type ServedConsole, TOKEN } from './serving';

let served: ServedConsole;

beforeAll(async () => {
  served = await serveConsole();
});
afterAll(() => served.close());

const errorOf = (code: string) => ({ error: { code, message: expect.stringMatching(/\S/) } });

describe('access', () => {
  const overview = '/api/v1/overview';

  test.each([
    ['no header', {}],
    ['another scheme', { Authorization: `Basic ${TOKEN}` }],
    ['no token', { Authorization: 'Bearer' }],
    ['an empty token', { Authorization: 'Bearer ' }],
    ['another token', { Authorization: 'Bearer another' }],
    ['a prefix of the token', { Authorization: `Bearer ${TOKEN.slice(0, -1)}` }],
    ['the token with a suffix', { Authorization: `Bearer ${TOKEN}x` }],
    ['the token twice', { Authorization: `Bearer ${TOKEN} ${TOKEN}` }],
    ['the token of another case', { Authorization: `Bearer ${TOKEN.toUpperCase()}` }],
    ['the token alone', { Authorization: TOKEN }],
    ['a very long token', { Authorization: `Bearer ${'x'.repeat(8_000)}` }],
    ['bytes outside of ASCII', { Authorization: 'Bearer \u00ff\u00e9' }],
    ['the token in another header', { 'X-Token': TOKEN }],
  ])('%s is refused with 401, a challenge and JSON', async (_name, headers: Record<string, string>) => {
    const answer = await served.request(overview, { headers });
    expect(answer.status).toBe(401);
    expect(answer.headers['www-authenticate']).toBe('Bearer');
    expect(answer.json).toEqual(errorOf('unauthorized'));
    expect(answer.text).not.toContain(TOKEN);
  });

  test('the token in the query is not taken', async () => {
    const answer = await served.request(`${overview}?token=${TOKEN}&access_token=${TOKEN}`, { headers: {} });
    expect(answer.status).toBe(401);
  });

  test('the scheme is read without regard to case', async () => {
    expect((await served.request(overview, { headers: { authorization: `bearer ${TOKEN}` } })).status).toBe(200);
  });

  test('a stranger cannot tell which paths of the API exist', async () => {
    for (const path of ['/api', '/api/v1', '/api/v1/nothing', '/api/v2/overview', '/api/v1/merchants/violet/1']) {
      expect((await served.request(path, { headers: {} })).status).toBe(401);
    }
  });

  test('health, readiness and metrics need no token', async () => {
    for (const path of ['/healthz', '/readyz', '/metrics']) {
      expect((await served.request(path, { headers: {} })).status).toBe(200);
    }
  });
});

describe('paths and methods', () => {
  test.each([
    '/',
    '/api',
    '/api/v1',
    '/api/v1/nothing',
    '/api/v2/overview',
    '/api/v1/merchants/violet',
    '/api/v1/merchants//10042',
    '/api/v1/merchants/violet/10042/nothing',
    '/api/v1/__proto__',
    '/api/v1/merchants/__proto__/constructor',
    '/api/v1/events/violet',
    '/API/V1/overview',
    '//api/v1/overview',
    '/api/v1/merchants/violet/10042',
    '/api/v1/merchants/violet/10042/history',
    '/api/v1/merchants/violet/10042/offers',
    '/api/v1/merchants/violet/10042/collections',
    `/api/v1/merchants/violet/${'9'.repeat(5_000)}`,
    '/api/v1/merchants/violet/%00',
    '/api/v1/events/violet/unknown',
    `/api/v1/events/violet/${'9'.repeat(5_000)}`,
    '/api/v1/events/a%3Ab/unknown',
    '/api/v1/dead-letters/unknown',
    '/api/v1/dead-letters/%F0%9F%92%A5',
  ])('%s is unknown: 404 as JSON', async (path) => {
    const answer = await served.request(path);
    expect(answer.status).toBe(404);
    expect(answer.json).toEqual(errorOf('not_found'));
  });

  test.each(['POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'])(
    '%s on a readable path is refused with 405 and Allow',
    async (method) => {
      for (const path of [
        '/api/v1/overview',
        '/api/v1/merchants',
        '/api/v1/merchants/violet/1/history',
        '/api/v1/dead-letters/1',
      ]) {
        const answer = await served.request(path, { method });
        expect(answer.status).toBe(405);
        expect(answer.headers.allow).toBe('GET, HEAD');
        expect(answer.json).toEqual(errorOf('method_not_allowed'));
      }
    },
  );

  test('HEAD answers like GET without a body', async () => {
    const answer = await served.request('/api/v1/overview', { method: 'HEAD' });
    expect(answer.status).toBe(200);
    expect(answer.text).toBe('');
  });

  test.each([
    '/api/v1/merchants/violet/%',
    '/api/v1/merchants/violet/%E0%A4%A',
    '/api/v1/events/%ff/1',
    '/api/v1/dead-letters/%zz',
  ])('%s cannot be decoded: 400 as JSON', async (path) => {
    const answer = await served.request(path);
    expect(answer.status).toBe(400);
    expect(answer.json).toEqual(errorOf('invalid_request'));
  });
});

describe('headers', () => {
  test('no answer may be stored, sniffed, framed or read across origins, and none names the server', async () => {
    for (const path of ['/api/v1/overview', '/api/v1/nothing', '/nothing', '/healthz']) {
      const { headers } = await served.request(path, {
        headers: { Authorization: `Bearer ${TOKEN}`, Origin: 'https://elsewhere.example' },
      });
      expect(headers['cache-control']).toBe('no-store');
      expect(headers['x-content-type-options']).toBe('nosniff');
      expect(headers['content-security-policy']).toContain("frame-ancestors 'none'");
      expect(headers).not.toHaveProperty('access-control-allow-origin');
      expect(headers).not.toHaveProperty('x-powered-by');
      expect(headers).not.toHaveProperty('etag');
    }
  });
});

describe('a store that does not answer', () => {
  const paths = [
    '/overview',
    '/merchants',
    '/merchants?state=idle',
    '/merchants/violet/1',
    '/merchants/violet/1/history',
    '/merchants/violet/1/offers',
    '/events',
    '/events/violet/1',
    '/dead-letters',
    '/dead-letters/1',
  ];
  const readsThat = (behave: () => Promise<never>) => ({
    overview: behave,
    lanes: behave,
    lane: behave,
    events: behave,
    event: behave,
    deadLetters: behave,
    deadLetter: behave,
  });

  test('gives 503 with Retry-After on every path, and its reason only in the log', async () => {
    const down = await serveConsole(readsThat(() => Promise.reject(new Error('connect ECONNREFUSED 10.1.2.3:6379'))));
    try {
      for (const path of paths) {
        const answer = await down.request(`/api/v1${path}`);
        expect(answer.status).toBe(503);
        expect(answer.headers['retry-after']).toBe('1');
        expect(answer.json).toEqual(errorOf('unavailable'));
        expect(answer.text).not.toContain('10.1.2.3');
      }
      expect(down.logged).toContainEqual(
        expect.objectContaining({ err: expect.objectContaining({ message: expect.stringContaining('10.1.2.3') }) }),
      );
    } finally {
      await down.close();
    }
  });

  test('gives 503 when it never answers', async () => {
    const frozen = await serveConsole(
      readsThat(() => new Promise<never>(() => {})),
      20,
    );
    try {
      for (const path of paths) expect((await frozen.request(`/api/v1${path}`)).status).toBe(503);
    } finally {
      await frozen.close();
    }
  });

  test('does not keep a wrong request from being told so', async () => {
    const down = await serveConsole(readsThat(() => Promise.reject(new Error('down'))));
    try {
      expect((await down.request('/api/v1/events?state=nonsense')).status).toBe(400);
      expect((await down.request('/api/v1/overview', { headers: {} })).status).toBe(401);
      expect((await down.request('/api/v1/nothing')).status).toBe(404);
    } finally {
      await down.close();
    }
  });
});

test('a fault of the console itself gives 500 without its details, which are logged', async () => {
  const faulty = await serveConsole({ overview: async () => ({}) as never });
  try {
    const answer = await faulty.request('/api/v1/overview');
    expect(answer.status).toBe(500);
    expect(answer.json).toEqual(errorOf('internal'));
    expect(answer.text).not.toContain('undefined');
    expect(faulty.logged).toHaveLength(1);
  } finally {
    await faulty.close();
  }
});

test('answers are measured by route pattern, never by merchant', async () => {
  await served.request('/api/v1/merchants/violet/778899');
  const { text } = await served.request('/metrics');
  expect(text).toContain('route="/merchants/:source/:merchantId",status="404"');
  expect(text).not.toContain('778899');
});

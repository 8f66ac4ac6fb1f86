import { startVioletApi, type VioletApiServer, violetCollectionOf, violetOfferOf, waitFor } from '@syncline/testkit';
import { createVioletApi, eachPage, type Page, type VioletApiError, type VioletApiSettings } from '../src/index';

const MERCHANT = '10042';

let server: VioletApiServer;

beforeEach(async () => {
  server = await startVioletApi();
});
afterEach(() => server.stop());

function client(settings: Partial<VioletApiSettings> = {}) {
  return createVioletApi({ baseUrl: server.url, ...server.credentials, random: () => 0, ...settings });
}

const never = (): AbortSignal => new AbortController().signal;
const first = { number: 1, size: 100 };

function holdOffers(count: number): void {
  for (let id = 1; id <= count; id += 1) server.holdings.offers.set(id, violetOfferOf(id, 10_042));
}

async function idsOf(pages: AsyncIterable<Page<{ id: number }>>): Promise<number[]> {
  const ids: number[] = [];
  for await (const { items } of pages) ids.push(...items.map(({ id }) => id));
  return ids;
}

async function problemOf(call: Promise<unknown>): Promise<VioletApiError> {
  try {
    await call;
  } catch (error) {
    return error as VioletApiError;
  }
  throw new Error('Expected a rejection, got none');
}

const urlsSeen = (fitting: RegExp): string[] =>
  server.seen.map(({ method, url }) => `${method} ${url}`).filter((url) => fitting.test(url));

const readOffers = (api = client(), size = 100, pagesMax = 50) =>
  idsOf(eachPage('offers', (page) => api.offers(MERCHANT, page, never()), { size, pagesMax }));

describe('pages', () => {
  it.each([
    ['counted truly from 1', {}],
    ['counted from 0, with totals of 0', { numberFrom: 0, totals: 'zero' }],
    ['that do not say which is the last', { last: false, totals: 'zero' }],
  ] as const)('%s are read to their end, and not beyond', async (_how, shape) => {
    server.pageShape = shape;
    holdOffers(25);
    await expect(readOffers(client(), 10)).resolves.toEqual(Array.from({ length: 25 }, (_, index) => index + 1));
    expect(urlsSeen(/offers/).length).toBe('last' in shape ? 4 : 3);
  });

  it('end at once for a merchant without offers', async () => {
    await expect(readOffers()).resolves.toEqual([]);
  });

  it('without end end in an error that says so', async () => {
    holdOffers(3);
    server.fail(/offers/, { kind: 'endless' }, 1_000);
    const error = await problemOf(readOffers(client(), 100, 20));
    expect(error).toMatchObject({ problem: 'endless', code: 'VIOLET_API_ENDLESS' });
    expect(urlsSeen(/offers/)).toHaveLength(20);
  });

  it('leave out entries without an id and those of another merchant, and count them', async () => {
    const content = [
      { id: 1, merchant_id: 10_042, extra: { kept: [1] } },
      { merchant_id: 10_042 },
      null,
      { id: 2, merchant_id: 7 },
      { id: 3 },
    ];
    server.fail(/offers/, { kind: 'body', body: JSON.stringify({ content, last: true }) });
    await expect(client().offers(MERCHANT, first, never())).resolves.toEqual({
      items: [content[0], content[4]],
      unreadable: 3,
      last: true,
    });
  });

  it('of the modified alone are asked for with a literal colon and a date as Violet writes it', async () => {
    server.holdings.offers.set(1, violetOfferOf(1, 10_042, { date_last_modified: '2025-03-01T12:00:00+0000' }));
    server.holdings.offers.set(2, violetOfferOf(2, 10_042, { date_last_modified: '2025-03-01T12:00:02+0000' }));
    const page = await client().offers(MERCHANT, first, never(), Date.UTC(2025, 2, 1, 12, 0, 1));
    expect(page.items.map(({ id }) => id)).toEqual([2]);
    expect(urlsSeen(/date_last/)).toEqual([
      `GET /catalog/offers/merchants/10042?page=1&size=100&date_last_modified:min=${encodeURIComponent('2025-03-01T12:00:01+0000')}`.replaceAll(
        '%3A',
        ':',
      ),
    ]);
  });
});

describe('other reads', () => {
  it('count published offers, list collections and the ids of their offers', async () => {
    holdOffers(3);
    server.holdings.offers.set(4, violetOfferOf(4, 10_042, { publishing_status: 'NOT_PUBLISHED' }));
    server.holdings.collections.set(7, violetCollectionOf(7, 10_042));
    server.holdings.members.set(7, [1, 3]);
    const api = client();
    await expect(api.offerCount(MERCHANT, never())).resolves.toBe(3);
    expect((await api.collections(MERCHANT, first, never())).items).toMatchObject([{ id: 7, name: 'Collection 7' }]);
    await expect(api.collectionOfferIds('7', first, never())).resolves.toEqual({ items: [1, 3], unreadable: 0, last: true });
    await expect(api.collectionOfferIds('8', first, never())).resolves.toBeUndefined();
  });

  it('find events by type, entity and time, and give their bodies until Violet has them no more', async () => {
    const event = {
      webhook_id: 5,
      entity_id: 42,
      status: 'FAILED',
      date_created: '2025-03-01T12:00:00+0000',
      body: { id: 42, merchant_id: 10_042 },
    };
    server.holdings.events.set(1, { ...event, id: 1, event_type: 'OFFER_UPDATED' });
    server.holdings.events.set(2, { ...event, id: 2, event_type: 'OFFER_DELETED' });
    server.holdings.webhooks.set(5, {
      id: 5,
      event: 'OFFER_UPDATED',
      remote_endpoint: 'https://example.com/',
      status: 'DISABLED',
    });
    const api = client();
    const at = Date.UTC(2025, 2, 1, 12);
    const search = { eventTypes: ['OFFER_UPDATED'], entityIds: [42], after: at - 1_000, before: at + 1_000 };
    expect((await api.searchEvents(search, first, never())).items.map(({ id }) => id)).toEqual([1]);
    expect((await api.searchEvents({ ...search, before: at - 500 }, first, never())).items).toEqual([]);
    await expect(api.eventBody(5, 1, never())).resolves.toBe('{"id":42,"merchant_id":10042}');
    await expect(api.eventBody(5, 9, never())).resolves.toBeUndefined();
    expect(await api.webhooks(never())).toMatchObject([{ id: 5, status: 'DISABLED' }]);
  });
});

describe('the token', () => {
  it('is got by one login for all who call at once, and used again', async () => {
    const api = client();
    await Promise.all(Array.from({ length: 8 }, () => api.offerCount(MERCHANT, never())));
    await api.offerCount(MERCHANT, never());
    expect(urlsSeen(/login|token/)).toEqual(['POST /login']);
  });

  it('that is spent in mid-run is renewed once for all who call, and what they asked is asked again', async () => {
    const api = client();
    await api.offerCount(MERCHANT, never());
    server.expireTokens({ refreshTokens: false });
    await expect(Promise.all(Array.from({ length: 8 }, () => api.offerCount(MERCHANT, never())))).resolves.toEqual(
      Array(8).fill(0),
    );
    expect(urlsSeen(/login|token/)).toEqual(['POST /login', 'GET /auth/token']);
  });

  it('is got by a new login when it cannot be renewed', async () => {
    const api = client();
    await api.offerCount(MERCHANT, never());
    server.expireTokens();
    await expect(api.offerCount(MERCHANT, never())).resolves.toBe(0);
    expect(urlsSeen(/login|token/)).toEqual(['POST /login', 'GET /auth/token', 'POST /login']);
  });

  it('that is refused although it is new ends the call, without a third try', async () => {
    server.fail(/count/, { kind: 'status', status: 401 }, 10);
    expect(await problemOf(client().offerCount(MERCHANT, never()))).toMatchObject({ problem: 'refused', status: 401 });
    expect(urlsSeen(/count/)).toHaveLength(2);
  });

  it('is not asked for again for a minute after a refused login, by whomever', async () => {
    let now = 1_000_000;
    const api = client({ password: 'another', now: () => now });
    expect(await problemOf(api.offerCount(MERCHANT, never()))).toMatchObject({ problem: 'loginRefused', retryAfterMs: 60_000 });
    now += 10_000;
    expect(await problemOf(api.offerCount(MERCHANT, never()))).toMatchObject({ problem: 'loginRefused', retryAfterMs: 50_000 });
    expect(urlsSeen(/login/)).toHaveLength(1);
    now += 50_001;
    await problemOf(api.offerCount(MERCHANT, never()));
    expect(urlsSeen(/login/)).toHaveLength(2);
  });

  it('is waited for no longer than the caller wants, and still serves the others', async () => {
    let release: () => void = () => undefined;
    server.fail(/login/, {
      kind: 'hold',
      until: new Promise((resolve) => {
        release = resolve;
      }),
    });
    const api = client();
    const impatient = new AbortController();
    const gone = problemOf(api.offerCount(MERCHANT, impatient.signal));
    const patient = api.offerCount(MERCHANT, never());
    impatient.abort(new Error('no longer'));
    expect(await gone).toMatchObject({ message: 'no longer' });
    release();
    await expect(patient).resolves.toBe(0);
  });
});

describe('faults', () => {
  it.each([
    ['500', { kind: 'status', status: 500 }],
    ['429 that asks for no wait', { kind: 'status', status: 429 }],
    ['429 with a Retry-After of 0', { kind: 'status', status: 429, retryAfter: '0' }],
    ['an answer that is cut', { kind: 'cut' }],
  ] as const)('%s twice is outlived within one call', async (_what, fault) => {
    holdOffers(2);
    server.fail(/count/, fault, 2);
    await expect(client().offerCount(MERCHANT, never())).resolves.toBe(2);
    expect(urlsSeen(/count/)).toHaveLength(3);
  });

  it('that go on end the call after its tries', async () => {
    server.fail(/count/, { kind: 'status', status: 503 }, 10);
    expect(await problemOf(client().offerCount(MERCHANT, never()))).toMatchObject({ problem: 'unavailable', status: 503 });
    expect(urlsSeen(/count/)).toHaveLength(3);
  });

  it('that ask for a long wait end the call at once, and say how long', async () => {
    server.fail(/count/, { kind: 'status', status: 429, retryAfter: '30' });
    expect(await problemOf(client().offerCount(MERCHANT, never()))).toMatchObject({ problem: 'limited', retryAfterMs: 30_000 });
    expect(urlsSeen(/count/)).toHaveLength(1);
  });

  it('an answer that takes too long is given up', async () => {
    let release: () => void = () => undefined;
    const until = new Promise<void>((resolve) => {
      release = resolve;
    });
    server.fail(/count/, { kind: 'hold', until });
    const api = client({ timeoutMs: 150, tries: 1 });
    expect(await problemOf(api.offerCount(MERCHANT, never()))).toMatchObject({ problem: 'unavailable' });
    release();
  });

  it('a caller that gives up ends the request with its own reason', async () => {
    let release: () => void = () => undefined;
    const until = new Promise<void>((resolve) => {
      release = resolve;
    });
    const api = client();
    await api.offerCount(MERCHANT, never());
    server.fail(/offers\/merchants\/10042$/, { kind: 'hold', until });
    const controller = new AbortController();
    const gone = problemOf(api.offers(MERCHANT, first, controller.signal));
    await waitFor(() => server.held === 1);
    controller.abort(new Error('shutting down'));
    expect(await gone).toMatchObject({ message: 'shutting down' });
    release();
  });

  it('a 4xx is not tried again', async () => {
    server.fail(/count/, { kind: 'status', status: 403 });
    expect(await problemOf(client().offerCount(MERCHANT, never()))).toMatchObject({ problem: 'refused', status: 403 });
    expect(urlsSeen(/count/)).toHaveLength(1);
  });

  it.each([
    ['is no JSON', '{"content":[', 'unreadable'],
    ['is JSON of another kind', '[]', 'unreadable'],
    ['lists no list', '{"content":{"secret":"value"}}', 'unreadable'],
    ['is larger than what is read', JSON.stringify({ content: ['x'.repeat(3_000)] }), 'tooLarge'],
  ])('an answer that %s is an error, tried once, that repeats nothing of it', async (_what, body, problem) => {
    server.fail(/offers\/merchants/, { kind: 'body', body });
    const error = await problemOf(client({ answerMaxBytes: 2_000 }).offers(MERCHANT, first, never()));
    expect(error).toMatchObject({ problem });
    expect(String(error)).not.toMatch(/secret|xxx/);
    expect(urlsSeen(/offers\/merchants/)).toHaveLength(1);
  });

  it('no error holds a secret or a token', async () => {
    const { appSecret, password } = server.credentials;
    const errors = [
      await problemOf(client({ password: 'guessed-password' }).offerCount(MERCHANT, never())),
      await problemOf(client({ baseUrl: 'http://127.0.0.1:9', tries: 1 }).offerCount(MERCHANT, never())),
    ];
    server.fail(/count/, { kind: 'status', status: 403 });
    errors.push(await problemOf(client().offerCount(MERCHANT, never())));
    for (const error of errors) {
      const told = `${error.stack} ${JSON.stringify(error)} ${String(error.cause)}`;
      for (const secret of [appSecret, password, 'guessed-password', 'token-1']) expect(told).not.toContain(secret);
    }
    expect(errors.map(({ problem }) => problem)).toEqual(['loginRefused', 'unavailable', 'refused']);
  });
});

it('a request that the contract does not know is a failure of the test', async () => {
  const other = await startVioletApi();
  const { appId, appSecret } = other.credentials;
  await fetch(`${other.url}/catalog/offers/merchants/1?page=one&limit=5`, {
    headers: { 'X-Violet-App-Id': appId, 'X-Violet-App-Secret': appSecret },
  });
  await expect(other.stop()).rejects.toThrow(
    /query limit: no such parameter[^]*header X-Violet-Token: missing[^]*query page\/value: must be integer/,
  );
});

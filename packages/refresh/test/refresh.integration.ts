import {
  startTestRedis,
  startVioletApi,
  type TestRedis,
  type VioletApiServer,
  violetCollectionOf,
  violetOfferOf,
  waitFor,
} from '@syncline/testkit';
import { documentCollections } from '@syncline/catalog';
import { Refreshed } from './worker';

const MERCHANT = 10_042;
const SEVERAL_PAGES = 250;

let redis: TestRedis;
let server: VioletApiServer;
let refreshed: Refreshed;

beforeAll(async () => {
  redis = await startTestRedis();
});
afterAll(() => redis.stop());
beforeEach(async () => {
  server = await startVioletApi();
  refreshed = new Refreshed(redis, server);
});
afterEach(async () => {
  await refreshed.close();
  await server.stop();
});

function hold(count: number, fields: Readonly<Record<string, unknown>> = {}): void {
  for (let id = 1; id <= count; id += 1) server.holdings.offers.set(id, violetOfferOf(id, MERCHANT, fields));
}

/** Holds back the next fitting request until the function that comes back is called. */
function holdBack(fitting: RegExp): () => void {
  let release: () => void = () => undefined;
  server.fail(fitting, {
    kind: 'hold',
    until: new Promise((resolve) => {
      release = resolve;
    }),
  });
  return release;
}

const requests = (fitting: RegExp): string[] => server.seen.map(({ url }) => url).filter((url) => fitting.test(url));
const offerPages = (): string[] => requests(/offers\/merchants\/\d+\?/);
/** What was told of refreshes. */
const told = (): string[] => refreshed.notices.map(({ kind }) => kind).filter((kind) => kind.startsWith('refresh.'));

async function expectEqual(): Promise<void> {
  expect(await refreshed.held('offers')).toEqual(refreshed.served('offers'));
  expect(await refreshed.held('collections')).toEqual(refreshed.served('collections'));
  expect(await refreshed.leftovers()).toBe(0);
}

describe('when it ends, the held catalogue equals the server’s', () => {
  it('after the first sync: everything is read, what was held and is not there is gone, and members are known', async () => {
    hold(SEVERAL_PAGES);
    server.holdings.offers.set(900, violetOfferOf(900, MERCHANT, { publishing_status: 'NOT_PUBLISHED' }));
    server.holdings.offers.set(901, violetOfferOf(901, 7));
    for (const id of [1, 2, 3]) server.holdings.collections.set(id, violetCollectionOf(id, MERCHANT));
    server.holdings.members.set(
      1,
      Array.from({ length: 150 }, (_, index) => index + 1),
    );
    server.pageShape = { numberFrom: 0, totals: 'zero' };
    await refreshed.startWorker();
    await refreshed.send('OFFER_ADDED', { id: 800, merchant_id: MERCHANT, name: 'gone since' });
    await refreshed.send('OFFER_ADDED', {
      ...violetOfferOf(1, MERCHANT),
      name: 'older',
      date_last_modified: '2024-01-01T00:00:00+0000',
    });
    await refreshed.send('COLLECTION_CREATED', { id: 80, merchant_id: MERCHANT });
    await refreshed.complete();
    await refreshed.settled();
    await expectEqual();
    const members = await refreshed.held('collection-offers');
    expect(members.get('1')).toMatchObject({ offerIds: server.holdings.members.get(1), unknownSince: null });
    expect([...members.keys()].sort()).toEqual(['1', '2', '3']);
    expect(told()).toEqual([]);
  });

  it('after a later sync only what was modified since is read', async () => {
    hold(SEVERAL_PAGES, { date_last_modified: '2024-06-01T00:00:00+0000' });
    server.holdings.offers.set(1, violetOfferOf(1, MERCHANT));
    await refreshed.startWorker();
    await refreshed.complete();
    await refreshed.settled();
    const before = offerPages().length;
    server.holdings.offers.set(
      5,
      violetOfferOf(5, MERCHANT, { name: 'changed', date_last_modified: '2025-06-01T00:00:00+0000' }),
    );
    server.holdings.offers.set(600, violetOfferOf(600, MERCHANT, { date_last_modified: '2025-06-01T00:00:00+0000' }));
    await refreshed.complete();
    await refreshed.settled(2);
    await expectEqual();
    // The newest date that was read, less the overlap.
    expect(offerPages().slice(before)).toEqual([
      '/catalog/offers/merchants/10042?page=1&size=100&date_last_modified:min=2024-12-31T23:55:00%2B0000',
    ]);
    expect(await refreshed.state()).toMatchObject({
      watermark: Date.UTC(2025, 5, 1),
      covered: { product: 2 },
      mismatchSince: null,
    });
  });

  it('when removals were never told: the counts differ, so everything is read once', async () => {
    hold(SEVERAL_PAGES);
    await refreshed.startWorker();
    await refreshed.complete();
    await refreshed.settled();
    for (const id of [1, 120, 250]) server.holdings.offers.delete(id);
    await refreshed.complete();
    await refreshed.settled(3);
    await expectEqual();
    expect(told()).toEqual([]);
  });

  it('when the list shifts under the reader: it is read once more, and nothing that was missed is removed', async () => {
    hold(SEVERAL_PAGES);
    await refreshed.startWorker();
    for (const id of [101, 102, 103]) await refreshed.send('OFFER_ADDED', violetOfferOf(id, MERCHANT));
    server.afterAnswer = ({ url }) => {
      if (!url.includes('?page=1&')) return;
      server.afterAnswer = undefined;
      // Those at the beginning of the second page move to the end of the first, which has been read.
      for (const id of [1, 2, 3]) server.holdings.offers.delete(id);
      server.holdings.offers.set(700, violetOfferOf(700, MERCHANT));
      server.holdings.offers.set(701, violetOfferOf(701, MERCHANT));
    };
    await refreshed.complete();
    await refreshed.settled(2);
    await expectEqual();
    expect(told()).toEqual([]);
  });

  it('when the server once lists nothing of what it counts: nothing is removed for that', async () => {
    hold(3);
    server.fail(/offers\/merchants\/\d+$/, { kind: 'body', body: '{"content":[],"last":true}' });
    await refreshed.startWorker();
    for (const id of [1, 2, 3]) await refreshed.send('OFFER_ADDED', violetOfferOf(id, MERCHANT));
    await refreshed.complete();
    await refreshed.settled(2);
    await expectEqual();
    expect(await refreshed.inspector.countDocuments(refreshed.lane, documentCollections.offersRemoved)).toBe(0);
  });

  it('with a token that expires, failing answers, and answers that are cut, in mid-run', async () => {
    hold(SEVERAL_PAGES);
    await refreshed.startWorker();
    server.fail(/page=2/, { kind: 'cut' });
    server.fail(/count/, { kind: 'status', status: 500 }, 4);
    server.fail(/collections/, { kind: 'status', status: 429, retryAfter: '0' }, 5);
    server.fail(/offers\/merchants\/\d+$/, { kind: 'body', body: '<html>' }, 1);
    server.afterAnswer = ({ url }) => {
      if (url.includes('page=1&')) server.expireTokens();
    };
    await refreshed.complete();
    await refreshed.settled();
    await expectEqual();
    expect(await refreshed.state()).toMatchObject({ failures: 0 });
  });

  it('with an offer of a megabyte, and pages too large for one answer', async () => {
    hold(150, { description: 'ä'.repeat(2_000) });
    server.holdings.offers.set(140, violetOfferOf(140, MERCHANT, { external_data: { raw: 'ö'.repeat(500_000) } }));
    await refreshed.startWorker({ answerMaxBytes: 1_100_000 });
    await refreshed.complete();
    await refreshed.settled();
    await expectEqual();
    expect(offerPages().map((url) => /page=\d+&size=\d+/.exec(url)?.[0])).toEqual([
      'page=1&size=100',
      'page=2&size=100',
      'page=6&size=20',
      'page=7&size=20',
      'page=8&size=20',
    ]);
  });

  it('with collections on several pages, of which one has gone untold', async () => {
    for (const id of [1, 2, 3]) server.holdings.collections.set(id, violetCollectionOf(id, MERCHANT));
    // A list that does not say which page is its last has one more, that is empty.
    server.pageShape = { last: false };
    await refreshed.startWorker();
    await refreshed.send('COLLECTION_CREATED', violetCollectionOf(999, MERCHANT));
    await refreshed.complete();
    await refreshed.settled(2);
    await expectEqual();
    expect((await refreshed.held('collection-offers')).size).toBe(3);
  });

  it('for a merchant who has nothing', async () => {
    await refreshed.startWorker();
    await refreshed.send('OFFER_ADDED', violetOfferOf(1, MERCHANT));
    await refreshed.complete();
    await refreshed.settled();
    await expectEqual();
  });
});

describe('an event that comes while a page is being read', () => {
  it('is not undone by the page: not a change of the same date, not a removal, not an offer that the page cannot have', async () => {
    hold(SEVERAL_PAGES);
    const release = holdBack(/offers\/merchants\/\d+$/);
    await refreshed.startWorker();
    await refreshed.send('OFFER_ADDED', violetOfferOf(3, MERCHANT, { name: 'before the reading' }));
    await refreshed.complete();
    await waitFor(() => server.held === 1);
    await refreshed.send('OFFER_UPDATED', violetOfferOf(1, MERCHANT, { name: 'of the event' }));
    await refreshed.send('OFFER_DELETED', { id: 2, merchant_id: MERCHANT });
    await refreshed.send('OFFER_ADDED', violetOfferOf(999, MERCHANT));
    // The merchant's own lane does not wait for the API.
    await waitFor(async () => (await refreshed.topics()).length === 5);
    release();
    await refreshed.settled();
    const held = await refreshed.held('offers');
    expect([held.get('1'), held.get('3'), held.get('999')]).toMatchObject([
      { name: 'of the event' },
      { name: 'Offer 3' },
      { id: 999 },
    ]);
    expect(held.has('2')).toBe(false);
    expect(await refreshed.leftovers()).toBe(0);
  });
});

describe('a refresh', () => {
  it('is one for a burst of completions, and at most one more for those that come while it is under way', async () => {
    hold(3);
    const release = holdBack(/count/);
    await refreshed.startWorker();
    await refreshed.complete();
    await waitFor(() => server.held === 1);
    for (let index = 0; index < 8; index += 1) await refreshed.complete();
    await waitFor(async () => (await refreshed.topics()).length === 9);
    release();
    await refreshed.settled(2);
    expect((await refreshed.topics()).filter((topic) => topic === 'syncline.refresh-settled')).toHaveLength(2);
    expect(await refreshed.state()).toMatchObject({ covered: { product: 9, collection: 0 }, wanted: null });
  });

  it('waits for the collection sync that is under way, and does not come after a failure, which leaves the catalogue stale', async () => {
    hold(3);
    const sync = { merchant_id: MERCHANT };
    await refreshed.startWorker();
    await refreshed.send('OFFER_ADDED', violetOfferOf(77, MERCHANT));
    await refreshed.send('COLLECTION_SYNC_STARTED', sync);
    await refreshed.complete();
    await refreshed.send('COLLECTION_SYNC_FAILED', sync);
    await refreshed.complete();
    await waitFor(async () => (await refreshed.topics()).length === 5);
    expect(server.seen).toEqual([]);
    expect([...(await refreshed.held('offers')).keys()]).toEqual(['77']);
    expect((await refreshed.status()).catalogStaleSince).not.toBeNull();
    await refreshed.complete('COLLECTION');
    await refreshed.settled();
    await expectEqual();
    expect((await refreshed.status()).catalogStaleSince).toBeNull();
    expect(requests(/page=1&.*exclude_hidden/)).toHaveLength(1);
  });

  it.each([
    ['is refused', { kind: 'status', status: 403 }, 1, 'VIOLET_API_REFUSED'],
    ['fails in every attempt', { kind: 'status', status: 500 }, 6, 'VIOLET_API_UNAVAILABLE'],
    ['reads a list without end', { kind: 'endless' }, 2, 'VIOLET_API_ENDLESS'],
    ['reads what nobody understands', { kind: 'body', body: '[]' }, 2, 'VIOLET_API_UNREADABLE'],
  ] as const)(
    'that %s is given up, told of, and changes nothing that is held; the next completion begins another',
    async (_what, fault, times, code) => {
      hold(3);
      const newer = violetOfferOf(2, MERCHANT, { date_last_modified: '2026-01-01T00:00:00+0000' });
      server.fail(/offers\/merchants\/\d+$/, fault, times);
      await refreshed.startWorker({ maxAttempts: 2 });
      await refreshed.send('OFFER_ADDED', newer);
      await refreshed.complete();
      await refreshed.settled();
      expect(refreshed.notices.at(-1)).toMatchObject({ kind: 'refresh.failed', data: { code, failures: 1, mode: 'full' } });
      expect((await refreshed.held('offers')).get('2')).toEqual(newer);
      expect(await refreshed.leftovers()).toBe(0);
      await refreshed.complete();
      await refreshed.settled(2);
      expect(await refreshed.state()).toMatchObject({ failures: 0, wanted: null });
      server.holdings.offers.set(2, newer);
      await expectEqual();
    },
  );

  it('whose counts still differ after everything was read twice is told of once, and is no reason to read on and on', async () => {
    hold(3);
    server.fail(/count/, { kind: 'body', body: '{"published_count":5}' }, 100);
    await refreshed.startWorker();
    await refreshed.complete();
    await refreshed.settled(2);
    expect(refreshed.notices.at(-1)).toEqual({ kind: 'refresh.mismatch', data: { held: 3, counted: 5 } });
    await refreshed.complete();
    await refreshed.settled(3);
    expect(told()).toEqual(['refresh.mismatch']);
    expect(offerPages()).toHaveLength(3);
    expect(await refreshed.held('offers')).toEqual(refreshed.served('offers'));
  });

  it('that a worker with credentials left behind is brought to its end by one without', async () => {
    hold(SEVERAL_PAGES);
    const release = holdBack(/page=2|merchants\/\d+$/);
    const first = await refreshed.startWorker();
    await refreshed.complete();
    await waitFor(() => server.held === 1);
    await first.stop();
    release();
    await refreshed.startWorker({ hasApi: false });
    await refreshed.settled();
    expect(refreshed.notices.at(-1)).toMatchObject({ kind: 'refresh.failed', data: { code: 'VIOLET_API_LOGIN_REFUSED' } });
  });

  it('that a worker left in the middle is gone on with by the next one', async () => {
    hold(SEVERAL_PAGES);
    const release = holdBack(/offers\/merchants\/\d+$/);
    const first = await refreshed.startWorker();
    await refreshed.complete();
    await waitFor(() => server.held === 1);
    await first.stop();
    release();
    await refreshed.startWorker();
    await refreshed.settled();
    await expectEqual();
  });
});

describe('the members of a collection that changed', () => {
  it('are read again, all of them, once for a burst and once more for what came meanwhile', async () => {
    server.holdings.collections.set(7, violetCollectionOf(7, MERCHANT));
    server.holdings.members.set(
      7,
      Array.from({ length: 230 }, (_, index) => index + 1),
    );
    const release = holdBack(/offers\/ids/);
    await refreshed.startWorker();
    const change = () => refreshed.send('COLLECTION_OFFERS_UPDATED', { merchant_id: MERCHANT }, { 'x-violet-entity-id': '7' });
    await change();
    await waitFor(() => server.held === 1);
    for (let index = 0; index < 5; index += 1) await change();
    await waitFor(async () => (await refreshed.topics()).length === 6);
    release();
    await waitFor(async () => {
      const members = (await refreshed.held('collection-offers')).get('7') as { unknownSince: unknown; offerIds: number[] };
      return members.unknownSince === null && members.offerIds.length === 230;
    });
    expect(requests(/offers\/ids\?page=1&/)).toHaveLength(2);
    expect(await refreshed.leftovers()).toBe(0);
  });

  it('are not kept for a collection that is gone', async () => {
    await refreshed.startWorker();
    await refreshed.send('COLLECTION_OFFERS_UPDATED', { merchant_id: MERCHANT, id: 8 });
    await waitFor(async () => (await refreshed.topics()).includes('syncline.catalog-page'));
    expect((await refreshed.held('collection-offers')).size).toBe(0);
    expect(await refreshed.leftovers()).toBe(0);
  });

  it('stay out of date when they cannot be read, and are read at the next change', async () => {
    server.holdings.collections.set(7, violetCollectionOf(7, MERCHANT));
    server.holdings.members.set(7, [1]);
    server.fail(/offers\/ids/, { kind: 'status', status: 403 });
    await refreshed.startWorker();
    const change = () => refreshed.send('COLLECTION_OFFERS_UPDATED', { merchant_id: MERCHANT, id: 7 });
    await change();
    await waitFor(async () => (await refreshed.topics()).includes('syncline.catalog-page'));
    expect((await refreshed.held('collection-offers')).get('7')).toMatchObject({ unknownSince: expect.any(Number) });
    await change();
    await waitFor(
      async () => ((await refreshed.held('collection-offers')).get('7') as { unknownSince: unknown }).unknownSince === null,
    );
    expect((await refreshed.held('collection-offers')).get('7')).toMatchObject({ offerIds: [1] });
  });
});

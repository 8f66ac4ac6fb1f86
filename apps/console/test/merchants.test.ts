import { documentCollections, statusRef } from '@syncline/catalog';
import { laneStatus } from './in-memory-inspector';
import { serveConsole, type ServedConsole } from './serving';

const AT = Date.UTC(2026, 0, 2, 3, 4, 5, 6);

let served: ServedConsole;

beforeEach(async () => {
  served = await serveConsole();
});
afterEach(() => served.close());

interface Listing {
  readonly items: { merchantId: string }[];
  readonly nextCursor: string | null;
}
const list = async (query = ''): Promise<Listing> => (await served.read(`/merchants${query}`)) as Listing;
const idsIn = async (query: string): Promise<string[]> => (await list(query)).items.map(({ merchantId }) => merchantId);

function hold(lane: string, collection: string, documents: Record<string, unknown>): void {
  served.holdings.documents.set(`${lane} ${collection}`, new Map(Object.entries(documents)));
}

const emptyTrack = {
  state: 'never',
  startedAt: null,
  finishedAt: null,
  durationMs: null,
  runs: 0,
  completed: 0,
  failed: 0,
  consecutiveFailures: 0,
  firstCompletedAt: null,
  total: null,
  synced: null,
  lastError: null,
};

describe('one merchant', () => {
  test('of whom only unhandled events came shows the initial status', async () => {
    served.holdings.lanes.push(laneStatus('violet:10042'));
    expect(await served.read('/merchants/violet/10042')).toEqual({
      source: 'violet',
      merchantId: '10042',
      connection: 'unknown',
      catalogReady: false,
      catalogReadyAt: null,
      catalogStaleSince: null,
      tracks: { product: emptyTrack, collection: emptyTrack },
      offers: { count: 0 },
      collections: { count: 0 },
      lane: { state: 'idle', depth: 0, oldestAgeMs: null, headAttempts: 0, nextAttemptAt: null },
    });
  });

  test('shows status, counts and lane', async () => {
    const lane = 'violet:10042';
    served.holdings.lanes.push(
      laneStatus(lane, {
        state: 'retrying',
        depth: 3,
        oldestAgeMs: 1_500,
        headAttempts: 2,
        nextAttemptAt: AT,
        lastError: 'not shown',
      }),
    );
    hold(lane, statusRef.collection, {
      [statusRef.id]: {
        connection: 'connected',
        catalogReadyAt: AT,
        tracks: { product: { state: 'synced', runs: 1, completed: 1 } },
      },
    });
    hold(lane, documentCollections.offers, { 1: {}, 2: {} });
    hold(lane, documentCollections.collections, { 1: {} });
    expect(await served.read('/merchants/violet/10042')).toMatchObject({
      connection: 'connected',
      catalogReady: true,
      catalogReadyAt: '2026-01-02T03:04:05.006Z',
      tracks: { product: { state: 'synced', runs: 1, completed: 1 } },
      offers: { count: 2 },
      collections: { count: 1 },
      lane: { state: 'retrying', depth: 3, oldestAgeMs: 1_500, headAttempts: 2, nextAttemptAt: '2026-01-02T03:04:05.006Z' },
    });
  });

  test.each(['a:b', 'a/b', 'a b', '100%', 'ü', '店舗', '💥', '..', '?x=1', '#x', 'a\\b', '__proto__', '%2F'])(
    'with the id %j is read by the encoded id',
    async (merchantId) => {
      served.holdings.lanes.push(laneStatus(`violet:${merchantId}`));
      const path = encodeURIComponent(merchantId).replaceAll('.', '%2E');
      expect(await served.read(`/merchants/violet/${path}`)).toMatchObject({ source: 'violet', merchantId });
      expect(await served.read(`/merchants/violet/${path}/history`)).toEqual({ items: [], nextCursor: null });
    },
  );

  test('a colon in the source does not reach into the lane of another merchant', async () => {
    served.holdings.lanes.push(laneStatus('violet:a:1'));
    expect((await served.request('/api/v1/merchants/violet%3Aa/1')).status).toBe(404);
    expect((await served.request('/api/v1/merchants/violet/a%3A1')).status).toBe(200);
  });

  test('is read only after its lane: an idle lane shows all effects of its events', async () => {
    const order: string[] = [];
    const watched = await serveConsole({
      lane: async (lane) => {
        order.push('lane');
        return laneStatus(lane);
      },
      document: async () => {
        order.push('document');
        return undefined;
      },
      countDocuments: async () => {
        order.push('count');
        return 0;
      },
    });
    try {
      await watched.read('/merchants/violet/1');
      expect(order).toEqual(['lane', 'document', 'count', 'count']);
    } finally {
      await watched.close();
    }
  });
});

describe('the listing of merchants', () => {
  function holdMany(count: number): void {
    for (let index = 0; index < count; index += 1) served.holdings.lanes.push(laneStatus(`violet:${index}`));
  }

  test('leaves out the lane of events without a merchant and is oldest first', async () => {
    served.holdings.lanes.push(laneStatus('violet:b'), laneStatus('violet:_'), laneStatus('synctec:a'), laneStatus('standard:_'));
    expect(await list()).toMatchObject({
      items: [
        { source: 'violet', merchantId: 'b' },
        { source: 'synctec', merchantId: 'a' },
      ],
      nextCursor: null,
    });
  });

  test('is empty when nobody has been heard of', async () => {
    expect(await list()).toEqual({ items: [], nextCursor: null });
  });

  test.each(['', '&state=idle'])('pages%s hold each merchant once, in order', async (filter) => {
    holdMany(1_203);
    served.holdings.lanes.splice(600, 0, laneStatus('violet:_'));
    const ids: string[] = [];
    let page = await list(`?limit=70${filter}`);
    ids.push(...page.items.map(({ merchantId }) => merchantId));
    while (page.nextCursor !== null) {
      page = await list(`?limit=70${filter}&cursor=${encodeURIComponent(page.nextCursor)}`);
      ids.push(...page.items.map(({ merchantId }) => merchantId));
    }
    expect(ids).toEqual(Array.from({ length: 1_203 }, (_item, index) => String(index)));
  });

  test('state finds a merchant by its connection, either track or its lane', async () => {
    const { lanes } = served.holdings;
    lanes.push(
      laneStatus('violet:1', { state: 'blocked' }),
      laneStatus('violet:2'),
      laneStatus('violet:3'),
      laneStatus('violet:4'),
    );
    hold('violet:2', statusRef.collection, { [statusRef.id]: { connection: 'disabled' } });
    hold('violet:3', statusRef.collection, { [statusRef.id]: { tracks: { product: { state: 'failed' } } } });
    hold('violet:4', statusRef.collection, { [statusRef.id]: { tracks: { collection: { state: 'failed' } } } });
    expect(await idsIn('?state=blocked')).toEqual(['1']);
    expect(await idsIn('?state=disabled')).toEqual(['2']);
    expect(await idsIn('?state=failed')).toEqual(['3', '4']);
    expect(await idsIn('?state=idle')).toEqual(['2', '3', '4']);
    expect(await idsIn('?state=unknown')).toEqual(['1', '3', '4']);
    expect(await idsIn('?state=syncing')).toEqual([]);
  });

  test('a state outside of the vocabularies is refused with all the words allowed', async () => {
    const answer = await served.request('/api/v1/merchants?state=happy');
    expect(answer.status).toBe(400);
    for (const word of [
      'unknown',
      'connected',
      'disabled',
      'disconnected',
      'never',
      'syncing',
      'synced',
      'failed',
      'overdue',
      'idle',
      'ready',
      'running',
      'retrying',
      'blocked',
      'paused',
    ]) {
      expect(answer.text).toContain(word);
    }
  });

  test('a rare state is searched in bounded steps: a page may be empty and still have a successor', async () => {
    holdMany(12_000);
    served.holdings.lanes.push(laneStatus('violet:rare', { state: 'paused' }));
    const ids: string[] = [];
    let requests = 1;
    let page = await list('?state=paused');
    while (page.nextCursor !== null) {
      expect(served.holdings.lanePages.length).toBeLessThanOrEqual(10);
      served.holdings.lanePages.length = 0;
      requests += 1;
      page = await list(`?state=paused&cursor=${encodeURIComponent(page.nextCursor)}`);
      ids.push(...page.items.map(({ merchantId }) => merchantId));
    }
    expect(ids).toEqual(['rare']);
    expect(requests).toBe(3);
  });

  test('without a filter no more lanes are read than were asked for', async () => {
    holdMany(50);
    await list('?limit=3');
    expect(served.holdings.lanePages).toEqual([{ limit: 3, cursor: undefined }]);
  });
});

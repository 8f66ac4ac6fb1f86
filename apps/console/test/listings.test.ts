import type { DeadLetter, EventStatus } from '@syncline/lanes';
import { laneStatus } from './in-memory-inspector';
import { serveConsole, type ServedConsole } from './serving';

const AT = Date.UTC(2026, 0, 2, 3, 4, 5, 6);
const LANE = 'violet:10042';

let served: ServedConsole;

const event = (index: number): EventStatus => ({
  source: 'violet',
  eventId: `e${index}`,
  topic: index % 2 === 0 ? 'OFFER_ADDED' : 'OFFER_UPDATED',
  lane: LANE,
  state: index % 3 === 0 ? 'waiting' : 'processed',
  seq: index,
  attempts: 1,
  receivedAt: AT,
  committedAt: index % 3 === 0 ? null : AT + 1,
  nextAttemptAt: null,
  error: null,
  payload: { id: index },
});

const deadLetter = (index: number): DeadLetter => ({
  id: `d${index}`,
  source: index % 2 === 0 ? 'violet' : 'standard',
  eventId: `e${index}`,
  topic: index === 0 ? null : 'OFFER_ADDED',
  lane: LANE,
  reason: index % 2 === 0 ? 'invalid' : 'exhausted',
  message: 'Expected an integer at id',
  stack: 'Error: at a place',
  attempts: 3,
  at: AT,
  payload: { secretive: true },
});

beforeAll(async () => {
  served = await serveConsole();
  const { holdings } = served;
  holdings.lanes.push(laneStatus(LANE), laneStatus('violet:_'));
  holdings.history.set(
    LANE,
    Array.from({ length: 2_500 }, (_item, index) => ({
      position: index + 1,
      seq: index + 1,
      eventId: `e${index}`,
      topic: 'OFFER_ADDED',
      outcome: 'processed' as const,
      attempt: 1,
      receivedAt: AT,
      committedAt: AT + index,
      replayed: false,
    })),
  );
  holdings.history.set('violet:_', [
    {
      position: 1,
      seq: 1,
      eventId: 'x',
      topic: 'NEWS',
      outcome: 'unhandled',
      attempt: 1,
      receivedAt: AT,
      committedAt: AT,
      replayed: false,
    },
  ]);
  holdings.events.push(...Array.from({ length: 250 }, (_item, index) => event(index)));
  holdings.deadLetters.push(...Array.from({ length: 5 }, (_item, index) => deadLetter(index)));
  holdings.documents.set(`${LANE} offers`, new Map([['7', { id: 7, name: 'Air Flex Runner', unknown_field: null }]]));
  holdings.documents.set(`${LANE} collections`, new Map([['8', { id: 8, name: 'New Arrivals' }]]));
});
afterAll(() => served.close());

interface Listing {
  readonly items: Record<string, unknown>[];
  readonly nextCursor: string | null;
}
const list = async (path: string): Promise<Listing> => (await served.read(path)) as Listing;
const statusOf = async (path: string): Promise<number> => (await served.request(`/api/v1${path}`)).status;
const messageOf = async (path: string): Promise<string> => {
  const answer = await served.request(`/api/v1${path}`);
  expect(answer.status).toBe(400);
  return (answer.json as { error: { message: string } }).error.message;
};

describe('limit', () => {
  const history = `/merchants/violet/10042/history`;

  test.each([
    ['', 100],
    ['?limit=', 100],
    ['?limit=1', 1],
    ['?limit=007', 7],
    ['?limit=1000', 1_000],
    ['?limit=1001', 1_000],
    ['?limit=99999999999999999999999999', 1_000],
  ])('%j gives pages of %i', async (query, count) => {
    expect((await list(history + query)).items).toHaveLength(count);
  });

  test.each(['0', '-1', 'NaN', 'ten', '1.5', '1e3', '0x10', '+5', ' 5', '5 ', '٥', 'null', 'Infinity'])(
    '%j is refused with 400',
    async (limit) => {
      expect(await messageOf(`${history}?limit=${encodeURIComponent(limit)}`)).toContain(
        'Expected limit to be a whole number from 1',
      );
    },
  );

  test('given twice it is refused', async () => {
    expect(await messageOf(`${history}?limit=1&limit=2`)).toContain('limit');
  });
});

describe('cursors', () => {
  const walk = async (path: string): Promise<Record<string, unknown>[]> => {
    const items: Record<string, unknown>[] = [];
    let page = await list(path);
    items.push(...page.items);
    while (page.nextCursor !== null) {
      page = await list(`${path}${path.includes('?') ? '&' : '?'}cursor=${encodeURIComponent(page.nextCursor)}`);
      items.push(...page.items);
    }
    return items;
  };

  test('walk a whole history in order, each item once', async () => {
    const items = await walk('/merchants/violet/10042/history?limit=999');
    expect(items.map(({ position }) => position)).toEqual(Array.from({ length: 2_500 }, (_item, index) => index + 1));
  });

  test('walk filtered events, each once', async () => {
    const items = await walk('/events?state=waiting&topic=OFFER_ADDED&limit=7');
    expect(items).toHaveLength(
      served.holdings.events.filter(({ state, topic }) => state === 'waiting' && topic === 'OFFER_ADDED').length,
    );
    expect(new Set(items.map(({ eventId }) => eventId)).size).toBe(items.length);
  });

  test.each([
    'garbage',
    '0',
    '-1',
    '100',
    'null',
    '%00',
    '😀',
    'AAAA',
    'A'.repeat(4_000),
    'A'.repeat(9_000),
    Buffer.from(JSON.stringify({ offset: 1 })).toString('base64url'),
    '__proto__',
  ])('%.30j is none: 400', async (cursor) => {
    for (const path of [
      '/merchants',
      '/events',
      '/dead-letters',
      '/merchants/violet/10042/history',
      '/merchants/violet/10042/offers',
    ]) {
      expect(await statusOf(`${path}?cursor=${encodeURIComponent(cursor)}`)).toBe(400);
    }
  });

  test('given twice are refused', async () => {
    expect(await statusOf('/events?cursor=a&cursor=b')).toBe(400);
  });

  test('of one listing are refused by another, and with another filter', async () => {
    const { nextCursor } = await list('/events?topic=OFFER_ADDED&limit=5');
    const cursor = encodeURIComponent(nextCursor ?? '');
    expect(await statusOf(`/events?topic=OFFER_ADDED&cursor=${cursor}`)).toBe(200);
    expect(await statusOf(`/events?topic=OFFER_UPDATED&cursor=${cursor}`)).toBe(400);
    expect(await statusOf(`/dead-letters?cursor=${cursor}`)).toBe(400);
    expect(await statusOf(`/merchants/violet/10042/history?cursor=${cursor}`)).toBe(400);
  });

  test('changed in a single character are refused', async () => {
    const { nextCursor } = await list('/events?limit=5');
    const cursor = nextCursor ?? '';
    const changed = `${cursor.startsWith('A') ? 'B' : 'A'}${cursor.slice(1)}`;
    expect(await statusOf(`/events?cursor=${changed}`)).toBe(400);
    expect(await statusOf(`/events?cursor=${cursor}AAAA`)).toBe(400);
    expect(await statusOf(`/events?cursor=${cursor.slice(0, -3)}`)).toBe(400);
  });
});

describe('history', () => {
  test('items have the fields of the contract, with times in ISO 8601 UTC', async () => {
    const { items } = await list('/merchants/violet/10042/history?limit=1');
    expect(items).toEqual([
      {
        position: 1,
        seq: 1,
        eventId: 'e0',
        topic: 'OFFER_ADDED',
        outcome: 'processed',
        attempt: 1,
        receivedAt: '2026-01-02T03:04:05.006Z',
        committedAt: '2026-01-02T03:04:05.006Z',
        replayed: false,
      },
    ]);
  });

  test('the lane of events without a merchant can be read by its name', async () => {
    expect((await list('/merchants/violet/_/history')).items).toHaveLength(1);
  });
});

describe('entities', () => {
  test('are the fields as last applied', async () => {
    expect(await list('/merchants/violet/10042/offers')).toEqual({
      items: [{ id: 7, name: 'Air Flex Runner', unknown_field: null }],
      nextCursor: null,
    });
    expect(await list('/merchants/violet/10042/collections')).toEqual({
      items: [{ id: 8, name: 'New Arrivals' }],
      nextCursor: null,
    });
  });

  test('of a merchant without any are an empty list', async () => {
    expect(await list('/merchants/violet/_/offers')).toEqual({ items: [], nextCursor: null });
  });
});

describe('events', () => {
  test('have the fields of the contract', async () => {
    const expected = {
      source: 'violet',
      eventId: 'e1',
      topic: 'OFFER_UPDATED',
      lane: LANE,
      state: 'processed',
      seq: 1,
      attempts: 1,
      receivedAt: '2026-01-02T03:04:05.006Z',
      committedAt: '2026-01-02T03:04:05.007Z',
      nextAttemptAt: null,
      error: null,
      payload: { id: 1 },
    };
    expect(await served.read('/events/violet/e1')).toEqual(expected);
    expect((await list('/events?limit=2')).items[1]).toEqual(expected);
  });

  test('are found by an id that needs encoding', async () => {
    served.holdings.events.push({ ...event(1), eventId: 'a/b:c ü?#%' });
    expect(await served.read(`/events/violet/${encodeURIComponent('a/b:c ü?#%')}`)).toMatchObject({ eventId: 'a/b:c ü?#%' });
    served.holdings.events.pop();
  });

  test('a state outside of the vocabulary is refused with the words allowed', async () => {
    expect(await messageOf('/events?state=done')).toContain(
      'one of waiting, retrying, processed, superseded, unhandled, dead, discarded, got "done"',
    );
    for (const state of ['Waiting', 'waiting,dead', '__proto__', 'constructor', '%20', '%00']) {
      expect(await statusOf(`/events?state=${state}`)).toBe(400);
    }
    expect(await statusOf('/events?state=waiting&state=dead')).toBe(400);
  });

  test('of a topic that never occurred are an empty list', async () => {
    expect(await list('/events?topic=NOTHING')).toEqual({ items: [], nextCursor: null });
  });

  test('an empty filter is none', async () => {
    expect((await list('/events?state=&topic=')).items).toHaveLength(100);
  });

  test('filters of huge or odd values are answered, never with 500', async () => {
    const odd = ['x'.repeat(257), 'x'.repeat(4_000), '%00', '%ff', '%', '%E0%A4%A', '[]', '{}', '*', '..%2F..', '%F0%9F%92%A5'];
    for (const value of odd) {
      for (const path of [
        `/events?topic=${value}`,
        `/dead-letters?reason=${value}&source=${value}`,
        `/merchants?state=${value}`,
        `/events?${value}=1`,
      ]) {
        expect([200, 400]).toContain(await statusOf(path));
      }
    }
    expect(await messageOf(`/events?topic=${'x'.repeat(257)}`)).toContain('at most 256 characters');
    expect(await statusOf('/events?topic[a]=1&topic[b]=2&__proto__[x]=1')).toBe(200);
  });
});

describe('dead letters', () => {
  const summary = {
    id: 'd2',
    source: 'violet',
    eventId: 'e2',
    topic: 'OFFER_ADDED',
    lane: LANE,
    reason: 'invalid',
    message: 'Expected an integer at id',
    attempts: 3,
    at: '2026-01-02T03:04:05.006Z',
  };

  test('carry their payload in a single read and not in lists', async () => {
    expect((await list('/dead-letters')).items[2]).toEqual(summary);
    expect(await served.read('/dead-letters/d2')).toEqual({ ...summary, payload: { secretive: true } });
  });

  test('are filtered by source, topic and reason together', async () => {
    expect((await list('/dead-letters?source=violet&topic=OFFER_ADDED&reason=invalid')).items.map(({ id }) => id)).toEqual([
      'd2',
      'd4',
    ]);
    expect((await list('/dead-letters?source=violet&reason=exhausted')).items).toEqual([]);
  });
});

test('the overview gives counts by state, lag and rates', async () => {
  served.holdings.overview = {
    ...served.holdings.overview,
    oldestWaitingMs: 1_234,
    oldestRetryingMs: 5_678,
    oldestHeldMs: 0,
    perMinute: { accepted: 12.5, committed: 11 },
  };
  expect(await served.read('/overview')).toEqual({
    lanes: { idle: 0, ready: 0, running: 0, retrying: 0, blocked: 0, paused: 0 },
    events: { waiting: 0, retrying: 0, processed: 0, superseded: 0, unhandled: 0, dead: 0, discarded: 0 },
    deadLetters: 0,
    lag: { oldestWaitingMs: 1_234, oldestRetryingMs: 5_678, oldestHeldMs: 0 },
    rates: { acceptedPerMinute: 12.5, committedPerMinute: 11 },
  });
});

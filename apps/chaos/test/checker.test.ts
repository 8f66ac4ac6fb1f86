import { chained, check, type HistoryEntry, type LaneReading, reminderId, type SentEvent, type Verdict } from '../src/checker';

const MERCHANT = '10001';

/** Events sent one after another, each acknowledged before the next. */
function sentOf(...eventIds: string[]): SentEvent[] {
  return eventIds.map((eventId, index) => ({
    eventId,
    merchantId: MERCHANT,
    sentAt: 10 * index,
    ackedAt: 10 * index + 5,
    fatal: false,
    reminds: false,
  }));
}

function historyOf(...eventIds: string[]): HistoryEntry[] {
  return eventIds.map((eventId, index) => ({ position: index + 1, seq: index + 1, eventId, outcome: 'processed' }));
}

/** An idle lane whose state is what its history makes of it. */
function laneOf(history: readonly HistoryEntry[], differences: Partial<LaneReading> = {}): LaneReading {
  const processed = history.filter(({ outcome }) => outcome === 'processed');
  const ledger = {
    count: processed.length,
    lastSeq: processed.at(-1)?.seq ?? 0,
    chain: processed.reduce((chain, { eventId }) => chained(chain, eventId), ''),
  };
  return { merchantId: MERCHANT, state: 'idle', depth: 0, history, ledger, waiting: new Set(), ...differences };
}

const found = ({ violations }: Verdict): string[] => violations.map(({ kind, detail }) => `${kind}: ${detail}`);

test('events that are committed once, in the order of their acknowledgement, break no promise', () => {
  const verdict = check(sentOf('a', 'b', 'c'), [laneOf(historyOf('a', 'b', 'c'))]);
  expect(verdict).toEqual({ violations: [], committed: 3, dead: 0, crashed: 0, reminders: 0 });
});

test('events that were under way at the same time may come in any order', () => {
  const [a, b] = sentOf('a', 'b');
  expect(check([{ ...(a as SentEvent), ackedAt: 1_000 }, b as SentEvent], [laneOf(historyOf('b', 'a'))]).violations).toEqual([]);
});

test('an event without an acknowledgement may be committed, and may be nowhere', () => {
  const events = sentOf('a', 'b').map((event) => ({ ...event, ackedAt: undefined }));
  expect(check(events, [laneOf(historyOf('b'))]).violations).toEqual([]);
});

describe('lost', () => {
  test('an acknowledged event that is nowhere is lost, and forgotten', () => {
    const { violations } = check(sentOf('a', 'b'), [laneOf(historyOf('a'))]);
    expect(violations).toEqual([
      { kind: 'lost', merchantId: MERCHANT, detail: 'b was acknowledged, and is nowhere', forgotten: true },
    ]);
  });

  test('an acknowledged event of a merchant without a lane is lost', () => {
    expect(found(check(sentOf('a'), []))).toEqual(['lost: a was acknowledged, and its merchant has no lane']);
  });

  test('a place that no event has is a lost event', () => {
    const history = historyOf('a', 'c').map((entry, index) => ({ ...entry, seq: 1 + 2 * index }));
    expect(found(check(sentOf('a', 'c'), [laneOf(history)]))).toEqual(['lost: seq 2 to 2 are missing before c']);
  });

  test('an event in the history whose effect is not in the state is lost', () => {
    const lane = laneOf(historyOf('a', 'b'), { ledger: { count: 1, lastSeq: 1, chain: chained('', 'a') } });
    expect(found(check(sentOf('a', 'b'), [lane]))).toEqual([
      'lost: effects are missing: the state holds 1 entries to seq 1, the history 2 to seq 2',
    ]);
  });

  test('a reminder that does not come is lost, and may still come', () => {
    const events = sentOf('a').map((event) => ({ ...event, reminds: true }));
    expect(check(events, [laneOf(historyOf('a'))]).violations).toEqual([
      { kind: 'lost', merchantId: MERCHANT, detail: 'the reminder of a did not come', pending: true },
    ]);
    expect(check(events, [laneOf(historyOf('a', reminderId('a')))])).toMatchObject({ violations: [], reminders: 1 });
  });

  test('an event that came to another outcome than its handler decides is lost', () => {
    const history = historyOf('a').map((entry) => ({ ...entry, outcome: 'unhandled' }));
    expect(found(check(sentOf('a'), [laneOf(history)]))).toEqual(['lost: a came to the outcome unhandled, expected processed']);
  });
});

describe('reordered', () => {
  test('an event that was acknowledged before another was sent, and comes after it, is reordered', () => {
    expect(found(check(sentOf('a', 'b', 'c'), [laneOf(historyOf('a', 'c', 'b'))]))).toEqual([
      'reordered: b was acknowledged before c was sent, and was committed after it',
    ]);
  });

  test('a history whose seq goes back is reordered', () => {
    const history = historyOf('a', 'b', 'c').map((entry, index) => ({ ...entry, seq: [1, 3, 2][index] ?? 0 }));
    expect(found(check(sentOf('a', 'b', 'c'), [laneOf(history)]))).toEqual([
      'lost: seq 2 to 2 are missing before b',
      'reordered: c with seq 2 was committed after seq 3',
    ]);
  });

  test('a state to which the same events came in another order is reordered', () => {
    const chain = ['b', 'a'].reduce(chained, '');
    const lane = laneOf(historyOf('a', 'b'), { ledger: { count: 2, lastSeq: 2, chain } });
    expect(found(check(sentOf('a', 'b'), [lane]))).toEqual([
      'reordered: effects are in another order: the state holds 2 entries to seq 2, the history 2 to seq 2',
    ]);
  });
});

describe('duplicated', () => {
  test('an event that is in the history twice is duplicated', () => {
    expect(found(check(sentOf('a', 'b'), [laneOf(historyOf('a', 'b', 'a'))]))).toContain(
      'duplicated: a was committed at positions 1 and 3',
    );
  });

  test('a reminder that comes twice is duplicated, and told once', () => {
    const events = sentOf('a').map((event) => ({ ...event, reminds: true }));
    const reminder = reminderId('a');
    expect(found(check(events, [laneOf(historyOf('a', reminder, reminder))]))).toEqual([
      `duplicated: ${reminder} was committed at positions 2 and 3`,
    ]);
  });

  test('an event that nobody sent is duplicated', () => {
    expect(found(check(sentOf('a'), [laneOf(historyOf('a', 'x'))]))).toEqual(['duplicated: x was committed, and nobody sent it']);
  });

  test('a state to which an event came more often than the history says is duplicated', () => {
    const lane = laneOf(historyOf('a'), { ledger: { count: 2, lastSeq: 1, chain: ['a', 'a'].reduce(chained, '') } });
    expect(found(check(sentOf('a'), [lane]))).toEqual([
      'duplicated: effects are repeated: the state holds 2 entries to seq 1, the history 1 to seq 1',
    ]);
  });
});

describe('stuck', () => {
  test('an acknowledged event that waits after the drain is stuck with its lane', () => {
    const lane = laneOf(historyOf('a'), { state: 'ready', depth: 1, waiting: new Set(['b']) });
    expect(check(sentOf('a', 'b'), [lane]).violations).toEqual([
      { kind: 'stuck', merchantId: MERCHANT, detail: 'b waits', pending: true },
      { kind: 'stuck', merchantId: MERCHANT, detail: '1 events wait, the lane is ready', pending: true },
    ]);
  });

  test('an idle lane that holds events is stuck', () => {
    expect(found(check([], [laneOf([], { depth: 2 })]))).toEqual(['stuck: 2 events wait, the lane is idle']);
  });
});

test('a dead letter is expected of an event that is to fail for good, and counted apart for another', () => {
  const events = sentOf('a', 'b').map((event) => ({ ...event, fatal: event.eventId === 'a' }));
  const history = historyOf('a', 'b').map((entry) => ({ ...entry, outcome: 'dead' }));
  expect(check(events, [laneOf(history)])).toMatchObject({ violations: [], dead: 2, crashed: 1 });
});

interface Ledgers {
  get(): Promise<unknown>;
  put(value: { chain: string }): void;
}

test('the handlers of a run chain their ledger as the checker does', async () => {
  const { handlers } = require('../handlers.cjs') as {
    handlers: { topics: string[]; handle(event: object, merchant: { offers: Ledgers }): Promise<void> }[];
  };
  const enter = handlers.find(({ topics }) => topics.includes('CHAOS_REMINDER'));
  let ledger: { chain: string } | undefined;
  const offers: Ledgers = { get: () => Promise.resolve(ledger), put: (value) => void (ledger = value) };
  for (const eventId of ['a', 'b']) await enter?.handle({ eventId, seq: 1 }, { offers });
  expect(ledger).toMatchObject({ count: 2, chain: ['a', 'b'].reduce(chained, '') });
});

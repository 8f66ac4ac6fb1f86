import { MerchantLane, rejectionOf, SECOND, T0, violetDate } from './merchant-lane';

const kinds = [
  { kind: 'offers', added: 'OFFER_ADDED', updated: 'OFFER_UPDATED', removed: 'OFFER_REMOVED' },
  { kind: 'collections', added: 'COLLECTION_CREATED', updated: 'COLLECTION_UPDATED', removed: 'COLLECTION_REMOVED' },
] as const;

const day = 86_400_000;
const entity = (name: string, modifiedAt?: number): Record<string, unknown> => ({
  id: 7,
  merchant_id: 10042,
  name,
  ...(modifiedAt === undefined ? {} : { date_last_modified: violetDate(modifiedAt) }),
});

describe.each(kinds)('$kind of Violet', ({ kind, added, updated, removed }) => {
  const nameHeld = (lane: MerchantLane): unknown => (lane.document(kind, '7') as { name?: unknown } | undefined)?.name;

  it('are held with all of their fields as last applied', async () => {
    const lane = new MerchantLane();
    const first = { ...entity('first', T0), tags: ['a'], nested: { unknown: null }, status: 'NOT_LISTED_ANYWHERE' };
    await expect(lane.apply(added, first)).resolves.toBe('processed');
    expect(lane.document(kind, '7')).toEqual(first);
    const second = entity('second', T0 + SECOND);
    await lane.apply(updated, second);
    expect(lane.document(kind, '7')).toEqual(second);
    expect(lane.ids(kind)).toEqual(['7']);
  });

  it('that are older than what is held are superseded and change nothing', async () => {
    const lane = new MerchantLane();
    await lane.apply(added, entity('newer', T0));
    await expect(lane.apply(updated, entity('older', T0 - SECOND))).resolves.toBe('superseded');
    expect(nameHeld(lane)).toBe('newer');
  });

  it('of the same date are taken as they arrive: the later one wins', async () => {
    const lane = new MerchantLane();
    await lane.apply(added, entity('earlier', T0));
    await expect(lane.apply(updated, entity('later', T0))).resolves.toBe('processed');
    expect(nameHeld(lane)).toBe('later');
  });

  it('compare dates as times, not as texts', async () => {
    const lane = new MerchantLane();
    await lane.apply(added, { ...entity('a'), date_last_modified: '2025-04-08T20:00:00+0200' });
    await expect(lane.apply(updated, { ...entity('b'), date_last_modified: '2025-04-08T18:30:00Z' })).resolves.toBe('processed');
    await expect(lane.apply(updated, { ...entity('c'), date_last_modified: '2025-04-08T19:00:00+0100' })).resolves.toBe(
      'superseded',
    );
    expect(nameHeld(lane)).toBe('b');
  });

  it('are never ordered by their date of consolidation', async () => {
    const lane = new MerchantLane();
    await lane.apply(added, { ...entity('a', T0), date_last_consolidated: violetDate(T0 + 90 * day) });
    await expect(
      lane.apply(updated, { ...entity('b', T0 + SECOND), date_last_consolidated: violetDate(T0 - 90 * day) }),
    ).resolves.toBe('processed');
    expect(nameHeld(lane)).toBe('b');
  });

  it.each([[undefined], [null], ['yesterday'], [''], [1_744_129_312_000], ['2025-02-30T00:00:00Z'], [{}]])(
    'are dated by their receipt when their own date is %j',
    async (date) => {
      const lane = new MerchantLane();
      const undated = { ...entity('undated'), ...(date === undefined ? {} : { date_last_modified: date }) };
      await expect(lane.apply(added, undated, { receivedAt: T0 })).resolves.toBe('processed');
      expect(lane.document(kind, '7')).toEqual(undated);
      expect(lane.document(`${kind}-undated`, '7')).toEqual({ receivedAt: T0 });
      await expect(lane.apply(updated, entity('older', T0 - SECOND))).resolves.toBe('superseded');
      await expect(lane.apply(updated, entity('newer', T0 + SECOND))).resolves.toBe('processed');
      expect(lane.ids(`${kind}-undated`)).toEqual([]);
    },
  );

  it('without a date replace what is held when they are received after its date', async () => {
    const lane = new MerchantLane();
    await lane.apply(added, entity('dated', T0));
    await expect(lane.apply(updated, entity('undated'), { receivedAt: T0 - SECOND })).resolves.toBe('superseded');
    await expect(lane.apply(updated, entity('undated'), { receivedAt: T0 + SECOND })).resolves.toBe('processed');
    expect(nameHeld(lane)).toBe('undated');
  });

  it('that are removed are gone, and leave a tombstone with the date of the removal', async () => {
    const lane = new MerchantLane();
    await lane.apply(added, entity('a', T0));
    await expect(lane.apply(removed, { id: 7, date_last_modified: violetDate(T0 + SECOND) })).resolves.toBe('processed');
    expect(lane.ids(kind)).toEqual([]);
    expect(lane.document(`${kind}-removed`, '7')).toMatchObject({ removedAt: T0 + SECOND });
  });

  it('are removed at the time of receipt when the removal has no date', async () => {
    const lane = new MerchantLane();
    await lane.apply(added, entity('a', T0));
    await lane.apply(removed, { id: 7 }, { receivedAt: T0 + 5 * SECOND });
    expect(lane.document(`${kind}-removed`, '7')).toMatchObject({ removedAt: T0 + 5 * SECOND });
  });

  it('that were never seen leave a tombstone too, which refuses what is older and late', async () => {
    const lane = new MerchantLane();
    await expect(lane.apply(removed, { id: 7 }, { receivedAt: T0 })).resolves.toBe('processed');
    await expect(lane.apply(added, entity('late', T0 - SECOND))).resolves.toBe('superseded');
    expect(lane.ids(kind)).toEqual([]);
  });

  it('come back when they are newer than their tombstone, or arrive later with its date', async () => {
    for (const modifiedAt of [T0, T0 + SECOND]) {
      const lane = new MerchantLane();
      await lane.apply(removed, { id: 7 }, { receivedAt: T0 });
      await expect(lane.apply(added, entity('back', modifiedAt))).resolves.toBe('processed');
      expect(lane.ids(kind)).toEqual(['7']);
      expect(lane.ids(`${kind}-removed`)).toEqual([]);
    }
  });

  it('survive a removal that is older than they are', async () => {
    const lane = new MerchantLane();
    await lane.apply(added, entity('kept', T0));
    await expect(lane.apply(removed, { id: 7, date_last_modified: violetDate(T0 - SECOND) })).resolves.toBe('superseded');
    expect(nameHeld(lane)).toBe('kept');
    expect(lane.ids(`${kind}-removed`)).toEqual([]);
  });

  it('do not survive a removal of the same date that arrives later', async () => {
    const lane = new MerchantLane();
    await lane.apply(added, entity('gone', T0));
    await expect(lane.apply(removed, entity('gone', T0))).resolves.toBe('processed');
    expect(lane.ids(kind)).toEqual([]);
  });

  it('keep the newer of two tombstones', async () => {
    const lane = new MerchantLane();
    await lane.apply(removed, { id: 7 }, { receivedAt: T0 });
    await expect(lane.apply(removed, { id: 7 }, { receivedAt: T0 - SECOND })).resolves.toBe('superseded');
    await expect(lane.apply(removed, { id: 7 }, { receivedAt: T0 + SECOND })).resolves.toBe('processed');
    expect(lane.document(`${kind}-removed`, '7')).toMatchObject({ removedAt: T0 + SECOND });
  });

  it('leave no mark behind when they were undated and are removed', async () => {
    const lane = new MerchantLane();
    await lane.apply(added, entity('undated'));
    await lane.apply(removed, { id: 7 });
    expect([lane.ids(kind), lane.ids(`${kind}-undated`), lane.ids(`${kind}-removed`)]).toEqual([[], [], ['7']]);
  });

  it('keep odd field names as data', async () => {
    const lane = new MerchantLane();
    await lane.apply(
      added,
      '{"id":7,"merchant_id":1,"name":"a","constructor":1,"toString":null,"__proto__":{"date_last_modified":"2099-01-01"}}',
    );
    expect(lane.document(kind, '7')).toMatchObject({ constructor: 1, toString: null });
    await expect(lane.apply(updated, entity('b'))).resolves.toBe('processed');
  });

  it.each([
    [{ merchant_id: 1, name: 'a' }, 'id'],
    [{ id: null, merchant_id: 1, name: 'a' }, 'id'],
    [{ id: '7', merchant_id: 1, name: 'a' }, 'id'],
    [{ id: 7.5, merchant_id: 1, name: 'a' }, 'id'],
    [{ id: 7, name: 'a' }, 'merchant_id'],
    [{ id: 7, merchant_id: 'x', name: 'a' }, 'merchant_id'],
    ['{"id":9007199254740993,"merchant_id":1,"name":"a"}', 'id'],
    [[{ id: 7, merchant_id: 1, name: 'a' }], 'object'],
    ['null', 'object'],
    ['"text"', 'object'],
  ])('without what identifies them are refused for good: %j', async (body, problem) => {
    const lane = new MerchantLane();
    const rejection = await rejectionOf(lane.apply(added, body));
    expect(rejection).toMatchObject({ code: 'PERMANENT', reason: 'invalid' });
    expect(rejection.message).toContain(problem);
    expect(lane.ids(kind)).toEqual([]);
  });

  it.each([{}, { id: null }, { id: '7' }, { merchant_id: 1 }])('cannot be removed without an id: %j', async (body) => {
    expect(await rejectionOf(new MerchantLane().apply(removed, body))).toMatchObject({ code: 'PERMANENT', reason: 'invalid' });
  });
});

describe('offers of Violet', () => {
  it.each(['OFFER_ADDED', 'OFFER_UPDATED', 'OFFER_CREATED'])('are held after %s', async (topic) => {
    const lane = new MerchantLane();
    await expect(lane.apply(topic, entity('a', T0))).resolves.toBe('processed');
    expect(lane.ids('offers')).toEqual(['7']);
  });

  it.each(['OFFER_REMOVED', 'OFFER_DELETED'])('are gone after %s', async (topic) => {
    const lane = new MerchantLane();
    await lane.apply('OFFER_ADDED', entity('a', T0));
    await expect(lane.apply(topic, { id: 7 })).resolves.toBe('processed');
    expect(lane.ids('offers')).toEqual([]);
  });

  it.each([
    { id: 7, merchant_id: 1 },
    { id: 7, merchant_id: 1, name: null },
    { id: 7, merchant_id: 1, name: 5 },
  ])('need a name: %j', async (body) => {
    const rejection = await rejectionOf(new MerchantLane().apply('OFFER_ADDED', body));
    expect(rejection).toMatchObject({ code: 'PERMANENT', reason: 'invalid' });
    expect(rejection.message).toMatch(/^Expected a valid payload of OFFER_ADDED, got: name: expected string, received /);
  });
});

describe('collections of Violet', () => {
  it('need no name', async () => {
    const lane = new MerchantLane();
    await expect(lane.apply('COLLECTION_CREATED', { id: 7, merchant_id: 1, name: null })).resolves.toBe('processed');
  });

  it('do not mix with offers of the same id', async () => {
    const lane = new MerchantLane();
    await lane.apply('COLLECTION_CREATED', entity('collection', T0));
    await lane.apply('OFFER_ADDED', entity('offer', T0));
    await lane.apply('OFFER_DELETED', { id: 7 });
    expect([lane.ids('offers'), lane.ids('collections')]).toEqual([[], ['7']]);
  });
});

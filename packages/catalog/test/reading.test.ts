import { defineHandler } from '../src/index';
import { MerchantLane, rejectionOf, SECOND, T0, violetDate } from './merchant-lane';

/** What an extension reads from the sender's API, brought in as an event. */
const reading = defineHandler({
  source: 'violet',
  topics: ['read'],
  async handle({ payload }, merchant) {
    const { put, absent, readAt, keep, forget } = payload as {
      put?: { id: number };
      absent?: string;
      readAt: number;
      keep?: true;
      forget?: true;
    };
    if (keep) merchant.receipts.keep();
    if (put) return (await merchant.offers.putRead(put, readAt)) ? 'processed' : 'superseded';
    if (absent) return (await merchant.offers.removeUnread(absent, readAt)) ? 'processed' : 'superseded';
    if (forget) await merchant.receipts.forget();
  },
});

const offer = (name: string, modifiedAt?: number) => ({
  id: 1,
  merchant_id: 10_042,
  name,
  ...(modifiedAt !== undefined && { date_last_modified: violetDate(modifiedAt) }),
});

let lane: MerchantLane;

beforeEach(async () => {
  lane = new MerchantLane([reading], { refreshes: () => true });
  await lane.apply('read', { keep: true, readAt: T0 });
});

const held = (): unknown => (lane.document('offers', '1') as { name: string } | undefined)?.name;
const at = (seconds: number): number => T0 + seconds * SECOND;
const event = (topic: string, body: object, seconds: number) => lane.apply(topic, body, { receivedAt: at(seconds) });
const read = (put: object, seconds: number) => lane.apply('read', { put, readAt: at(seconds) });

describe('an offer that was read', () => {
  it.each([
    ['newer than what is held, whenever that was received', at(5), at(6), 100, 50, 'read'],
    ['older than what is held, whenever that was received', at(6), at(5), 50, 100, 'event'],
    ['as old as what was received before the reading began', at(5), at(5), 50, 100, 'read'],
    ['as old as what was received after the reading began', at(5), at(5), 100, 50, 'event'],
    ['as old as what was received when the reading began', at(5), at(5), 50, 50, 'event'],
    ['dated, against an undated one received before', undefined, at(5), 50, 100, 'read'],
    ['dated, against an undated one received after', undefined, at(5), 100, 50, 'event'],
    ['undated, against one received before', at(5), undefined, 50, 100, 'read'],
    ['undated, against one received after', at(5), undefined, 100, 50, 'event'],
  ])('%s', async (_case, eventDate, readDate, receivedSeconds, readSeconds, winner) => {
    await event('OFFER_UPDATED', offer('event', eventDate), receivedSeconds);
    await expect(read(offer('read', readDate), readSeconds)).resolves.toBe(winner === 'read' ? 'processed' : 'superseded');
    expect(held()).toBe(winner);
  });

  it.each([
    ['before it was removed stays removed', 100, 50, undefined],
    ['after it was removed is there again', 50, 100, 'read'],
  ])('%s, whatever its date', async (_case, removedSeconds, readSeconds, name) => {
    await event('OFFER_DELETED', { id: 1 }, removedSeconds);
    await read(offer('read', at(1_000)), readSeconds);
    expect(held()).toBe(name);
    expect(lane.ids('offers-removed')).toEqual(name === undefined ? ['1'] : []);
  });

  it('without a date counts as received when the reading began, for what comes after', async () => {
    await read(offer('read'), 50);
    await expect(event('OFFER_UPDATED', offer('older', at(49)), 60)).resolves.toBe('superseded');
    await expect(event('OFFER_UPDATED', offer('newer', at(50)), 60)).resolves.toBe('processed');
  });

  it('cannot have an id that is none', async () => {
    expect((await rejectionOf(read({ name: 'nameless' }, 1))).message).toMatch(/^Expected an entity id/);
  });
});

describe('an offer that a reading did not find', () => {
  it('is removed, with a tombstone of the time at which the reading began', async () => {
    await event('OFFER_UPDATED', offer('event', at(5)), 50);
    await expect(lane.apply('read', { absent: '1', readAt: at(100) })).resolves.toBe('processed');
    expect([held(), lane.document('offers-removed', '1')]).toMatchObject([undefined, { removedAt: at(100) }]);
  });

  it('stays when an event has changed it since, and when it is not held at all', async () => {
    await event('OFFER_UPDATED', offer('event', at(5)), 100);
    await expect(lane.apply('read', { absent: '1', readAt: at(50) })).resolves.toBe('superseded');
    await expect(lane.apply('read', { absent: '2', readAt: at(50) })).resolves.toBe('superseded');
    expect([held(), lane.ids('offers-removed')]).toEqual(['event', []]);
  });
});

describe('receipts', () => {
  it('are remembered from when that is asked for until it is ended, and leave nothing', async () => {
    await event('OFFER_UPDATED', offer('event', at(5)), 100);
    expect(lane.ids('receipts').sort()).toEqual(['kept', 'latest', 'offers:1']);
    await lane.apply('read', { forget: true, readAt: T0 });
    await event('OFFER_UPDATED', offer('event', at(6)), 101);
    expect(lane.ids('receipts')).toEqual([]);
  });

  it('are not remembered for a source that nobody refreshes', async () => {
    const other = new MerchantLane([reading]);
    await other.apply('read', { keep: true, readAt: T0 });
    await other.apply('OFFER_UPDATED', offer('event', at(5)));
    expect(other.ids('receipts')).toEqual(['kept']);
  });
});

describe('the members of a collection', () => {
  const members = (id: string): unknown => lane.document('collection-offers', id);
  const body = { merchant_id: 10_042 };

  it.each([
    ['by the header', {}, { 'x-violet-entity-id': '7' }],
    ['by the body', { id: 7 }, {}],
    ['by another field of the body', { collection_id: 7, id: 'x' }, { 'x-violet-entity-id': 'seven' }],
  ])('are out of date since an event said that they changed, of a collection named %s', async (_how, fields, headers) => {
    await lane.apply('COLLECTION_OFFERS_UPDATED', { ...body, ...fields }, { headers, receivedAt: at(9) });
    expect(members('7')).toEqual({ offerIds: [], readAt: null, unknownSince: at(9) });
  });

  it('of no collection that is named change nothing', async () => {
    await expect(lane.apply('COLLECTION_OFFERS_UPDATED', body)).resolves.toBe('superseded');
    expect(lane.ids('collection-offers')).toEqual([]);
  });

  it('go with their collection', async () => {
    await lane.apply('COLLECTION_OFFERS_UPDATED', { ...body, id: 7 });
    await lane.apply('COLLECTION_REMOVED', { ...body, id: 7 });
    expect(lane.ids('collection-offers')).toEqual([]);
  });
});

it("a handler's own documents are its own: the catalogue's cannot be had that way", async () => {
  const seen: unknown[] = [];
  const handler = defineHandler({
    source: 'violet',
    topics: ['mine'],
    async handle(_event, merchant) {
      const documents = merchant.documents('mine');
      documents.put('a', { n: 1 });
      documents.put('b', 2);
      documents.delete('b');
      seen.push(await documents.get('a'), await documents.ids());
      merchant.documents('offers');
    },
  });
  const failure = await rejectionOf(new MerchantLane([handler]).apply('mine', {}));
  expect(failure.message).toBe("Expected a collection that is not the catalogue's own, got offers");
  expect(seen).toEqual([{ n: 1 }, ['a']]);
});

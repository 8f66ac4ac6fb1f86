import { PermanentError, RetryAfterError, type UnitOfWork } from '@syncline/events';
import { z } from 'zod';
import { createDecider, defineHandler, type Handler, type HandlerContext, type HandlerEvent } from '../src/index';
import { eventOf, MerchantLane, rejectionOf, SECOND, T0, violetDate } from './merchant-lane';

const offer = { id: 7, merchant_id: 10042, name: 'a', date_last_modified: violetDate(T0) };

/** A handler that remembers what it was called with. */
function recorder(handler: Partial<Handler> = {}): Handler & { calls: { event: HandlerEvent; context: HandlerContext }[] } {
  const calls: { event: HandlerEvent; context: HandlerContext }[] = [];
  return {
    source: 'violet',
    topics: ['*'],
    calls,
    ...handler,
    handle: (event, _merchant, context) => void calls.push({ event, context }),
  };
}

const noUnit: UnitOfWork = {
  get: () => Promise.reject(new Error('Expected no read')),
  ids: () => Promise.reject(new Error('Expected no read')),
  put: () => {
    throw new Error('Expected no effect');
  },
  delete: () => {
    throw new Error('Expected no effect');
  },
  append: () => {
    throw new Error('Expected no effect');
  },
  after: () => {
    throw new Error('Expected no effect');
  },
  cancel: () => {
    throw new Error('Expected no effect');
  },
};

describe('an event that no handler is for', () => {
  it.each([
    ['ORDER_UPDATED', 'violet'],
    ['TRANSFER_SENT', 'violet'],
    ['', 'violet'],
    ['OFFER_ADDED', 'propexo'],
  ])('is unhandled, whatever its body: %j of %s', async (topic, source) => {
    const plan = createDecider().plan(eventOf(topic, 'no JSON', { source }));
    expect(plan).toMatchObject({ external: false, reads: [] });
    await expect(plan.run(noUnit, { signal: new AbortController().signal, attempt: 1 })).resolves.toBe('unhandled');
  });

  it("is unhandled when the user's handlers are for other topics or senders", async () => {
    const others = [recorder({ topics: ['ORDER_*'] }), recorder({ source: 'standard' })];
    await expect(new MerchantLane(others).apply('TRANSFER_SENT', {})).resolves.toBe('unhandled');
    expect(others.flatMap(({ calls }) => calls)).toEqual([]);
  });
});

describe('folding a flood', () => {
  const later = { ...offer, date_last_modified: violetDate(T0 + SECOND) };
  const foldKeyOf = (topic: string, body: unknown, handlers: Handler[] = []) =>
    createDecider(handlers).plan(eventOf(topic, body)).foldKey;

  it('takes the changes and removals of one offer as the same, and those of another not', () => {
    expect(foldKeyOf('OFFER_ADDED', offer)).toBeDefined();
    expect(foldKeyOf('OFFER_UPDATED', later)).toBe(foldKeyOf('OFFER_ADDED', offer));
    expect(foldKeyOf('OFFER_REMOVED', { id: 7 })).toBe(foldKeyOf('OFFER_ADDED', offer));
    expect(foldKeyOf('OFFER_UPDATED', { ...offer, id: 8 })).not.toBe(foldKeyOf('OFFER_ADDED', offer));
    expect(foldKeyOf('COLLECTION_UPDATED', offer)).not.toBe(foldKeyOf('OFFER_ADDED', offer));
  });

  it.each([
    'PRODUCT_SYNC_COMPLETED',
    'MERCHANT_DISCONNECTED',
    'COLLECTION_REMOVED',
    'COLLECTION_OFFERS_UPDATED',
    'ORDER_UPDATED',
  ])('stops at %s', (topic) => {
    expect(foldKeyOf(topic, offer)).toBeUndefined();
  });

  it("leaves alone what a handler of the user's takes, and what is no offer", () => {
    expect(foldKeyOf('OFFER_UPDATED', offer, [recorder()])).toBeUndefined();
    expect(foldKeyOf('OFFER_UPDATED', { id: 'seven' })).toBeUndefined();
    expect(foldKeyOf('OFFER_UPDATED', 'no JSON')).toBeUndefined();
  });
});

describe('topics of a handler', () => {
  it.each([
    [['ORDER_UPDATED'], 'ORDER_UPDATED', true],
    [['ORDER_UPDATED'], 'ORDER_UPDATED_TWICE', false],
    [['ORDER_*'], 'ORDER_UPDATED', true],
    [['ORDER_*'], 'ORDER_', true],
    [['ORDER_*'], 'ORDER', false],
    [['ORDER_*'], 'MY_ORDER_UPDATED', false],
    [['X', 'TRANSFER_*'], 'TRANSFER_SENT', true],
    [['*'], 'ANYTHING', true],
    [['*'], '', true],
  ])('%j match %j: %s', async (topics, topic, matches) => {
    const handler = recorder({ topics });
    await expect(new MerchantLane([handler]).apply(topic, {})).resolves.toBe(matches ? 'processed' : 'unhandled');
    expect(handler.calls).toHaveLength(matches ? 1 : 0);
  });
});

describe('a handler of all sources', () => {
  it.each(['violet', 'propexo', 'another'])('takes its topics of %s', async (source) => {
    const handler = recorder({ source: '*', topics: ['ORDER_*'] });
    await expect(new MerchantLane([handler]).apply('ORDER_UPDATED', {}, { source })).resolves.toBe('processed');
    expect(handler.calls.map(({ event }) => event.source)).toEqual([source]);
  });
});

describe("Syncline's own topics", () => {
  it.each([
    [['*'], 'unhandled'],
    [['sync*'], 'unhandled'],
    [['syncline.*'], 'processed'],
    [['syncline.of-a-newer-version'], 'processed'],
  ])('fit %j: %s', async (topics, decision) => {
    const handler = recorder({ topics });
    await expect(new MerchantLane([handler]).apply('syncline.of-a-newer-version', {})).resolves.toBe(decision);
    expect(handler.calls).toHaveLength(decision === 'processed' ? 1 : 0);
  });
});

describe('a report', () => {
  it('is of the latest attempt at the event alone', async () => {
    let attempts = 0;
    const flaky = defineHandler({
      source: 'violet',
      topics: ['PRODUCT_SYNC_COMPLETED'],
      handle() {
        attempts += 1;
        if (attempts === 1) throw new Error('not yet');
      },
    });
    const decider = createDecider([flaky]);
    const event = eventOf('PRODUCT_SYNC_COMPLETED', { merchant_id: 1 });
    const plan = decider.plan(event);
    const { signal } = new AbortController();
    const unit = { ...noUnit, get: () => Promise.resolve(undefined), put: () => undefined };
    expect(decider.reportOf(event)).toBeUndefined();
    await expect(plan.run(unit, { signal, attempt: 1 })).rejects.toThrow('not yet');
    await plan.run(unit, { signal, attempt: 2 });
    expect(decider.reportOf(event)?.endedSyncs).toEqual([{ track: 'product', outcome: 'completed', durationMs: null }]);
    expect(decider.reportOf(eventOf('PRODUCT_SYNC_COMPLETED', { merchant_id: 1 }))).toBeUndefined();
  });
});

describe("the user's handlers", () => {
  it('see the whole event', async () => {
    const handler = recorder();
    const lane = new MerchantLane([handler]);
    const { signal } = new AbortController();
    await lane.apply(
      'ORDER_UPDATED',
      { id: 1 },
      { eventId: 'e-1', merchantId: '1:2', headers: { 'x-violet-order-id': '5' }, receivedAt: T0, attempt: 3, signal },
    );
    const [call] = handler.calls;
    expect(call?.event).toEqual({
      source: 'violet',
      eventId: 'e-1',
      topic: 'ORDER_UPDATED',
      merchantId: '1:2',
      lane: 'violet:1:2',
      seq: 1,
      receivedAt: T0,
      headers: { 'x-violet-order-id': '5' },
      payload: { id: 1 },
      idempotencyKey: expect.stringMatching(/^[0-9a-f]{64}$/),
    });
    expect(call?.context).toEqual({ signal, attempt: 3, replay: false, idempotencyKey: call?.event.idempotencyKey });
    expect(call?.context.signal).toBe(signal);
  });

  it("run after the catalogue's own, in order, and see what it did", async () => {
    const seen: unknown[] = [];
    const first = defineHandler({
      source: 'violet',
      topics: ['OFFER_*'],
      handle: async (_event, merchant) => void seen.push(['first', await merchant.offers.get(7)]),
    });
    const second = defineHandler({
      source: 'violet',
      topics: ['OFFER_ADDED'],
      handle: (_event, merchant) => void seen.push(['second', merchant.source, merchant.merchantId]),
    });
    await expect(new MerchantLane([first, second]).apply('OFFER_ADDED', offer)).resolves.toBe('processed');
    expect(seen).toEqual([
      ['first', offer],
      ['second', 'violet', '10042'],
    ]);
  });

  it('share the unit of work: when one throws, nothing of the event happens', async () => {
    const failing = defineHandler({
      source: 'violet',
      topics: ['OFFER_ADDED'],
      handle() {
        throw new Error('not now');
      },
    });
    const lane = new MerchantLane([failing]);
    await expect(lane.apply('OFFER_ADDED', offer)).rejects.toThrow('not now');
    expect(lane.ids('offers')).toEqual([]);
  });

  it('do not see an event that the catalogue finds stale', async () => {
    const handler = recorder({ topics: ['OFFER_UPDATED'] });
    const lane = new MerchantLane([handler]);
    await lane.apply('OFFER_ADDED', offer);
    await expect(lane.apply('OFFER_UPDATED', { ...offer, date_last_modified: violetDate(T0 - SECOND) })).resolves.toBe(
      'superseded',
    );
    expect(handler.calls).toEqual([]);
  });

  it('are not even asked about the payload of a stale event', async () => {
    const handler = recorder({ topics: ['OFFER_UPDATED'], payload: z.object({ missing: z.string() }) });
    const lane = new MerchantLane([handler]);
    await lane.apply('OFFER_ADDED', offer);
    await expect(lane.apply('OFFER_UPDATED', { ...offer, date_last_modified: violetDate(T0 - SECOND) })).resolves.toBe(
      'superseded',
    );
    expect(handler.calls).toEqual([]);
  });

  it('can find an event of their own stale', async () => {
    const stale = defineHandler({
      source: 'violet',
      topics: ['ORDER_UPDATED', 'OFFER_ADDED'],
      handle: () => Promise.resolve('superseded'),
    });
    await expect(new MerchantLane([stale]).apply('ORDER_UPDATED', {})).resolves.toBe('superseded');
    await expect(new MerchantLane([stale, recorder()]).apply('ORDER_UPDATED', {})).resolves.toBe('processed');
    await expect(new MerchantLane([stale]).apply('OFFER_ADDED', offer)).resolves.toBe('processed');
  });

  it.each([undefined, null, 0, 'done', { ok: true }, 'unhandled', 'dead'])(
    'have processed the event when they return %j',
    async (value) => {
      const handler = defineHandler({ source: 'violet', topics: ['ORDER_UPDATED'], handle: () => value });
      await expect(new MerchantLane([handler]).apply('ORDER_UPDATED', {})).resolves.toBe('processed');
    },
  );

  it('fail as they throw, with the error untouched', async () => {
    for (const error of [
      new RetryAfterError('later', 50),
      new PermanentError('never'),
      Object.assign(new Error('plain'), { code: 'PERMANENT' }),
    ]) {
      const handler = defineHandler({ source: 'violet', topics: ['*'], handle: () => Promise.reject(error) });
      expect(await rejectionOf(new MerchantLane([handler]).apply('ORDER_UPDATED', {}))).toBe(error);
    }
  });

  it('are called as methods of the object that the user wrote', async () => {
    const seen: unknown[] = [];
    class Orders {
      readonly source = 'violet';
      readonly topics = ['ORDER_UPDATED'];
      readonly #secret = 'own state';
      handle(): void {
        seen.push(this.#secret);
      }
    }
    await new MerchantLane([new Orders()]).apply('ORDER_UPDATED', {});
    expect(seen).toEqual(['own state']);
  });

  it('can change their payload without changing what the catalogue stores or another handler sees', async () => {
    const seen: unknown[] = [];
    const meddler = defineHandler({
      source: 'violet',
      topics: ['OFFER_ADDED'],
      handle: ({ payload }) => void Object.assign(payload as object, { name: 'changed' }),
    });
    const reader = defineHandler({ source: 'violet', topics: ['OFFER_ADDED'], handle: ({ payload }) => void seen.push(payload) });
    const lane = new MerchantLane([meddler, reader]);
    await lane.apply('OFFER_ADDED', offer);
    expect([lane.document('offers', '7'), ...seen]).toEqual([offer, offer]);
  });

  it('do not start once the attempt is over', async () => {
    const controller = new AbortController();
    const first = defineHandler({ source: 'violet', topics: ['*'], handle: () => controller.abort(new Error('time is up')) });
    const second = recorder();
    await expect(new MerchantLane([first, second]).apply('ORDER_UPDATED', {}, { signal: controller.signal })).rejects.toThrow(
      'time is up',
    );
    expect(second.calls).toEqual([]);
  });

  it('can store and remove entities, and read and change the status', async () => {
    const handler = defineHandler({
      source: 'standard',
      topics: ['shop.changed'],
      async handle(_event, merchant) {
        merchant.offers.put({ id: 'a', name: 'one' });
        merchant.offers.put({ id: 2, name: 'two', date_last_modified: '2025-04-08' });
        merchant.offers.remove(2);
        merchant.collections.remove('gone', 5);
        await merchant.updateStatus((status) => ({ ...status, connection: 'connected' }));
        return (await merchant.status()).connection === 'connected' ? undefined : 'superseded';
      },
    });
    const lane = new MerchantLane([handler]);
    await expect(lane.apply('shop.changed', {}, { source: 'standard', receivedAt: T0 })).resolves.toBe('processed');
    expect(lane.status().connection).toBe('connected');
    expect([lane.ids('offers'), lane.ids('offers-undated')]).toEqual([['a'], ['a']]);
    expect([lane.document('offers-removed', '2'), lane.document('collections-removed', 'gone')]).toMatchObject([
      { removedAt: T0 },
      { removedAt: 5 },
    ]);
  });

  it.each([undefined, null, '', 1.5, Number.NaN, {}, 2 ** 60])('cannot store an entity with the id %j', async (id) => {
    const handler = defineHandler({
      source: 'violet',
      topics: ['*'],
      handle: (_event, merchant) => merchant.offers.put({ id: id as number }),
    });
    await expect(new MerchantLane([handler]).apply('ORDER_UPDATED', {})).rejects.toThrow(
      /^Expected an entity id as integer or text, got /,
    );
  });
});

describe('payloads', () => {
  it.each(['', ' ', '{', '{"id":7}}', 'undefined', "{'id':7}", '\u0000', '{"id":NaN}', '<xml/>'])(
    'that are no JSON are refused for good: %j',
    async (body) => {
      const rejection = await rejectionOf(new MerchantLane().apply('OFFER_ADDED', body));
      expect(rejection).toMatchObject({ code: 'PERMANENT', reason: 'unparseable' });
      expect(rejection.message).toMatch(/^Expected the body of OFFER_ADDED to be JSON, got: /);
    },
  );

  it('that are no text are refused for good', async () => {
    const rejection = await rejectionOf(
      new MerchantLane([recorder()]).apply('ORDER_UPDATED', '/w==', { bodyEncoding: 'base64' }),
    );
    expect(rejection).toMatchObject({ code: 'PERMANENT', reason: 'unparseable' });
  });

  it("that the user's schema refuses are refused for good, with the paths of the problems", async () => {
    const handler = recorder({
      topics: ['ORDER_UPDATED'],
      payload: z.object({ id: z.int(), bags: z.array(z.object({ merchant_id: z.int() })) }),
    });
    const rejection = await rejectionOf(
      new MerchantLane([handler]).apply('ORDER_UPDATED', { id: 'x', bags: [{ merchant_id: 1 }, {}] }),
    );
    expect(rejection).toMatchObject({ code: 'PERMANENT', reason: 'invalid' });
    expect(rejection.message).toBe(
      'Expected a valid payload of ORDER_UPDATED, got: id: expected number, received string; bags.1.merchant_id: expected number, received undefined',
    );
  });

  it('with many problems are described by the first few', async () => {
    const payload = z.object(Object.fromEntries(Array.from({ length: 12 }, (_, index) => [`f${index}`, z.string()])));
    const rejection = await rejectionOf(new MerchantLane([recorder({ payload })]).apply('ORDER_UPDATED', {}));
    expect(rejection.message).toMatch(/f4: [^;]+; and 7 more$/);
  });

  it("that the user's schema refuses leave nothing of what the catalogue did", async () => {
    const lane = new MerchantLane([recorder({ payload: z.object({ vat: z.number() }) })]);
    await rejectionOf(lane.apply('OFFER_ADDED', offer));
    expect(lane.ids('offers')).toEqual([]);
  });

  it("are checked for all of the user's handlers before the first of them runs", async () => {
    const acting = recorder({ external: true });
    const refusing = recorder({ payload: z.never() });
    await rejectionOf(new MerchantLane([acting, refusing]).apply('ORDER_UPDATED', {}));
    expect(acting.calls).toEqual([]);
  });

  it.each([
    ['a zod schema', z.object({ id: z.coerce.string() })],
    ['an object with parse', { parse: (value: unknown) => ({ id: String((value as { id: number }).id) }) }],
    [
      'an object with an asynchronous parse',
      { parse: (value: unknown) => Promise.resolve({ id: String((value as { id: number }).id) }) },
    ],
    ['an object with safeParse', { safeParse: () => ({ success: true as const, data: { id: '5' } }) }],
  ])('are what %s makes of them', async (_, payload) => {
    const handler = recorder({ payload });
    await new MerchantLane([handler]).apply('ORDER_UPDATED', { id: 5, more: true });
    expect(handler.calls.map(({ event }) => event.payload)).toEqual([{ id: '5' }]);
  });

  it.each([
    [
      'throws',
      {
        parse: () => {
          throw new Error('odd');
        },
      },
      'odd',
    ],
    ['rejects', { parse: () => Promise.reject(new Error('odd')) }, 'odd'],
    [
      'throws a text',
      {
        parse: () => {
          throw 'odd';
        },
      },
      'odd',
    ],
    ['answers with a text', { safeParse: () => ({ success: false as const, error: 'odd' }) }, 'odd'],
    ['answers without an error', { safeParse: () => ({ success: false as const, error: undefined }) }, 'undefined'],
  ])('are refused for good when the schema %s', async (_, payload, message) => {
    const rejection = await rejectionOf(new MerchantLane([recorder({ payload })]).apply('ORDER_UPDATED', {}));
    expect(rejection).toMatchObject({ code: 'PERMANENT', reason: 'invalid' });
    expect(rejection.message).toBe(`Expected a valid payload of ORDER_UPDATED, got: ${message}`);
  });
});

describe('a plan', () => {
  it.each([
    ['OFFER_ADDED', offer, ['offers:7', 'offers-removed:7']],
    ['OFFER_DELETED', { id: 7 }, ['offers:7', 'offers-removed:7']],
    ['COLLECTION_REMOVED', { id: 7 }, ['collections:7', 'collections-removed:7']],
    ['PRODUCT_SYNC_STARTED', { merchant_id: 1 }, ['merchant:status']],
    ['MERCHANT_CONNECTED', { id: 1 }, ['merchant:status']],
    ['OFFER_ADDED', 'no JSON', []],
    ['OFFER_ADDED', {}, []],
  ])('of %s names what it reads', (topic, body, expected) => {
    const { reads, external } = createDecider().plan(eventOf(topic, body));
    expect(reads.map(({ collection, id }) => `${collection}:${id}`)).toEqual(expected);
    expect(external).toBe(false);
  });

  it("names the status once, and what the user's handlers say they read", () => {
    const handler = recorder({
      reads: ({ payload }) => [
        { collection: 'offers', id: String((payload as { id: number }).id) },
        { collection: 'merchant', id: 'status' },
      ],
    });
    const { reads } = createDecider([handler, recorder()]).plan(eventOf('OFFER_ADDED', offer));
    expect(reads.map(({ collection, id }) => `${collection}:${id}`)).toEqual(['offers:7', 'offers-removed:7', 'merchant:status']);
  });

  it('is external when one of the handlers is', () => {
    const decider = createDecider([recorder({ topics: ['OFFER_*'] }), recorder({ topics: ['OFFER_ADDED'], external: true })]);
    expect(decider.plan(eventOf('OFFER_ADDED', offer)).external).toBe(true);
    expect(decider.plan(eventOf('OFFER_UPDATED', offer)).external).toBe(false);
  });

  it.each([
    [
      'throws',
      () => {
        throw new Error('odd');
      },
    ],
    ['returns nothing', () => undefined],
    ['returns a number', () => 7],
  ])('is made also when reads %s', (_, reads) => {
    const decider = createDecider([recorder({ reads: reads as unknown as NonNullable<Handler['reads']> })]);
    expect(decider.plan(eventOf('ORDER_UPDATED', {})).reads).toEqual([{ collection: 'merchant', id: 'status' }]);
  });

  it('is made also when a schema refuses asynchronously', () => {
    const handler = recorder({ reads: () => [], payload: { parse: () => Promise.reject(new Error('odd')) } });
    expect(createDecider([handler]).plan(eventOf('ORDER_UPDATED', {})).reads).toHaveLength(1);
  });

  it('can be run again with the same result', async () => {
    const handler = recorder();
    const plan = createDecider([handler]).plan(eventOf('ORDER_UPDATED', { id: 1 }));
    const { signal } = new AbortController();
    await plan.run(noUnit, { signal, attempt: 1 });
    await plan.run(noUnit, { signal, attempt: 2 });
    expect(handler.calls.map(({ event, context }) => [event.payload, event.idempotencyKey, context.attempt])).toEqual([
      [{ id: 1 }, handler.calls[0]?.event.idempotencyKey, 1],
      [{ id: 1 }, handler.calls[0]?.event.idempotencyKey, 2],
    ]);
  });
});

async function keyOf(
  given: { source?: string; eventId?: string; receivedAt?: number },
  handlers: (handler: Handler) => Handler[],
  seqs = 1,
): Promise<string | undefined> {
  const handler = recorder({ source: given.source ?? 'violet' });
  const lane = new MerchantLane(handlers(handler));
  for (let seq = 1; seq < seqs; seq += 1) await lane.apply('ORDER_UPDATED', {}, { source: 'elsewhere' });
  await lane.apply('ORDER_UPDATED', {}, { eventId: 'e-1', ...given });
  return handler.calls[0]?.event.idempotencyKey;
}

const alone = (handler: Handler): Handler[] => [handler];

describe('an idempotency key', () => {
  it('is the same in every process, at every place in the lane and at any time', async () => {
    const key = await keyOf({}, alone);
    expect(await keyOf({ receivedAt: 5 }, alone, 9)).toBe(key);
    expect(await keyOf({}, (handler) => [recorder({ topics: ['ORDER_*'] }), handler])).toBe(key);
  });

  it('differs between events, sources and handlers, also between two of the same topics', async () => {
    const keys = [
      await keyOf({}, alone),
      await keyOf({ eventId: 'e-2' }, alone),
      await keyOf({ source: 'standard' }, alone),
      await keyOf({}, (handler) => [Object.assign(handler, { name: 'orders' })]),
      await keyOf({}, (handler) => [recorder(), handler]),
    ];
    expect(new Set(keys).size).toBe(keys.length);
  });
});

import { createHash } from 'node:crypto';
import { MERCHANT_ID_MAX_LENGTH } from '@syncline/events';
import { BODY_MAX_DEPTH, EVENT_ID_MAX_LENGTH, type Identity, TOPIC_MAX_LENGTH, violet, violetTopics } from '../src';

type Headers = Record<string, string>;

function identify(body: unknown, headers: Headers = {}, topic: string | undefined = 'OFFER_ADDED'): Identity {
  const bytes = Buffer.isBuffer(body) ? body : Buffer.from(typeof body === 'string' ? body : JSON.stringify(body));
  const topicHeaders = topic === undefined ? {} : { 'x-violet-topic': topic };
  return violet.identify({ headers: { 'x-violet-event-id': '77', ...topicHeaders, ...headers }, body: bytes }, { secrets: [] });
}

function merchantOf(topic: string, body: unknown, headers: Headers = {}): string | undefined {
  const identity = identify(body, headers, topic);
  if (identity.kind !== 'event') throw new Error(`Expected an event, got ${identity.reason}: ${identity.message}`);
  return identity.merchantId;
}

function reasonOf(identity: Identity): string {
  return identity.kind === 'unreadable' ? identity.reason : `an event of merchant ${identity.merchantId}`;
}

/** An object of the given nesting, itself counted. */
function deep(levels: number): string {
  return `{"merchant_id":1,"a":${'['.repeat(levels - 1)}${']'.repeat(levels - 1)}}`;
}

function derivedFrom(topic: string, body: string): string {
  return `derived-${createHash('sha256').update(topic).update('\0').update(body).digest('hex')}`;
}

describe('topics', () => {
  test('Violet names 55, each once', () => {
    expect(violetTopics).toHaveLength(55);
    expect(new Set(violetTopics).size).toBe(55);
  });

  test('are kept as sent, known or not', () => {
    for (const topic of [
      ...violetTopics,
      'OFFER_CREATED',
      'ORDER_CANCELLED',
      'SOMETHING_NEW',
      'offer_added',
      '__proto__',
      'constructor',
    ]) {
      expect(identify({ merchant_id: 1 }, { 'x-violet-merchant-id': '1' }, topic).topic).toBe(topic);
    }
  });

  test('that are missing, blank, too long or hold control characters make the delivery unreadable', () => {
    const withoutTopic = violet.identify({ headers: {}, body: Buffer.from('{}') }, { secrets: [] });
    expect(withoutTopic).toMatchObject({ kind: 'unreadable', reason: 'topic_missing', topic: undefined });
    expect(reasonOf(identify({}, {}, '   '))).toBe('topic_missing');
    expect(reasonOf(identify({}, {}, 'T'.repeat(TOPIC_MAX_LENGTH + 1)))).toBe('topic_invalid');
    expect(reasonOf(identify({}, {}, 'A\tB'))).toBe('topic_invalid');
    expect(reasonOf(identify({}, {}, 'syncline.sync-overdue'))).toBe('topic_invalid');
    expect(identify({}, {}, 'T'.repeat(TOPIC_MAX_LENGTH)).topic).toHaveLength(TOPIC_MAX_LENGTH);
  });
});

describe('the merchant', () => {
  test.each(['PRODUCT_SYNC_STARTED', 'COLLECTION_SYNC_FAILED', 'OFFER_REMOVED', 'OFFER_CREATED', 'COLLECTION_OFFERS_UPDATED'])(
    'of %s is merchant_id, not the id',
    (topic) => {
      expect(merchantOf(topic, { id: 5, merchant_id: 10042 })).toBe('10042');
      expect(merchantOf(topic, { id: 5 })).toBeUndefined();
    },
  );

  test.each([
    'MERCHANT_CONNECTED',
    'MERCHANT_DISCONNECTED',
    'MERCHANT_ENABLED',
    'MERCHANT_DISABLED',
    'MERCHANT_COMPLETE',
    'MERCHANT_NEEDS_ATTENTION',
  ])('of %s is the id, not merchant_id', (topic) => {
    expect(merchantOf(topic, { id: 10042, merchant_id: 5 })).toBe('10042');
    expect(merchantOf(topic, { merchant_id: 5 })).toBeUndefined();
  });

  test('of a payout account is merchant_id: its id is the account', () => {
    expect(merchantOf('MERCHANT_PAYOUT_ACCOUNT_CREATED', { id: 5, merchant_id: 10042 })).toBe('10042');
  });

  test('of an order is the one of all its bags', () => {
    expect(merchantOf('ORDER_UPDATED', { id: 1, bags: [{ merchant_id: 7 }, { merchant_id: 7 }, { merchant_id: '7' }] })).toBe(
      '7',
    );
    expect(merchantOf('ORDER_CANCELLED', { bags: [{ merchant_id: 7 }, { id: 2 }, null] })).toBe('7');
  });

  test.each([
    ['of several merchants', [{ merchant_id: 7 }, { merchant_id: 8 }]],
    ['without bags', []],
    ['whose bags are absent', undefined],
    ['whose bags are null', null],
    ['whose bags are no list', { merchant_id: 7 }],
    ['whose bags are no objects', [1, 'x', [{ merchant_id: 7 }]]],
  ])('of an order %s is none', (_claim, bags) => {
    expect(merchantOf('ORDER_UPDATED', { merchant_id: 3, bags })).toBeUndefined();
  });

  test('of a Relay event is in its header', () => {
    expect(merchantOf('RELAY_OFFER_UPDATED', { merchant_id: 5 }, { 'x-violet-merchant-id': ' 10042 ' })).toBe('10042');
    expect(merchantOf('RELAY_ORDER_UPDATED', { merchant_id: 5 })).toBeUndefined();
  });

  test('of another known or unknown topic is merchant_id if present', () => {
    expect(merchantOf('TRANSFER_SENT', { id: 1, amount: 2 })).toBeUndefined();
    expect(merchantOf('PAYMENT_TRANSACTION_DISPUTE_OPENED', { merchant_id: 9 })).toBe('9');
    expect(merchantOf('SOMETHING_NEW', { merchant_id: 9 })).toBe('9');
    expect(merchantOf('SOMETHING_NEW', { id: 9 })).toBeUndefined();
  });

  test.each<[unknown, string]>([
    [10042, '10042'],
    ['10042', '10042'],
    [0, '0'],
    [-3, '-3'],
    [Number.MAX_SAFE_INTEGER, '9007199254740991'],
    ['9007199254740993', '9007199254740993'],
    ['a:b/c d', 'a:b/c d'],
    ['ünï😀', 'ünï😀'],
    ['__proto__', '__proto__'],
    ['m'.repeat(MERCHANT_ID_MAX_LENGTH), 'm'.repeat(MERCHANT_ID_MAX_LENGTH)],
  ])('%j is the opaque id %j', (value, merchantId) => {
    expect(merchantOf('OFFER_ADDED', { merchant_id: value })).toBe(merchantId);
  });

  test.each([[undefined], [null]])('%j is none', (value) => {
    expect(merchantOf('OFFER_ADDED', { merchant_id: value })).toBeUndefined();
  });

  test.each([
    ['an unsafe integer', '{"merchant_id":9007199254740993}'],
    ['a huge number', '{"merchant_id":1e400}'],
    ['a fraction', '{"merchant_id":1.5}'],
    ['an empty text', '{"merchant_id":""}'],
    ['a blank text', '{"merchant_id":"  "}'],
    ['a control character', '{"merchant_id":"a\\u0000b"}'],
    ['a line break', '{"merchant_id":"a\\nb"}'],
    ['half a surrogate pair', '{"merchant_id":"\\ud800"}'],
    ['too long a text', JSON.stringify({ merchant_id: 'm'.repeat(MERCHANT_ID_MAX_LENGTH + 1) })],
    ['the name of the lane without merchant', '{"merchant_id":"_"}'],
    ['a boolean', '{"merchant_id":true}'],
    ['an object', '{"merchant_id":{"id":1}}'],
    ['a list', '{"merchant_id":[1]}'],
  ])('that is %s makes the delivery unreadable', (_claim, body) => {
    const identity = identify(body);
    expect(reasonOf(identity)).toBe('merchant_invalid');
    expect(identity).toMatchObject({ eventId: '77', topic: 'OFFER_ADDED', message: expect.stringContaining('merchant_id') });
  });

  test('that is invalid in one bag makes the order unreadable', () => {
    expect(reasonOf(identify('{"bags":[{"merchant_id":1},{"merchant_id":1.5}]}', {}, 'ORDER_UPDATED'))).toBe('merchant_invalid');
  });

  test('is never taken from an inherited property', () => {
    expect(merchantOf('OFFER_ADDED', '{"__proto__":{"merchant_id":9}}')).toBeUndefined();
  });
});

describe('a body is unreadable, and says why,', () => {
  test.each<[string, string | Buffer, string, string]>([
    ['when it is empty', '', 'unparseable', 'empty'],
    ['when it is white space', ' \n', 'unparseable', 'not valid JSON'],
    ['when it is cut off', '{"merchant_id":1', 'unparseable', 'not valid JSON'],
    ['when it is cut off in a string', '{"merchant_id":"\\', 'unparseable', 'not valid JSON'],
    ['when it is cut off in an escape', '{"merchant_id":"\\u00', 'unparseable', 'not valid JSON'],
    ['when it is text', 'hello', 'unparseable', 'not valid JSON'],
    ['when it is form data', 'merchant_id=1', 'unparseable', 'not valid JSON'],
    ['when more follows it', '{"merchant_id":1}{}', 'unparseable', 'not valid JSON'],
    ['when it closes more than it opens', ']]]]}}}}', 'unparseable', 'not valid JSON'],
    ['when it is null', 'null', 'unparseable', 'null'],
    ['when it is a number', '42', 'unparseable', 'a number'],
    ['when it is a string', '"x"', 'unparseable', 'a string'],
    ['when it is a boolean', 'true', 'unparseable', 'a boolean'],
    ['when it is an array', '[{"merchant_id":1}]', 'unparseable', 'an array'],
    ['when it has a byte order mark', Buffer.from('\ufeff{"merchant_id":1}'), 'unparseable', 'byte order mark'],
    ['when it is UTF-16', Buffer.from('{"merchant_id":1}', 'utf16le'), 'unparseable', 'not valid JSON'],
    ['when it is no UTF-8', Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d]), 'unparseable', 'UTF-8'],
    ['when it holds a NUL', '{"merchant_id":1}\0', 'unparseable', 'not valid JSON'],
    ['when a name is given twice', '{"merchant_id":1,"merchant_id":2}', 'unparseable', 'twice'],
    ['when a name is given twice in two spellings', '{"merchant_id":1,"merchant\\u005fid" : 2}', 'unparseable', 'twice'],
    ['when it is nested too deep', deep(BODY_MAX_DEPTH + 1), 'too_deep', String(BODY_MAX_DEPTH)],
    ['when it opens a million levels', '['.repeat(1_000_000), 'too_deep', String(BODY_MAX_DEPTH)],
  ])('%s', (_claim, body, reason, word) => {
    const identity = identify(body);
    expect(reasonOf(identity)).toBe(reason);
    expect(identity).toMatchObject({ eventId: '77', topic: 'OFFER_ADDED', message: expect.stringContaining(word) });
  });

  test('but not at the deepest nesting allowed', () => {
    expect(merchantOf('OFFER_ADDED', deep(BODY_MAX_DEPTH))).toBe('1');
  });

  test('but not for brackets, quotes or names inside strings or below the top level', () => {
    expect(
      merchantOf('OFFER_ADDED', { a: `${'['.repeat(500)}"\\":`, b: ['c', 'c', { c: 1, d: { c: 1 } }], c: 'a', merchant_id: 1 }),
    ).toBe('1');
  });

  test('without the message holding anything of it', () => {
    expect(JSON.stringify(identify('secret-looking text'))).not.toContain('secret-looking');
  });
});

describe('the event id', () => {
  test('is the header as an opaque text, trimmed', () => {
    expect(identify({}, { 'x-violet-event-id': '  00123 abc:/é ' }).eventId).toBe('00123 abc:/é');
    expect(identify({}, { 'x-violet-event-id': 'i'.repeat(EVENT_ID_MAX_LENGTH) }).eventId).toHaveLength(EVENT_ID_MAX_LENGTH);
  });

  test.each([
    ['missing', ''],
    ['blank', ' \t '],
    ['too long', 'i'.repeat(EVENT_ID_MAX_LENGTH + 1)],
    ['broken by control characters', 'a\tb'],
  ])('is derived from topic and body when the header is %s', (_claim, header) => {
    expect(identify('{"merchant_id":1}', { 'x-violet-event-id': header }).eventId).toBe(
      derivedFrom('OFFER_ADDED', '{"merchant_id":1}'),
    );
  });

  test('is derived when the topic is missing too, or the body unreadable', () => {
    expect(violet.identify({ headers: {}, body: Buffer.from('nonsense') }, { secrets: [] }).eventId).toBe(
      derivedFrom('', 'nonsense'),
    );
  });

  test('of a resend is the id of its source, with its own as alias', () => {
    expect(identify({ merchant_id: 1 }, { 'x-violet-event-id-source': '12' })).toMatchObject({
      kind: 'event',
      eventId: '12',
      aliases: ['77'],
    });
    expect(identify('nonsense', { 'x-violet-event-id-source': '12' })).toMatchObject({
      kind: 'unreadable',
      eventId: '12',
      aliases: ['77'],
    });
  });

  test('of a resend without an id of its own, or with the same, has no alias', () => {
    expect(identify({}, { 'x-violet-event-id': '', 'x-violet-event-id-source': '12' })).toMatchObject({
      eventId: '12',
      aliases: [],
    });
    expect(identify({}, { 'x-violet-event-id-source': '77' })).toMatchObject({ eventId: '77', aliases: [] });
  });

  test('of a resend that names no usable source is its own', () => {
    expect(identify({}, { 'x-violet-event-id-source': ' ' })).toMatchObject({ eventId: '77', aliases: [] });
    expect(identify({}, { 'x-violet-event-id-source': 'i'.repeat(EVENT_ID_MAX_LENGTH + 1) })).toMatchObject({
      eventId: '77',
      aliases: [],
    });
  });
});

test("the sender's own headers are kept, without the signature and without others", () => {
  const identity = identify({}, { 'x-violet-hmac': 'sig', 'x-violet-reason': 'plan', authorization: 'Bearer x', cookie: 'c' });
  expect(identity.headers).toEqual({ 'x-violet-event-id': '77', 'x-violet-topic': 'OFFER_ADDED', 'x-violet-reason': 'plan' });
});

test('what is signed for sending is verified and identified as the same event', () => {
  const settings = { secrets: ['s1', 's2'] };
  const body = '{"id":1,"merchant_id":10042}';
  const signed = violet.sign({ eventId: '900', topic: 'PRODUCT_SYNC_STARTED', body }, settings);
  const headers = Object.fromEntries(Object.entries(signed).map(([name, value]) => [name.toLowerCase(), value]));
  const delivery = { headers, body: Buffer.from(body) };
  expect(violet.verify(delivery, settings, 0)).toBe(true);
  expect(violet.identify(delivery, settings)).toMatchObject({
    eventId: '900',
    topic: 'PRODUCT_SYNC_STARTED',
    merchantId: '10042',
  });
  expect(signed['X-Violet-Entity-Length']).toBe(String(body.length));
});

import { type Identity, propexo, type Sender, senders, standard, synctec } from '../src';
import { vector } from './vectors';

function lowerCase(headers: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]));
}

function identify(sender: Sender, body: unknown, headers: Record<string, string> = {}): Identity {
  const bytes = Buffer.from(typeof body === 'string' ? body : JSON.stringify(body));
  return sender.identify({ headers, body: bytes }, { secrets: [] });
}

describe('propexo', () => {
  const sample = vector('propexo-sync');
  const verifies = (signature: string): boolean =>
    propexo.verify(
      { headers: { 'propexo-signature': signature }, body: Buffer.from(sample.body) },
      { secrets: ['x', sample.secret] },
      0,
    );

  test('verifies hex over the raw body, and nothing else', () => {
    expect(verifies(sample.expected)).toBe(true);
    for (const wrong of [
      '',
      'x',
      sample.expected.slice(2),
      `${sample.expected}00`,
      `sha256=${sample.expected}`,
      'é'.repeat(64),
    ]) {
      expect(verifies(wrong)).toBe(false);
    }
  });

  test('reads the envelope, the envelope with fewer fields, and the flat shapes', () => {
    const expected = { kind: 'event', topic: 'SYNC_COMPLETE', merchantId: 'cly3' };
    expect(identify(propexo, sample.body)).toMatchObject({ ...expected, merchantId: 'cly301lrc000009jvbp6vaz7i' });
    expect(identify(propexo, { trigger: 'SYNC_COMPLETE', data: { integration_id: 'cly3' } })).toMatchObject(expected);
    expect(identify(propexo, { data: { event: 'SYNC_COMPLETE', integration_id: 'cly3' } })).toMatchObject(expected);
    expect(identify(propexo, { event: 'SYNC_COMPLETE', integration_id: 'cly3', failed_job_count: 0 })).toMatchObject(expected);
    expect(identify(propexo, { integration_id: 'cly3', successful_job_count: 4, failed_job_count: 0 })).toMatchObject(expected);
  });

  test('has the same id for the same body, and another for another', () => {
    expect(identify(propexo, sample.body).eventId).toBe(identify(propexo, sample.body).eventId);
    expect(identify(propexo, sample.body).eventId).not.toBe(identify(propexo, sample.body.replace('49', '50')).eventId);
  });

  test('says why it cannot read a body', () => {
    expect(identify(propexo, 'x')).toMatchObject({ kind: 'unreadable', reason: 'unparseable', topic: undefined });
    expect(identify(propexo, { integration_id: 'c' })).toMatchObject({ kind: 'unreadable', reason: 'topic_missing' });
    expect(identify(propexo, { trigger: {}, integration_id: 'c' })).toMatchObject({
      kind: 'unreadable',
      reason: 'topic_invalid',
    });
    expect(identify(propexo, { trigger: 'SYNC_COMPLETE', data: { integration_id: [] } })).toMatchObject({
      reason: 'merchant_invalid',
    });
    expect(identify(propexo, { trigger: 'SYNC_COMPLETE', data: null })).toMatchObject({ kind: 'event', merchantId: undefined });
  });
});

describe('synctec', () => {
  const hex = vector('storelink-hex');
  const base64 = vector('storelink-base64');
  const github = vector('github');
  const verifies = (signature: string, { secret, body } = hex): boolean =>
    synctec.verify({ headers: { 'x-storelink-signature': signature }, body: Buffer.from(body) }, { secrets: [secret] }, 0);

  test('verifies hex and base64, with and without its prefix, and nothing else', () => {
    expect(verifies(hex.expected)).toBe(true);
    expect(verifies(base64.expected)).toBe(true);
    expect(verifies(`sha256=${hex.expected}`)).toBe(true);
    expect(verifies(`sha256=${base64.expected}`)).toBe(true);
    expect(verifies(github.expected, github)).toBe(true);
    for (const wrong of [
      '',
      'sha256=',
      'sha1=abc',
      `sha256=sha256=${hex.expected}`,
      `${base64.expected}x`,
      hex.expected.slice(1),
      '😀',
    ]) {
      expect(verifies(wrong)).toBe(false);
    }
  });

  test('reads topic and destination store', () => {
    expect(identify(synctec, hex.body)).toMatchObject({
      kind: 'event',
      topic: 'product.synced',
      merchantId: 'eu-store.myshopify.com',
    });
    expect(identify(synctec, { event: 'sync.failed', product: { title: 't' }, destination_store: 's' })).toMatchObject({
      merchantId: 's',
    });
    expect(identify(synctec, { event: 'sync.failed' })).toMatchObject({ kind: 'event', merchantId: undefined });
    expect(identify(synctec, {})).toMatchObject({ kind: 'unreadable', reason: 'topic_missing' });
    expect(identify(synctec, '[]')).toMatchObject({ kind: 'unreadable', reason: 'unparseable' });
  });

  test('knows an event by what, when, which item and which store, whatever else differs', () => {
    const { eventId } = identify(synctec, hex.body);
    expect(identify(synctec, hex.body.replace('success', 'ok')).eventId).toBe(eventId);
    for (const [from, to] of [
      ['synced', 'failed'],
      ['14:30', '14:31'],
      ['1234567890', '2'],
      ['eu-store', 'us-store'],
    ] as const) {
      expect(identify(synctec, hex.body.replace(from, to)).eventId).not.toBe(eventId);
    }
  });

  test('knows an event without an item id by its body', () => {
    const one = { event: 'sync.failed', timestamp: 't', product: { title: 'a' }, destination_store: 's' };
    expect(identify(synctec, one).eventId).toBe(identify(synctec, one).eventId);
    expect(identify(synctec, one).eventId).not.toBe(identify(synctec, { ...one, product: { title: 'b' } }).eventId);
  });
});

describe('standard', () => {
  const sample = vector('standard-webhooks-js');
  const sentAt = Number(sample.timestamp);
  const headers = {
    'webhook-id': sample.id ?? '',
    'webhook-timestamp': sample.timestamp ?? '',
    'webhook-signature': sample.expected,
  };
  const verifies = (
    changes: Record<string, string | undefined> = {},
    atSeconds = sentAt,
    secrets: readonly string[] = [sample.secret],
  ): boolean =>
    standard.verify({ headers: { ...headers, ...changes }, body: Buffer.from(sample.body) }, { secrets }, atSeconds * 1_000);

  test('verifies id, time and body with a secret in either form', () => {
    expect(verifies()).toBe(true);
    expect(verifies({}, sentAt, ['whsec_AAAA', sample.secret])).toBe(true);
    expect(verifies({}, sentAt, [sample.secret.slice('whsec_'.length)])).toBe(true);
    expect(verifies({ 'webhook-id': 'other' })).toBe(false);
    expect(verifies({ 'webhook-timestamp': String(sentAt + 1) })).toBe(false);
    expect(verifies({}, sentAt, ['whsec_AAAA'])).toBe(false);
    expect(verifies({}, sentAt, ['whsec_', ''])).toBe(false);
  });

  test('takes exactly 300 seconds of difference, and no more', () => {
    expect(verifies({}, sentAt + 300)).toBe(true);
    expect(verifies({}, sentAt - 300)).toBe(true);
    expect(verifies({}, sentAt + 301)).toBe(false);
    expect(verifies({}, sentAt - 301)).toBe(false);
  });

  test('takes any one of several signatures and skips unknown versions', () => {
    const other = `v1,${'A'.repeat(43)}=`;
    expect(verifies({ 'webhook-signature': `v1a,xyz ${other} ${sample.expected}` })).toBe(true);
    expect(verifies({ 'webhook-signature': `v2,${sample.expected.slice(3)} ${other}` })).toBe(false);
    expect(verifies({ 'webhook-signature': `${`${other} `.repeat(40)}${sample.expected}` })).toBe(false);
  });

  test.each<[string, Record<string, string | undefined>]>([
    ['the id is missing', { 'webhook-id': undefined }],
    ['the time is missing', { 'webhook-timestamp': undefined }],
    ['the signature is missing', { 'webhook-signature': undefined }],
    ['the time is no number', { 'webhook-timestamp': 'soon' }],
    ['the time is no whole number', { 'webhook-timestamp': `${sentAt}.0` }],
    ['the time is negative', { 'webhook-timestamp': '-1' }],
    ['the time is in another notation', { 'webhook-timestamp': `0x${sentAt.toString(16)}` }],
    ['the signature is malformed', { 'webhook-signature': 'v1' }],
    ['the signature is no base64', { 'webhook-signature': 'v1,%%%' }],
    ['the signature is multi-byte', { 'webhook-signature': `v1,${'é'.repeat(44)}` }],
    ['the signature has no version', { 'webhook-signature': sample.expected.slice(3) }],
  ])('does not verify, and nothing is thrown, when %s', (_claim, changes) => {
    expect(verifies(changes)).toBe(false);
  });

  test('reads id, topic and merchant, where its pointers say', () => {
    const body = Buffer.from('{"type":"a.b","kind":"c","data":{"merchant_id":7},"a/b":{"m~n":["x","y"]}}');
    expect(standard.identify({ headers, body }, { secrets: [] })).toMatchObject({
      eventId: sample.id,
      topic: 'a.b',
      merchantId: '7',
    });
    const pointers = { secrets: [], topicPointer: '/kind', merchantPointer: '/a~1b/m~0n/1' };
    expect(standard.identify({ headers, body }, pointers)).toMatchObject({ topic: 'c', merchantId: 'y' });
    expect(standard.identify({ headers, body }, { secrets: [], merchantPointer: '/a~1b/constructor/name' })).toMatchObject({
      merchantId: undefined,
    });
    expect(standard.identify({ headers, body: Buffer.from('{}') }, { secrets: [] })).toMatchObject({
      kind: 'unreadable',
      reason: 'topic_missing',
    });
  });
});

test.each(Object.values(senders))('what $source signs, it verifies, and its headers are all it needs', (sender) => {
  const settings = { secrets: ['whsec_c2VjcmV0', 'other'] };
  const message = { eventId: 'e1', topic: 'T', body: '{"a":"é"}', sentAtMs: 1_700_000_000_000 };
  const headers = lowerCase(sender.sign(message, settings));
  const body = Buffer.from(message.body);
  expect(sender.verify({ headers, body }, settings, message.sentAtMs)).toBe(true);
  expect(sender.verify({ headers, body: Buffer.from('{}') }, settings, message.sentAtMs)).toBe(false);
  expect(sender.signatureHeaders.every((name) => headers[name])).toBe(true);
  expect(sender.verify({ headers: {}, body }, settings, message.sentAtMs)).toBe(false);
});

test('every sender is found under its own source', () => {
  for (const [source, sender] of Object.entries(senders)) expect(sender.source).toBe(source);
});

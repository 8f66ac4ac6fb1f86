import { senders } from '@syncline/senders';
import { waitFor } from '@syncline/testkit';
import { BODY_LIMIT_BYTES, SECRET, serve, signed, type TestIngress } from './serve';

const OFFER = '{"id":248519,"name":"Café – naïve 😀","merchant_id":10042}';

let ingress: TestIngress;
beforeEach(async () => {
  ingress = await serve({ now: () => 1_700_000_000_000 });
});
afterEach(() => ingress.stop());

describe('a genuine delivery', () => {
  test('that is new is answered 202 with its event id and lane, and kept as sent', async () => {
    const answer = await ingress.post('/webhooks/violet', OFFER, signed(OFFER, { 'X-Violet-Webhook-Id': '9' }, 'e-1'));
    expect(answer).toMatchObject({ status: 202, body: { status: 'accepted', eventId: 'e-1', lane: 'violet:10042' } });
    expect(Object.keys(answer.body as object)).toEqual(['status', 'eventId', 'lane']);
    expect(ingress.acceptor.kept).toEqual([
      {
        event: {
          source: 'violet',
          eventId: 'e-1',
          topic: 'OFFER_ADDED',
          lane: 'violet:10042',
          receivedAt: 1_700_000_000_000,
          headers: {
            'x-violet-topic': 'OFFER_ADDED',
            'x-violet-event-id': 'e-1',
            'x-violet-webhook-id': '9',
            'x-violet-entity-length': String(Buffer.byteLength(OFFER)),
          },
          body: OFFER,
          bodyEncoding: 'utf8',
        },
        aliases: [],
      },
    ]);
  });

  test('of an event seen before is answered 200 duplicate', async () => {
    await ingress.post('/webhooks/violet', OFFER, signed(OFFER));
    const again = await ingress.post('/webhooks/violet', OFFER, signed(OFFER));
    expect(again).toMatchObject({ status: 200, body: { status: 'duplicate', eventId: '1' } });
    expect(ingress.acceptor.kept).toHaveLength(1);
  });

  test('that resends an event seen before is a duplicate, and one of an event never seen is accepted as that event', async () => {
    await ingress.post('/webhooks/violet', OFFER, signed(OFFER, {}, '5'));
    const resend = await ingress.post('/webhooks/violet', OFFER, signed(OFFER, { 'X-Violet-Event-Id-Source': '5' }, '9'));
    expect(resend).toMatchObject({ status: 200, body: { status: 'duplicate', eventId: '5' } });
    const unseen = await ingress.post('/webhooks/violet', OFFER, signed(OFFER, { 'X-Violet-Event-Id-Source': '6' }, '10'));
    expect(unseen).toMatchObject({ status: 202, body: { eventId: '6' } });
    expect(ingress.acceptor.kept.at(-1)?.aliases).toEqual(['10']);
  });

  test.each([
    'application/json',
    'text/plain',
    'application/x-www-form-urlencoded',
    'multipart/form-data; boundary=x',
    'application/json; charset=utf-16',
    'nonsense',
  ])('is accepted whatever its content type: %s', async (contentType) => {
    expect(await ingress.post('/webhooks/violet', OFFER, signed(OFFER, { 'Content-Type': contentType }))).toMatchObject({
      status: 202,
    });
  });

  test('may come with a query, with identity as encoding, and in chunks', async () => {
    const headers = signed(OFFER, { 'Content-Encoding': 'Identity' });
    expect(await ingress.post('/webhooks/violet?tag=1', OFFER, headers)).toMatchObject({ status: 202 });
    const chunked = `POST /webhooks/violet HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n${lines(signed('{"merchant_id":1}', {}, '2'))}\r\n8\r\n{"mercha\r\n9\r\nnt_id":1}\r\n0\r\n\r\n`;
    expect(await ingress.raw(chunked)).toContain('"lane":"violet:1"');
  });

  test('may be as large as the limit', async () => {
    const body = `{"merchant_id":1,"a":"${'x'.repeat(BODY_LIMIT_BYTES - 24)}"}`;
    expect(Buffer.byteLength(body)).toBe(BODY_LIMIT_BYTES);
    expect(await ingress.post('/webhooks/violet', body, signed(body))).toMatchObject({ status: 202 });
  });

  test('without an event id is accepted under a derived one, the same each time', async () => {
    const headers = signed(OFFER, { 'X-Violet-Event-Id': '' });
    const first = await ingress.post('/webhooks/violet', OFFER, headers);
    expect(first).toMatchObject({ status: 202, body: { eventId: expect.stringMatching(/^derived-[0-9a-f]{64}$/) } });
    expect(await ingress.post('/webhooks/violet', OFFER, headers)).toMatchObject({
      status: 200,
      body: { eventId: (first.body as { eventId: string }).eventId },
    });
  });

  test('verifies with any of several secrets', async () => {
    await ingress.stop();
    ingress = await serve({ sources: [{ sender: senders.violet, settings: { secrets: ['old', SECRET] } }] });
    expect(await ingress.post('/webhooks/violet', OFFER, signed(OFFER))).toMatchObject({ status: 202 });
    const old = senders.violet.sign({ eventId: '2', topic: 'OFFER_ADDED', body: OFFER }, { secrets: ['old'] });
    expect(await ingress.post('/webhooks/violet', OFFER, old)).toMatchObject({ status: 202 });
  });

  test('of another sender is accepted in that source', async () => {
    const body = '{"trigger":"SYNC_COMPLETE","data":{"integration_id":"cly3","failed_job_count":0}}';
    const headers = senders.propexo.sign({ eventId: '', topic: '', body }, { secrets: ['propexo-test-secret'] });
    expect(await ingress.post('/webhooks/propexo', body, headers)).toMatchObject({ status: 202, body: { lane: 'propexo:cly3' } });
  });
});

describe('a genuine delivery of a topic without a handler', () => {
  test.each([
    ['without a merchant', 'TRANSFER_SENT', '{"id":1}'],
    ['of several merchants', 'ORDER_UPDATED', '{"bags":[{"merchant_id":1},{"merchant_id":2}]}'],
    ['that is no JSON', 'SOMETHING_NEW', 'nonsense'],
    ['that is empty', 'SOMETHING_NEW', ''],
    ['that is nested too deep', 'SOMETHING_NEW', `${'['.repeat(300)}${']'.repeat(300)}`],
    ['whose merchant is invalid', 'SOMETHING_NEW', '{"merchant_id":1.5}'],
  ])('%s is accepted in the lane without merchant', async (_claim, topic, body) => {
    const answer = await ingress.post('/webhooks/violet', body, signed(body, {}, '1', topic));
    expect(answer).toMatchObject({ status: 202, body: { status: 'accepted', eventId: '1', lane: 'violet:_' } });
    expect(ingress.acceptor.kept[0]).toMatchObject({ event: { topic, body, lane: 'violet:_' } });
    expect(ingress.acceptor.kept[0]).not.toHaveProperty('quarantine');
  });

  test("with a merchant is accepted in that merchant's lane", async () => {
    const body = '{"merchant_id":7}';
    const answer = await ingress.post('/webhooks/violet', body, signed(body, {}, '1', 'SOMETHING_NEW'));
    expect(answer).toMatchObject({ status: 202, body: { status: 'accepted', lane: 'violet:7' } });
  });
});

describe('a genuine delivery is quarantined', () => {
  test.each<[string, string, Record<string, string>, string]>([
    ['when its body is no JSON', 'nonsense', {}, 'unparseable'],
    ['when its body is empty', '', {}, 'unparseable'],
    ['when its body is an array', '[]', {}, 'unparseable'],
    ['when its body is nested deeper than 200', `{"merchant_id":1,"a":${'['.repeat(200)}${']'.repeat(200)}}`, {}, 'too_deep'],
    ['when its merchant is missing', '{"id":1}', {}, 'merchant_missing'],
    ['when its merchant has lost digits', '{"merchant_id":9007199254740993}', {}, 'merchant_invalid'],
    ['when its topic is missing', '{"merchant_id":1}', { 'X-Violet-Topic': '' }, 'topic_missing'],
    ['when its topic is no topic', '{"merchant_id":1}', { 'X-Violet-Topic': 'T'.repeat(500) }, 'topic_invalid'],
  ])('%s', async (_claim, body, headers, reason) => {
    const answer = await ingress.post('/webhooks/violet', body, signed(body, headers));
    expect(answer).toMatchObject({ status: 202, body: { status: 'quarantined', eventId: '1', reason } });
    expect(ingress.acceptor.kept[0]).toMatchObject({
      event: { body, lane: 'violet:_' },
      quarantine: { reason, message: expect.stringContaining('Expected') },
    });
    expect(await ingress.post('/webhooks/violet', body, signed(body, headers))).toMatchObject({
      status: 200,
      body: { status: 'duplicate' },
    });
  });

  test('with every byte kept when its body is no text', async () => {
    const body = Buffer.from([0x7b, 0xff, 0x00, 0x7d]);
    const answer = await ingress.post('/webhooks/violet', body, signed(body));
    expect(answer).toMatchObject({ status: 202, body: { status: 'quarantined', reason: 'unparseable' } });
    expect(ingress.acceptor.kept[0]?.event).toMatchObject({ body: body.toString('base64'), bodyEncoding: 'base64' });
  });
});

test('an event is kept also when its sender leaves before the answer', async () => {
  let open = (): void => undefined;
  ingress.acceptor.gate = new Promise((resolve) => {
    open = resolve;
  });
  const leaving = new AbortController();
  const post = fetch(`http://127.0.0.1:${ingress.port}/webhooks/violet`, {
    method: 'POST',
    body: OFFER,
    headers: signed(OFFER),
    signal: leaving.signal,
  });
  await waitFor(() => ingress.acceptor.calls > 0);
  leaving.abort();
  await expect(post).rejects.toThrow('aborted');
  open();
  await waitFor(() => ingress.lines.length > 0);
  expect(ingress.acceptor.kept).toHaveLength(1);
  expect(ingress.lines).toEqual([
    expect.objectContaining({ level: 'debug', fields: expect.objectContaining({ outcome: 'accepted' }) }),
  ]);
});

function lines(headers: Record<string, string>): string {
  return Object.entries(headers)
    .map(([name, value]) => `${name}: ${value}\r\n`)
    .join('');
}

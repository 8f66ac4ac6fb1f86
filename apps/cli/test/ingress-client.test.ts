import { createHmac } from 'node:crypto';
import { setMaxListeners } from 'node:events';
import { CommandFailure, Interrupted } from '../src/failure';
import { createIngressClient, type IngressClient, type IngressClientSettings, requireIngress } from '../src/ingress-client';
import { type PlannedEvent, simulatedSenders } from '../src/senders';
import { createTestClock, type Receiver, type Reply, startReceiver } from './receiver';

const SECRET = 'a secret of the tests';
const event: PlannedEvent = {
  topic: 'OFFER_ADDED',
  entityId: 42,
  date: 0,
  body: () => ({ id: 42, merchant_id: 7, name: 'Crème – ⛰' }),
  reason: 'Because',
};
const taken: Reply = { status: 202, body: { status: 'accepted', eventId: 'e1', lane: 'violet:7' } };

let receiver: Receiver | undefined;
let client: IngressClient | undefined;
afterEach(async () => {
  client?.close();
  client = undefined;
  await receiver?.close();
  receiver = undefined;
});

async function settingsFor(reply: (count: number) => Reply, changes: Partial<IngressClientSettings> = {}) {
  receiver = await startReceiver((_request, count) => reply(count));
  const clock = createTestClock();
  const retries: { reason: string; delayMs: number }[] = [];
  const settings: IngressClientSettings = {
    ingressUrl: receiver.url,
    source: 'violet',
    secretVariable: 'VIOLET_APP_SECRET',
    connections: 4,
    clock,
    signal: new AbortController().signal,
    onRetry: ({ reason, delayMs }) => retries.push({ reason, delayMs }),
    ...changes,
  };
  return { receiver, clock, retries, settings };
}

/** Sends one event as Violet does, and gives the word of the answer that took it. */
async function send(
  settings: IngressClientSettings,
  {
    sent = event,
    eventId = 'e1',
    signatureEncoding = 'base64',
  }: { sent?: PlannedEvent; eventId?: string; signatureEncoding?: 'base64' | 'hex' } = {},
): Promise<string> {
  client ??= createIngressClient(settings);
  const written = () => simulatedSenders.violet.write(sent, { eventId }, { secrets: [SECRET], signatureEncoding }, 0);
  return (await client.deliver(written)).status;
}

test.each(['base64', 'hex'] as const)(
  'a delivery is signed over its raw bytes (%s) and says what it is',
  async (signatureEncoding) => {
    const { receiver: at, settings } = await settingsFor(() => taken);
    expect(await send(settings, { signatureEncoding })).toBe('accepted');
    const [request] = at.received;
    const body = request?.body ?? Buffer.alloc(0);
    expect(request?.method).toBe('POST');
    expect(request?.path).toBe('/webhooks/violet');
    expect(JSON.parse(body.toString())).toEqual(event.body());
    expect(request?.headers).toMatchObject({
      'x-violet-hmac': createHmac('sha256', SECRET).update(body).digest(signatureEncoding),
      'x-violet-topic': 'OFFER_ADDED',
      'x-violet-event-id': 'e1',
      'x-violet-entity-id': '42',
      'x-violet-entity-length': String(body.length),
      'x-violet-reason': 'Because',
      'x-violet-webhook-id': expect.stringMatching(/^\d+$/),
      'content-type': 'application/json',
    });
  },
);

test('a topic has one webhook id, and two topics have two', async () => {
  const { receiver: at, settings } = await settingsFor(() => taken);
  await send(settings, { eventId: 'e1' });
  await send(settings, { eventId: 'e2' });
  await send(settings, { eventId: 'e3', sent: { ...event, topic: 'OFFER_UPDATED' } });
  const [first, second, third] = at.received.map(({ headers }) => headers['x-violet-webhook-id']);
  expect(first).toBe(second);
  expect(third).not.toBe(first);
});

test.each([
  [200, 'duplicate'],
  [202, 'quarantined'],
])('%i %s is an answer that takes the event', async (status, word) => {
  const { settings } = await settingsFor(() => ({ status, body: { status: word, eventId: 'e1' } }));
  expect(await send(settings)).toBe(word);
});

describe('an event that is not taken', () => {
  test('with 503 is sent again, the same bytes under the same id, after Retry-After', async () => {
    const refused: Reply = {
      status: 503,
      headers: { 'Retry-After': '7' },
      body: { error: { code: 'unavailable', message: 'no' } },
    };
    const { receiver: at, clock, retries, settings } = await settingsFor((count) => (count <= 2 ? refused : taken));
    expect(await send(settings)).toBe('accepted');
    expect(clock.slept).toEqual([7_000, 7_000]);
    expect(retries).toEqual([
      { reason: 'answer 503', delayMs: 7_000 },
      { reason: 'answer 503', delayMs: 7_000 },
    ]);
    expect(at.received).toHaveLength(3);
    expect(new Set(at.received.map(({ headers }) => headers['x-violet-event-id']))).toEqual(new Set(['e1']));
    expect(new Set(at.received.map(({ body }) => body.toString())).size).toBe(1);
  });

  test.each([500, 502, 504, 429])('with %i is sent again after a second', async (status) => {
    const { clock, settings } = await settingsFor((count) => (count === 1 ? { status } : taken));
    expect(await send(settings)).toBe('accepted');
    expect(clock.slept).toEqual([1_000]);
  });

  test('because the connection broke is sent again', async () => {
    const { retries, settings } = await settingsFor((count) => (count === 1 ? 'hang up' : taken));
    expect(await send(settings)).toBe('accepted');
    expect(retries).toHaveLength(1);
  });

  test('is given up after ten attempts', async () => {
    const { receiver: at, settings } = await settingsFor(() => ({ status: 503 }));
    await expect(send(settings)).rejects.toThrow('within 10 attempts, got answer 503');
    expect(at.received).toHaveLength(10);
  });

  test.each([
    [401, 'VIOLET_APP_SECRET'],
    [404, '--ingress'],
    [413, 'BODY_LIMIT_BYTES'],
    [405, 'got 405'],
    [415, 'got 415'],
  ])('with %i is not sent again, and the failure says what to do: %s', async (status, advice) => {
    const { receiver: at, settings } = await settingsFor(() => ({ status }));
    const sending = send(settings);
    await expect(sending).rejects.toBeInstanceOf(CommandFailure);
    await expect(sending).rejects.toThrow(advice);
    await expect(sending).rejects.not.toThrow(SECRET);
    expect(at.received).toHaveLength(1);
  });

  test.each([{}, 'no JSON', null, [], { status: 'ok' }, { status: 'accepted' }])(
    'by something else that answers 200 with %j is a failure',
    async (body) => {
      const { settings } = await settingsFor(() => ({ status: 200, body }));
      await expect(send(settings)).rejects.toThrow('Check --ingress');
    },
  );

  test('because the operator stopped is not sent again', async () => {
    const stopping = new AbortController();
    const { receiver: at, settings } = await settingsFor(
      () => {
        stopping.abort();
        return { status: 503 };
      },
      { signal: stopping.signal },
    );
    await expect(send(settings)).rejects.toBeInstanceOf(Interrupted);
    expect(at.received).toHaveLength(1);
  });
});

test('deliveries one after the other share a connection, and many at once no more than they may', async () => {
  const { signal } = new AbortController();
  setMaxListeners(0, signal);
  const { receiver: at, settings } = await settingsFor(() => taken, { connections: 3, signal });
  await send(settings);
  await send(settings);
  expect(at.connections()).toBe(1);
  await Promise.all(Array.from({ length: 20 }, (_item, index) => send(settings, { eventId: `m${index}` })));
  expect(at.connections()).toBeLessThanOrEqual(3);
  expect(at.received).toHaveLength(22);
});

test('an answer cut off in the middle takes nothing: the delivery is repeated', async () => {
  const { retries, settings } = await settingsFor((count) =>
    count === 1 ? { status: 202, headers: { 'Content-Length': '500' }, body: taken, cut: true } : taken,
  );
  expect(await send(settings)).toBe('accepted');
  expect(retries).toHaveLength(1);
});

describe('looking for the ingress', () => {
  const signal = new AbortController().signal;

  test('fails where nothing listens, and asks whether it is running', async () => {
    const gone = await startReceiver(() => taken);
    await gone.close();
    await expect(requireIngress({ ingressUrl: gone.url, signal })).rejects.toThrow(/ECONNREFUSED.*Is `npm start` running\?/s);
  });

  test('is content with any answer', async () => {
    receiver = await startReceiver(() => ({ status: 404 }));
    await expect(requireIngress({ ingressUrl: receiver.url, signal })).resolves.toBeUndefined();
  });

  test('ends when the operator stops', async () => {
    await expect(requireIngress({ ingressUrl: 'http://127.0.0.1:9', signal: AbortSignal.abort() })).rejects.toBeInstanceOf(
      Interrupted,
    );
  });
});

import fs from 'node:fs';
import path from 'node:path';
import { createDecider, type Handler } from '@syncline/catalog';
import { defaultRetryPolicy, sideLaneOf } from '@syncline/events';
import {
  createAcceptor,
  createInspector,
  createOperator,
  createTurnWorker,
  type Inspector,
  type TurnWorkerSettings,
} from '@syncline/lanes';
import { standard } from '@syncline/senders';
import { startTestRedis, type TestRedis, temporaryFolder, waitFor } from '@syncline/testkit';
import { createDeliveryHandler, createNotifier, type DeliveryOutcome, type DeliverySettings, readNotices } from '../src/index';
import { answering, Receiver } from './receiver';

const silent = { debug() {}, info() {}, warn() {}, error() {} };
const SECRETS = [7, 8].map((byte) => `whsec_${Buffer.alloc(32, byte).toString('base64')}`);
const [SECRET = '', OLD_SECRET = ''] = SECRETS;

let redis: TestRedis;
let receiver: Receiver;
let prefix: string;
let inspector: Inspector;
let nextId = 0;
const ends: (() => Promise<void>)[] = [];

beforeAll(async () => {
  redis = await startTestRedis();
});
afterAll(() => redis.stop());
beforeEach(async () => {
  receiver = await new Receiver().start();
  prefix = `notices-${++nextId}`;
  inspector = createInspector(storeSettings());
  ends.push(() => receiver.stop());
  ends.push(() => inspector.stop());
});
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

const storeSettings = () => ({ redisUrl: redis.url, prefix, shards: 1, dedupWindowMs: () => 3_600_000, log: silent });
const env = () => ({ SECRET, OLD_SECRET, URL_OF_CHAT: `${receiver.url}/services/hidden-part` });
const hook = (given: Record<string, unknown> = {}) => ({ type: 'webhook', url: `${receiver.url}/hook`, kinds: ['*'], ...given });

/** Gives a notice `told` with the event's payload as its data. */
const teller: Handler = {
  source: 'violet',
  topics: ['ORDER_UPDATED'],
  handle: ({ payload }, merchant) => merchant.notice('told', payload as Record<string, unknown>),
};

async function startWorker(
  destinations: Record<string, unknown>,
  settings: Partial<TurnWorkerSettings> & Pick<Partial<DeliverySettings>, 'unknownWaitMs'> = {},
) {
  const result = readNotices(JSON.stringify({ allowPrivateHosts: ['localhost'], destinations }), env(), '/');
  if ('problems' in result) throw new Error(result.problems.join('\n'));
  const outcomes: [string, DeliveryOutcome][] = [];
  const { unknownWaitMs, ...overrides } = settings;
  const handler = createDeliveryHandler({
    config: result.config,
    observe: (...outcome) => void outcomes.push(outcome),
    unknownWaitMs,
  });
  const worker = createTurnWorker({
    redisUrl: redis.url,
    prefix,
    shards: 1,
    decider: createDecider([teller, handler], { notify: createNotifier(result.config) }),
    retry: { ...defaultRetryPolicy, baseMs: 10, capMs: 20 },
    failurePolicy: () => 'park',
    handlerTimeoutMs: 5_000,
    turnMaxEvents: 100,
    turnMaxBytes: 512 * 1024,
    historyMaxItems: 10_000,
    historyMaxAgeMs: 3_600_000,
    concurrency: 20,
    observer: { attempted() {}, committed() {}, retried() {}, fenced() {}, rescued() {}, violated() {} },
    log: silent,
    ...overrides,
  });
  await worker.start();
  const stop = (): Promise<void> => worker.stop(1_000);
  ends.push(stop);
  return { outcomes, stop };
}

async function tell(merchantId: string, ...datas: unknown[]): Promise<void> {
  const acceptor = createAcceptor({
    redisUrl: redis.url,
    prefix,
    shards: 1,
    acceptTimeoutMs: 8_000,
    tryTimeoutMs: 1_500,
    dedupWindowMs: () => 3_600_000,
    waitReplicas: 0,
    log: silent,
    onMismatch: (error) => {
      throw error;
    },
  });
  acceptor.start();
  for (const data of datas) {
    const event = {
      source: 'violet',
      eventId: `event-${++nextId}`,
      topic: 'ORDER_UPDATED',
      lane: `violet:${merchantId}`,
      receivedAt: Date.now(),
      headers: {},
      body: JSON.stringify(data),
      bodyEncoding: 'utf8' as const,
    };
    await waitFor(async () => (await acceptor.accept({ event, aliases: [] })).status === 'accepted');
  }
  await acceptor.stop(1_000);
}

const laneOf = (merchantId: string, destination: string) => inspector.lane(sideLaneOf(`violet:${merchantId}`, destination));
const ns = (from: Receiver = receiver): unknown[] =>
  from.received.map(({ body }) => (JSON.parse(body) as { data: { n: unknown } }).data.n);
const deadLetters = async () => (await inspector.deadLetters({}, { limit: 100 })).items;

test('a notice reaches every destination that it is for, each in a lane of its own beside the merchant’s', async () => {
  const folder = temporaryFolder();
  await startWorker({
    hook: hook(),
    chat: { type: 'slack', url: { secretFrom: 'URL_OF_CHAT' }, kinds: ['told'] },
    log: { type: 'file', path: path.join(folder, 'log'), format: 'ndjson', kinds: ['t*'] },
    other: hook({ kinds: ['sync.*'] }),
  });
  await tell('1', { n: 1 });
  await waitFor(() => receiver.received.length === 2 && fs.existsSync(path.join(folder, 'log')));
  for (const name of ['hook', 'chat', 'log']) {
    await waitFor(async () => (await laneOf('1', name))?.state === 'idle', { message: `the lane of ${name} to be idle` });
  }
  expect(await laneOf('1', 'other')).toBeUndefined();
  const posted = receiver.received.find((one) => one.path === '/hook');
  const told = { type: 'told', source: 'violet', merchantId: '1', data: { n: 1 } };
  expect(JSON.parse(posted?.body ?? '')).toMatchObject({ ...told, id: posted?.headers['webhook-id'] });
  const line = JSON.parse(fs.readFileSync(path.join(folder, 'log'), 'utf8')) as { id: string };
  expect(line).toMatchObject(told);
  expect(line.id).not.toBe(posted?.headers['webhook-id']);
  expect(receiver.received.find((one) => one.path === '/services/hidden-part')?.body).toContain('merchant 1 of violet');
});

test('a webhook is signed with each secret, so that a receiver that knows either takes it', async () => {
  await startWorker({ hook: hook({ secrets: [{ secretFrom: 'SECRET' }, { secretFrom: 'OLD_SECRET' }] }) });
  await tell('1', { n: 'ä' });
  const { headers, body } = await waitFor(() => receiver.received[0]);
  const delivery = { headers, body: Buffer.from(body) };
  for (const secret of SECRETS) expect(standard.verify(delivery, { secrets: [secret] }, Date.now())).toBe(true);
  const stranger = `whsec_${Buffer.alloc(32, 9).toString('base64')}`;
  expect(standard.verify(delivery, { secrets: [stranger] }, Date.now())).toBe(false);
  expect(standard.verify({ ...delivery, body: Buffer.from(`${body} `) }, { secrets: SECRETS }, Date.now())).toBe(false);
});

test('a delivery that fails comes again under the same id, and those behind it wait for it', async () => {
  let fails = 3;
  receiver.answer = (request, response) => answering(fails-- > 0 ? 500 : 204)(request, response);
  const { outcomes } = await startWorker({ hook: hook() });
  await tell('1', { n: 1 }, { n: 2 }, { n: 3 });
  await waitFor(() => outcomes.filter(([, outcome]) => outcome === 'delivered').length === 3);
  expect(ns()).toEqual([1, 1, 1, 1, 2, 3]);
  const ids = receiver.received.map(({ headers }) => headers['webhook-id']);
  expect(new Set(ids.slice(0, 4)).size).toBe(1);
  expect(new Set(ids).size).toBe(3);
  expect(receiver.received.map(({ headers }) => headers['idempotency-key'])).toEqual(ids);
  expect(outcomes.filter(([, outcome]) => outcome === 'failed')).toHaveLength(3);
});

test('a destination that hangs holds up neither the merchant nor another destination', async () => {
  const hanging = await new Receiver().start();
  ends.push(() => hanging.stop());
  hanging.answer = () => undefined;
  await startWorker({ slow: hook({ url: `${hanging.url}/` }), hook: hook() }, { handlerTimeoutMs: 30_000 });
  await tell('1', { n: 1 }, { n: 2 });
  await waitFor(() => ns().length === 2);
  await waitFor(() => hanging.received.length === 1);
  await waitFor(async () => (await inspector.lane('violet:1'))?.state === 'idle');
  expect(ns(hanging)).toEqual([1]);
  expect(await laneOf('1', 'slow')).toMatchObject({ depth: 2 });
});

test('destinations that hang for many merchants leave the worker free for events and for other destinations', async () => {
  const hanging = await new Receiver().start();
  ends.push(() => hanging.stop());
  hanging.answer = () => undefined;
  const slow = hook({ url: `${hanging.url}/`, concurrency: 2 });
  await startWorker({ slow, hook: hook() }, { handlerTimeoutMs: 30_000, concurrency: 4 });
  const merchants = Array.from({ length: 12 }, (_, index) => String(index));
  for (const merchant of merchants) await tell(merchant, { n: merchant });
  await waitFor(() => ns().length === merchants.length && hanging.received.length >= 2);
  expect(hanging.received).toHaveLength(2);
});

test('a delivery that was cut off, whether it arrived or not, comes again under the same id', async () => {
  receiver.answer = (request, response) => {
    if (receiver.received.length > 1) answering(200)(request, response);
  };
  await startWorker({ hook: hook() }, { handlerTimeoutMs: 2_000 });
  await tell('1', { n: 1 });
  await waitFor(async () => (await laneOf('1', 'hook'))?.state === 'idle');
  const [first, second] = receiver.received;
  expect(second?.headers['webhook-id']).toBe(first?.headers['webhook-id']);
  expect(receiver.received).toHaveLength(2);
});

test('what the destination refuses for good is a dead letter with the reason, and those behind it are delivered', async () => {
  receiver.answer = (request, response) => answering(request.body.includes('"n":1') ? 410 : 200)(request, response);
  const { outcomes } = await startWorker({ hook: hook() });
  await tell('1', { n: 1 }, { n: 2 });
  await waitFor(() => outcomes.length === 2);
  expect(ns()).toEqual([1, 2]);
  expect(await deadLetters()).toMatchObject([{ topic: 'syncline.delivery', reason: 'destination_refused', attempts: 1 }]);
  expect(outcomes.map(([, outcome]) => outcome)).toEqual(['refused', 'delivered']);
});

test('a template that makes no JSON of a notice is a dead letter, and nothing is sent', async () => {
  await startWorker({ hook: hook({ template: '{"n":{{data.n}}}' }) });
  await tell('1', { n: 'x"y' }, { n: 5 });
  await waitFor(() => receiver.received.length === 1);
  expect(receiver.received[0]?.body).toBe('{"n":5}');
  expect(await deadLetters()).toMatchObject([{ reason: 'template_invalid' }]);
});

test('a delivery that waits for the rate uses up no attempt, and all are delivered', async () => {
  for (let merchant = 1; merchant <= 6; merchant++) await tell(String(merchant), { n: `${merchant}a` }, { n: `${merchant}b` });
  const { outcomes } = await startWorker(
    { hook: hook({ rate: { perSecond: 10 } }) },
    { retry: { ...defaultRetryPolicy, maxAttempts: 1 } },
  );
  await waitFor(() => ns().length === 12);
  expect(await deadLetters()).toEqual([]);
  expect(new Set(outcomes.map(([, outcome]) => outcome))).toEqual(new Set(['deferred', 'delivered']));
  for (let merchant = 1; merchant <= 6; merchant++) {
    expect(ns().filter((n) => String(n).startsWith(String(merchant)))).toEqual([`${merchant}a`, `${merchant}b`]);
  }
});

test('dead letters that are replayed all at once keep to the rate too, and none is lost again', async () => {
  receiver.answer = answering(403);
  const { outcomes } = await startWorker({ hook: hook({ rate: { perSecond: 10 } }) });
  for (let merchant = 1; merchant <= 5; merchant++) await tell(String(merchant), { n: merchant });
  await waitFor(async () => (await deadLetters()).length === 5);
  const idsBefore = receiver.received.map(({ headers }) => headers['webhook-id']);
  receiver.received.length = 0;
  outcomes.length = 0;
  receiver.answer = answering(200);
  const operator = createOperator(storeSettings());
  ends.push(() => operator.stop());
  await waitFor(
    async () => (await operator.replayAll({ topic: 'syncline.delivery' }, { limit: 100, dryRun: false })).matched === 5,
  );
  await waitFor(() => receiver.received.length === 5);
  expect(outcomes).toContainEqual(['hook', 'deferred']);
  expect(new Set(ns())).toEqual(new Set([1, 2, 3, 4, 5]));
  expect(new Set(receiver.received.map(({ headers }) => headers['webhook-id']))).toEqual(new Set(idsBefore));
  expect(await deadLetters()).toEqual([]);
});

test('a destination that asks for time is left alone by every merchant, and then gets what waited', async () => {
  receiver.answer = (request, response) => {
    if (receiver.received.length === 1) answering(429, { 'retry-after': '3' })(request, response);
    else answering(200)(request, response);
  };
  const { outcomes } = await startWorker({ hook: hook() });
  await tell('1', { n: 1 });
  await waitFor(() => outcomes.length === 1);
  await tell('2', { n: 2 });
  await waitFor(() => ns().length === 3);
  expect(outcomes.slice(0, 2).map(([, outcome]) => outcome)).toEqual(['failed', 'deferred']);
  expect(await deadLetters()).toEqual([]);
});

describe('a destination that the configuration no longer has', () => {
  async function leaveOneWaiting(): Promise<void> {
    receiver.answer = answering(503, { 'retry-after': '1' });
    const { stop, outcomes } = await startWorker({ hook: hook() });
    await tell('1', { n: 1 });
    await waitFor(() => outcomes.length > 0);
    await stop();
    receiver.answer = answering(200);
  }

  it('leaves a delivery waiting for a worker that knows it, for a while and uncounted', async () => {
    await leaveOneWaiting();
    const old = await startWorker({});
    await waitFor(() => old.outcomes.length > 0);
    expect(old.outcomes).toEqual([['unknown', 'deferred']]);
    await waitFor(async () => (await laneOf('1', 'hook'))?.lastError?.includes('Expected the destination hook in NOTICES_FILE'));
    expect(await laneOf('1', 'hook')).toMatchObject({ state: 'retrying', headAttempts: 1 });
  });

  it('makes a dead letter of it after that, which says so', async () => {
    await leaveOneWaiting();
    const { outcomes } = await startWorker({}, { unknownWaitMs: 0 });
    const [letter] = await waitFor(async () => {
      const letters = await deadLetters();
      return letters.length > 0 && letters;
    });
    expect(letter).toMatchObject({ reason: 'destination_removed', message: expect.stringContaining('hook') });
    expect(outcomes).toEqual([['unknown', 'refused']]);
  });
});

test('a secret is neither in what is stored nor in what is told of a failure', async () => {
  receiver.answer = answering(403);
  await startWorker({
    chat: { type: 'slack', url: { secretFrom: 'URL_OF_CHAT' }, kinds: ['*'] },
    hook: hook({ secrets: [{ secretFrom: 'SECRET' }], headers: { authorization: { secretFrom: 'OLD_SECRET' } } }),
  });
  await tell('1', { n: 1 });
  await waitFor(async () => (await deadLetters()).length === 2);
  const letters = await Promise.all((await deadLetters()).map(({ id }) => inspector.deadLetter(id)));
  expect(JSON.stringify(letters)).toContain('destination_refused');
  const stored = fs
    .readdirSync(redis.directory, { recursive: true, encoding: 'utf8' })
    .map((name) => path.join(redis.directory, name))
    .filter((file) => fs.statSync(file).isFile())
    .map((file) => fs.readFileSync(file, 'latin1'));
  expect(stored.join()).toContain('syncline.delivery');
  for (const secret of ['hidden-part', ...SECRETS.map((text) => text.slice(6))]) {
    expect(`${JSON.stringify(letters)}${stored.join()}`).not.toContain(secret);
  }
});

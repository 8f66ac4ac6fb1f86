import { setMaxListeners } from 'node:events';
import { senders } from '@syncline/senders';
import { type SpawnedApp, spawnApp, startTestRedis, type TestRedis, temporaryFolder, waitFor } from '@syncline/testkit';
import { systemClock } from '../src/clock';
import { runProgram } from '../src/program';
import { simulatedSenders } from '../src/senders';
import { createTestOutput } from './receiver';

const key = (text: string): string => `whsec_${Buffer.from(text).toString('base64')}`;
const secrets = {
  VIOLET_APP_SECRET: 'secret-of-the-tests',
  PROPEXO_WEBHOOK_SECRET: 'propexo-secret-of-the-tests',
  SYNCTEC_WEBHOOK_SECRET: 'synctec-secret-of-the-tests',
  STANDARD_WEBHOOKS_SECRET: `${key('the secret in use until now')},${key('the secret that comes after it')}`,
  CONSOLE_TOKEN: 'token-of-the-tests',
};
const PROPEXO_WINDOW_MS = 5_000;

let redis: TestRedis;
/** `forgetful` is an ingress that remembers Propexo's ids for a moment only: no simulation goes through it. */
let apps: Record<'ingress' | 'forgetful' | 'worker' | 'console', SpawnedApp>;

beforeAll(async () => {
  redis = await startTestRedis();
  const env = {
    REDIS_URL: redis.url,
    SYNCLINE_DATA_DIR: temporaryFolder(),
    ...secrets,
  };
  const [ingress, forgetful, worker, console] = await Promise.all([
    spawnApp('ingress', env),
    spawnApp('ingress', { ...env, DEDUP_WINDOW_PROPEXO_MS: String(PROPEXO_WINDOW_MS) }),
    spawnApp('worker', env),
    spawnApp('console', env),
  ]);
  apps = { ingress, forgetful, worker, console };
  await Promise.all(Object.values(apps).map((app) => app.ready()));
});
afterAll(async () => {
  await Promise.all(Object.values(apps).map((app) => app.stop()));
  await redis.stop();
});

async function simulate(args: readonly string[], env: Record<string, string> = secrets, signal = new AbortController().signal) {
  // Every request and pause under way listens for the stop.
  setMaxListeners(0, signal);
  const output = createTestOutput();
  const errors = createTestOutput();
  const addresses = ['--ingress', apps.ingress.url, '--console', apps.console.url];
  const surroundings = { env: { SYNCLINE_DATA_DIR: temporaryFolder(), ...env }, output, clock: systemClock, signal };
  const exitCode = await runProgram(['simulate', ...args, ...addresses], surroundings, errors);
  return { exitCode, text: output.text() + errors.text() };
}

async function expectAsExpected(...args: string[]): Promise<string> {
  const { exitCode, text } = await simulate(args);
  expect(text).toContain('As expected');
  expect(exitCode).toBe(0);
  return text;
}

async function read(path: string): Promise<Record<string, unknown>> {
  const headers = { Authorization: `Bearer ${secrets.CONSOLE_TOKEN}` };
  return (await (await fetch(`${apps.console.url}/api/v1${path}`, { headers })).json()) as Record<string, unknown>;
}

describe.each(Object.values(simulatedSenders))('$source', ({ source, scenarios }) => {
  const from = ['--sender', source, '--offers', '20', '--collections', '3'];

  test('every scenario is as expected, one after the other on the same merchant', async () => {
    for (const { name } of scenarios) await expectAsExpected(name, ...from);
  });

  test('every scenario is as expected on many merchants at once, in disorder, and repetitions are duplicates', async () => {
    for (const [number, { name }] of scenarios.entries()) {
      const merchant = source === 'violet' ? String(20_000 + 10 * number) : `many-${number}`;
      const disorder = ['--merchants', '3', '--duplicates', '0.3', '--shuffle', '12', '--seed', String(number)];
      const text = await expectAsExpected(name, ...from, '--merchant', merchant, ...disorder);
      expect(text).toMatch(/: \d+ accepted, \d+ duplicate|: \d+ duplicate, \d+ accepted/);
      expect(text).toContain('As expected: state, entities and history of 3 merchants match');
    }
  });
});

test('the same scenario again on the same merchant is new events', async () => {
  for (const name of ['onboarding', 'scheduled', 'onboarding'])
    await expectAsExpected(name, '--merchant', '10042', '--offers', '20');
  for (const [sender, name] of [
    ['propexo', 'daily'],
    ['synctec', 'products'],
    ['standard', 'events'],
  ] as const) {
    const text = await expectAsExpected(name, '--sender', sender, '--offers', '5');
    expect(text).toMatch(/: \d+ accepted\n/);
  }
});

test("an exact copy of a sync of Propexo's is a duplicate while its sender may repeat it, and after that a new sync", async () => {
  const body = JSON.stringify({
    trigger: 'SYNC_COMPLETE',
    data: { integration_id: 'twice', successful_job_count: 9, failed_job_count: 1, is_sync_finished: true },
  });
  const headers = senders.propexo.sign(
    { eventId: '', topic: 'SYNC_COMPLETE', body },
    { secrets: [secrets.PROPEXO_WEBHOOK_SECRET] },
  );
  const send = async (): Promise<number> =>
    (await fetch(`${apps.forgetful.url}/webhooks/propexo`, { method: 'POST', headers, body })).status;
  expect(await send()).toBe(202);
  expect(await send()).toBe(200);
  await waitFor(async () => (await send()) === 202, { message: 'the copy to be a new sync' });
  await waitFor(async () => {
    const { tracks } = (await read('/merchants/propexo/twice')) as { tracks: { product: { completed: number } } };
    return tracks.product.completed === 2;
  });
  const { items } = (await read('/merchants/propexo/twice/history')) as { items: { outcome: string }[] };
  expect(items.map(({ outcome }) => outcome)).toEqual(['processed', 'processed']);
});

describe.each(Object.values(simulatedSenders))('at the door of $source', (simulated) => {
  const { source, secretVariable, defaultMerchantId } = simulated;
  const settings = { secrets: secrets[secretVariable].split(',') };
  const merchantId = source === 'violet' ? '31337' : `forged-${source}`;

  function genuine(nowMs = Date.now()) {
    const setting = { merchantId, seed: 1, startsAt: Date.now(), stepMs: 0, present: { offers: [], collections: [] } };
    const phases = simulated.scenarios[0]?.plan({ ...setting, wanted: { offers: 1, collections: 1 } }) ?? [];
    const event = phases.flatMap(({ events }) => events).find((entry) => !('copyOf' in entry));
    if (event === undefined || 'copyOf' in event) throw new RangeError('Expected an event');
    return simulated.write(event, { eventId: 'genuine-1' }, settings, nowMs);
  }

  const post = (body: string, headers: Readonly<Record<string, string>>): Promise<Response> =>
    fetch(`${apps.ingress.url}/webhooks/${source}`, { method: 'POST', headers, body });

  /** Changes the header that holds the signature. */
  function withSignature(headers: Readonly<Record<string, string>>, change: (text: string) => string): Record<string, string> {
    const name = Object.keys(headers).find((header) => /hmac|signature/i.test(header)) ?? '';
    return { ...headers, [name]: change(headers[name] ?? '') };
  }

  test('what is forged, cut, written anew or in another encoding is refused, and nothing of it is kept; the genuine one is taken', async () => {
    const { body, headers } = genuine();
    const forged: [string, string, Record<string, string>][] = [
      ['signed with another secret', body, simulatedWith([key('a secret of a stranger')])],
      ['another body', body.replace(merchantId, defaultMerchantId), { ...headers }],
      ['a body cut short', body.slice(0, -1), { ...headers }],
      ['a body with a byte more', `${body}\n`, { ...headers }],
      ['a body written anew', JSON.stringify(JSON.parse(body), null, 1), { ...headers }],
      ['a signature cut short', body, withSignature(headers, (text) => text.slice(0, -2))],
      ['a signature with more behind it', body, withSignature(headers, (text) => `${text}00`)],
      ['a signature in another alphabet', body, withSignature(headers, reencoded)],
      ['an empty signature', body, withSignature(headers, () => '')],
      ['a signature that is none', body, withSignature(headers, () => '%%%')],
    ];
    for (const [what, sent, signed] of forged) {
      const { status } = await post(sent, signed);
      expect([what, status]).toEqual([what, 401]);
    }
    if (source === 'standard') {
      for (const at of [Date.now() - 302_000, Date.now() + 330_000]) {
        const late = genuine(at);
        expect((await post(late.body, late.headers)).status).toBe(401);
      }
    }
    expect(await read(`/merchants/${source}/${merchantId}`)).toMatchObject({ error: { code: 'not_found' } });
    expect((await post(body, headers)).status).toBe(202);
    expect((await post(body, headers)).status).toBe(200);
  });

  function simulatedWith(others: readonly string[]): Record<string, string> {
    const { body, headers } = genuine();
    return {
      ...headers,
      ...senders[source].sign({ eventId: 'genuine-1', topic: headers['X-Violet-Topic'] ?? '', body }, { secrets: others }),
    };
  }

  /** The same digest as another sender would write it. SyncTec takes both, but not base64 for URLs. */
  function reencoded(text: string): string {
    const [, prefix = '', written = ''] = /^(v1,)?(.*)$/.exec(text) ?? [];
    const isHex = /^[0-9a-f]{64}$/.test(written);
    const digest = Buffer.from(written, isHex ? 'hex' : 'base64');
    return prefix + (isHex ? digest.toString('base64url') : digest.toString('hex'));
  }
});

test('another secret than the ingress has ends the run and says so', async () => {
  const { exitCode, text } = await simulate(['onboarding', '--merchant', '30001'], { ...secrets, VIOLET_APP_SECRET: 'another' });
  expect(exitCode).toBe(1);
  expect(text).toContain('VIOLET_APP_SECRET');
});

test('another token than the console has ends the run and says so', async () => {
  const { exitCode, text } = await simulate(['onboarding', '--merchant', '30002'], { ...secrets, CONSOLE_TOKEN: 'another' });
  expect(exitCode).toBe(1);
  expect(text).toContain('CONSOLE_TOKEN');
});

test('something else that sends for the same merchant meanwhile is a difference, and the exit code says so', async () => {
  const sync = ['scheduled', '--merchant', '30005', '--offers', '30'];
  const [one, other] = await Promise.all([
    simulate([...sync, '--rate', '40']),
    simulate([...sync, '--rate', '40', '--seed', '2']),
  ]);
  expect(`${one.text}${other.text}`).toContain('Not as expected');
  expect(Math.max(one.exitCode, other.exitCode)).toBe(1);
});

test('stopped in the middle it ends with 130 and says how far it came', async () => {
  const stopping = new AbortController();
  const args = ['onboarding', '--merchant', '30003', '--offers', '5000', '--rate', '5'];
  const running = simulate(args, secrets, stopping.signal);
  const merchantUrl = `${apps.console.url}/api/v1/merchants/violet/30003`;
  const headers = { Authorization: `Bearer ${secrets.CONSOLE_TOKEN}` };
  await waitFor(async () => (await fetch(merchantUrl, { headers })).ok, {
    message: 'the first event to be taken',
  });
  stopping.abort();
  const { exitCode, text } = await running;
  expect(exitCode).toBe(130);
  expect(text).toMatch(/Stopped after \d+ of 5011 events/);
});

test('without a worker it gives up when the lane stands still, and says what stands', async () => {
  apps.worker.freeze();
  try {
    const { exitCode, text } = await simulate(['onboarding', '--merchant', '30004', '--offers', '3', '--wait', '1']);
    expect(exitCode).toBe(1);
    expect(text).toMatch(/Expected the lane violet:30004 to empty.*Is the worker running\?/s);
  } finally {
    apps.worker.thaw();
  }
});

test('the engine broke none of its promises meanwhile', async () => {
  const metrics = await (await fetch(`${apps.worker.url}/metrics`)).text();
  const violations = [...metrics.matchAll(/^syncline_invariant_violations_total\{kind="(\w+)"\} (\d+)$/gm)];
  expect(violations.map(([, kind, count]) => `${kind} ${count}`)).toEqual(['order 0', 'duplicate 0', 'unarmed 0']);
});

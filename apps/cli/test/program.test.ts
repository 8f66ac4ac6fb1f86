import fs from 'node:fs';
import path from 'node:path';
import { temporaryFolder } from '@syncline/testkit';
import { CommandFailure } from '../src/failure';
import { runProgram } from '../src/program';
import { createProgress } from '../src/progress';
import { merchantSummary, Verdict } from '../src/report';
import { findRunningSet } from '../src/running-set';
import { simulatedSenders } from '../src/senders';
import { createTestClock, createTestOutput, startReceiver } from './receiver';

async function run(args: readonly string[], env: Record<string, string> = {}) {
  const output = createTestOutput();
  const errors = createTestOutput();
  const surroundings = {
    env: { SYNCLINE_DATA_DIR: temporaryFolder(), ...env },
    output,
    clock: createTestClock(),
    signal: new AbortController().signal,
  };
  const exitCode = await runProgram(args, surroundings, errors);
  return { exitCode, output: output.text(), errors: errors.text() };
}

const secrets = { VIOLET_APP_SECRET: 'secret', CONSOLE_TOKEN: 'token' };

describe('usage', () => {
  test('help names scenarios, flags and examples', async () => {
    const { exitCode, output } = await run(['simulate', '--help']);
    expect(exitCode).toBe(0);
    for (const words of [
      'onboarding',
      'scheduled',
      'failed-recovery',
      're-enable',
      'untidy',
      '--sender propexo',
      'failures-rise',
      '--sender synctec',
      '--sender standard',
      'rotation',
      '--merchant',
      '--merchants',
      '--duplicates',
      '--shuffle',
      '--rate',
      'npm run simulate -- onboarding',
    ]) {
      expect(output).toContain(words);
    }
  });

  test('an unknown scenario is refused with those there are', async () => {
    const { exitCode, errors } = await run(['simulate', 'lunch']);
    expect(exitCode).toBe(2);
    expect(errors).toContain('onboarding, scheduled, failed-recovery, re-enable');
  });

  test.each([
    ['--merchant', '0'],
    ['--merchant', '-5'],
    ['--merchant', 'abc'],
    ['--merchant', '2147483648'],
    ['--merchant', ''],
    ['--offers', '-1'],
    ['--offers', '1.5'],
    ['--offers', '100001'],
    ['--offers', 'NaN'],
    ['--collections', '1e9'],
    ['--merchants', '0'],
    ['--merchants', '100001'],
    ['--merchants', 'many'],
    ['--duplicates', '-0.1'],
    ['--duplicates', '1.01'],
    ['--duplicates', 'half'],
    ['--duplicates', ''],
    ['--shuffle', '-1'],
    ['--shuffle', '1001'],
    ['--shuffle', '2.5'],
    ['--rate', '0'],
    ['--rate', '-3'],
    ['--rate', 'fast'],
    ['--concurrency', '0'],
    ['--concurrency', '257'],
    ['--seed', 'x'],
    ['--wait', '0'],
    ['--ingress', 'localhost'],
    ['--ingress', 'ftp://127.0.0.1'],
    ['--console', '::'],
  ])('%s %j is refused', async (flag, value) => {
    const { exitCode, errors } = await run(['simulate', 'onboarding', `${flag}=${value}`]);
    expect(exitCode).toBe(2);
    expect(errors).toContain(flag);
    expect(errors).toContain('Expected');
  });

  test.each([
    [['--sender', 'stripe'], 'violet, propexo, synctec, standard'],
    [['--sender', 'propexo'], 'Expected a scenario of propexo (first-sync, daily, long-sync, failures-rise), got "onboarding"'],
    [['--merchant', '2147483647', '--merchants', '2'], 'Expected a whole number from 1 to 2147483647'],
  ])('onboarding %j is refused, and it is said what was expected', async (args, words) => {
    const { exitCode, errors } = await run(['simulate', 'onboarding', ...args]);
    expect(exitCode).toBe(2);
    expect(errors).toContain(words);
  });

  test.each(['', ' ', '_', '-x', 'a b', 'a\nb', 'é', 'x'.repeat(151)])('%j is no merchant of Propexo', async (merchant) => {
    const { exitCode, errors } = await run(['simulate', 'daily', '--sender', 'propexo', `--merchant=${merchant}`]);
    expect(exitCode).toBe(2);
    expect(errors).toContain('Expected 1 to 150 letters');
  });

  test.each([
    [[]],
    [['simulate']],
    [['stimulate']],
    [['simulate', 'onboarding', '--nonsense']],
    [['simulate', 'onboarding', 'more']],
  ])('%j is refused', async (args) => {
    expect((await run(args)).exitCode).toBe(2);
  });
});

describe('finding the running set', () => {
  const none = { ingressUrl: undefined, consoleUrl: undefined };

  test('without any secret says where they would come from', async () => {
    const { exitCode, errors } = await run(['simulate', 'onboarding']);
    expect(exitCode).toBe(1);
    expect(errors).toMatch(/VIOLET_APP_SECRET.*development\.env.*npm start/s);
    expect(errors).not.toContain('    at ');
  });

  test.each([
    ['daily', 'propexo', 'PROPEXO_WEBHOOK_SECRET'],
    ['products', 'synctec', 'SYNCTEC_WEBHOOK_SECRET'],
    ['events', 'standard', 'STANDARD_WEBHOOKS_SECRET'],
  ])('%s of %s wants %s', async (scenario, sender, variable) => {
    const { exitCode, errors } = await run(['simulate', scenario, '--sender', sender], secrets);
    expect(exitCode).toBe(1);
    expect(errors).toContain(`Expected ${variable} in the environment`);
  });

  test('where nothing listens asks whether it is running', async () => {
    const gone = await startReceiver(() => ({ status: 200 }));
    await gone.close();
    const { exitCode, errors } = await run(['simulate', 'onboarding', '--ingress', gone.url, '--console', gone.url], secrets);
    expect(exitCode).toBe(1);
    expect(errors).toContain('Is `npm start` running?');
  });

  test('takes addresses from what npm start noted and secrets from the development file', () => {
    const folder = temporaryFolder();
    fs.writeFileSync(
      path.join(folder, 'running.json'),
      JSON.stringify({ pid: 1, ingressUrl: 'http://127.0.0.1:1', consoleUrl: 'http://127.0.0.1:2' }),
    );
    fs.writeFileSync(path.join(folder, 'development.env'), '# made\nVIOLET_APP_SECRET=dev-secret\nCONSOLE_TOKEN=dev-token\n', {
      mode: 0o600,
    });
    expect(findRunningSet({ SYNCLINE_DATA_DIR: folder }, simulatedSenders.violet, none)).toEqual({
      ingressUrl: 'http://127.0.0.1:1',
      consoleUrl: 'http://127.0.0.1:2',
      settings: { secrets: ['dev-secret'], signatureEncoding: 'base64' },
      token: 'dev-token',
    });
    const env = {
      SYNCLINE_DATA_DIR: folder,
      VIOLET_APP_SECRET: ' , new , old',
      CONSOLE_TOKEN: 'own',
      VIOLET_SIGNATURE_ENCODING: 'hex',
    };
    expect(findRunningSet(env, simulatedSenders.violet, { ingressUrl: 'http://127.0.0.1:3', consoleUrl: undefined })).toEqual({
      ingressUrl: 'http://127.0.0.1:3',
      consoleUrl: 'http://127.0.0.1:2',
      settings: { secrets: ['new', 'old'], signatureEncoding: 'hex' },
      token: 'own',
    });
  });

  test.each(['', 'no JSON', '[]', 'null', '{"ingressUrl":5}', '{"ingressUrl":"nothing","consoleUrl":"x"}'])(
    'falls back to the default ports when the note is %j',
    (text) => {
      const folder = temporaryFolder();
      fs.writeFileSync(path.join(folder, 'running.json'), text);
      expect(findRunningSet({ SYNCLINE_DATA_DIR: folder, ...secrets }, simulatedSenders.violet, none)).toMatchObject({
        ingressUrl: 'http://127.0.0.1:8080',
        consoleUrl: 'http://127.0.0.1:8082',
      });
    },
  );

  test.each([{ VIOLET_APP_SECRET: ',,' }, { VIOLET_SIGNATURE_ENCODING: 'rot13' }])('refuses %j', (env) => {
    expect(() =>
      findRunningSet({ SYNCLINE_DATA_DIR: temporaryFolder(), ...secrets, ...env }, simulatedSenders.violet, none),
    ).toThrow(CommandFailure);
  });
});

describe('a console that cannot be used', () => {
  test.each([
    [{ status: 401, body: { error: { code: 'unauthorized', message: 'no' } } }, 'CONSOLE_TOKEN'],
    [{ status: 404, body: 'Not here' }, 'Check --console'],
    [{ status: 200, body: {} }, 'Check --console'],
    [{ status: 200, body: 'no JSON' }, 'Check --console'],
    [{ status: 500, body: { error: { code: 'internal', message: 'a fault' } } }, 'a fault'],
    [{ status: 503, body: { error: { code: 'unavailable', message: 'no store' } } }, 'no store'],
  ])('by %j ends the run before anything is sent: %s', async (reply, words) => {
    const receiver = await startReceiver(({ path: at }) => (at === '/healthz' ? { status: 200 } : reply));
    try {
      const { exitCode, errors } = await run(
        ['simulate', 'onboarding', '--ingress', receiver.url, '--console', receiver.url],
        secrets,
      );
      expect(exitCode).toBe(1);
      expect(errors).toContain(words);
      expect(receiver.received.filter(({ method }) => method === 'POST')).toEqual([]);
    } finally {
      await receiver.close();
    }
  });
});

describe('what is shown', () => {
  test('progress off a terminal is at most a line for each tenth', () => {
    const output = createTestOutput();
    const progress = createProgress(output);
    progress.start('Sending', 1_000);
    for (let done = 1; done <= 1_000; done += 1) progress.update(done);
    progress.note('A note');
    progress.stop();
    expect(output.text().trim().split('\n')).toEqual([
      ...Array.from({ length: 10 }, (_item, index) => `Sending ${(index + 1) * 100}/1000`),
      'A note',
    ]);
  });

  test('progress on a terminal is a bar', () => {
    const output = Object.assign(createTestOutput(true), { columns: 80 });
    const progress = createProgress(output);
    progress.start('Sending', 2);
    progress.update(2);
    progress.stop();
    progress.stop();
    expect(output.text()).toContain('█');
  });

  test('a verdict lists at most twenty differences and counts the rest', () => {
    const good = new Verdict(1);
    good.add('7', []);
    expect(good.text()).toMatch(/^As expected: state, entities and history match/);
    const bad = new Verdict(1);
    bad.add(
      '7',
      Array.from({ length: 25 }, (_item, index) => `difference ${index}`),
    );
    expect(bad.isAsExpected).toBe(false);
    expect(bad.text()).toContain('difference 19');
    expect(bad.text()).not.toContain('difference 20');
    expect(bad.text()).toContain('and 5 more');
  });

  test('a verdict on many merchants is one line, with whose differences they are', () => {
    const verdict = new Verdict(100);
    for (let id = 1; id < 100; id += 1) verdict.add(String(id), []);
    expect(verdict.isAsExpected).toBe(false);
    verdict.add('100', []);
    expect(verdict.text()).toBe('As expected: state, entities and history of 100 merchants match what was sent.');
    const bad = new Verdict(3);
    bad.add('a', []);
    bad.add('b', ['connection: expected "connected"']);
    bad.add(
      'c',
      Array.from({ length: 50 }, (_item, index) => `difference ${index}`),
    );
    expect(bad.text()).toMatch(/^Not as expected: 2 of 3 merchants /);
    expect(bad.text()).toContain('b: connection: expected');
    expect(bad.text().split('\n')).toHaveLength(22);
    expect(bad.text()).toContain('… and 31 more');
  });

  test('a summary says what stands still and why', () => {
    const track = {
      state: 'failed',
      startedAt: null,
      finishedAt: null,
      durationMs: 1_500,
      runs: 1,
      completed: 0,
      failed: 1,
      consecutiveFailures: 1,
      total: 9,
      synced: 3,
      lastError: 'FAILED',
    };
    const text = merchantSummary({
      source: 'violet',
      merchantId: '7',
      connection: 'connected',
      catalogReady: false,
      catalogReadyAt: null,
      catalogStaleSince: '2026-01-01T00:00:00.000Z',
      tracks: { product: track, collection: { ...track, runs: 0, state: 'never' } },
      offers: { count: 3 },
      collections: { count: 0 },
      lane: { state: 'retrying', depth: 1, headAttempts: 2, nextAttemptAt: '2026-01-01T00:00:01.000Z' },
    });
    for (const words of [
      'failed · 1 run, 0 completed, 1 failed · 3 of 9 · took 1.5 s',
      'stale since',
      'never',
      '1 event waiting, next attempt at',
    ]) {
      expect(text).toContain(words);
    }
  });
});

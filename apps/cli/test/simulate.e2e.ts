import { type SpawnedApp, spawnApp, startTestRedis, temporaryFolder, type TestRedis, waitFor } from '@syncline/testkit';
import { systemClock } from '../src/clock';
import { runProgram } from '../src/program';
import { scenarios } from '../src/scenarios';
import { createTestOutput } from './receiver';

const secrets = { VIOLET_APP_SECRET: 'secret-of-the-tests', CONSOLE_TOKEN: 'token-of-the-tests' };

let redis: TestRedis;
let apps: Record<'ingress' | 'worker' | 'console', SpawnedApp>;

beforeAll(async () => {
  redis = await startTestRedis();
  const env = { REDIS_URL: redis.url, SYNCLINE_DATA_DIR: temporaryFolder(), ...secrets };
  const [ingress, worker, console] = await Promise.all([
    spawnApp('ingress', env),
    spawnApp('worker', env),
    spawnApp('console', env),
  ]);
  apps = { ingress, worker, console };
}, 120_000);
afterAll(async () => {
  await Promise.all(Object.values(apps).map((app) => app.stop()));
  await redis.stop();
}, 60_000);

async function simulate(args: readonly string[], env: Record<string, string> = secrets, signal = new AbortController().signal) {
  const output = createTestOutput();
  const errors = createTestOutput();
  const addresses = ['--ingress', apps.ingress.url, '--console', apps.console.url];
  const surroundings = { env: { SYNCLINE_DATA_DIR: temporaryFolder(), ...env }, output, clock: systemClock, signal };
  const exitCode = await runProgram(['simulate', ...args, ...addresses], surroundings, errors);
  return { exitCode, text: output.text() + errors.text() };
}

test('every scenario is as expected, one after the other on the same merchant, and again', async () => {
  for (const { name } of [...scenarios, ...scenarios]) {
    const { exitCode, text } = await simulate([name, '--merchant', '10042', '--offers', '40', '--collections', '3']);
    expect(text).toContain('As expected');
    expect(exitCode).toBe(0);
  }
}, 300_000);

test.each(scenarios.map(({ name }, index) => [name, String(20_000 + index)]))(
  '%s is as expected for a merchant never seen',
  async (name, merchantId) => {
    const { exitCode, text } = await simulate([name, '--merchant', merchantId, '--offers', '12']);
    expect(text).toContain('As expected');
    expect(exitCode).toBe(0);
  },
  60_000,
);

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

test('stopped in the middle it ends with 130 and says how far it came', async () => {
  const stopping = new AbortController();
  const args = ['onboarding', '--merchant', '30003', '--offers', '5000', '--rate', '5'];
  const running = simulate(args, secrets, stopping.signal);
  const merchantUrl = `${apps.console.url}/api/v1/merchants/violet/30003`;
  const headers = { Authorization: `Bearer ${secrets.CONSOLE_TOKEN}` };
  await waitFor(async () => (await fetch(merchantUrl, { headers })).ok, {
    timeoutMs: 30_000,
    message: 'the first event to be taken',
  });
  stopping.abort();
  const { exitCode, text } = await running;
  expect(exitCode).toBe(130);
  expect(text).toMatch(/Stopped after \d+ of 5011 events/);
}, 60_000);

test('without a worker it gives up when the lane stands still, and says what stands', async () => {
  apps.worker.freeze();
  try {
    const { exitCode, text } = await simulate(['onboarding', '--merchant', '30004', '--offers', '3', '--wait', '1']);
    expect(exitCode).toBe(1);
    expect(text).toMatch(/Expected the lane violet:30004 to empty.*Is the worker running\?/s);
  } finally {
    apps.worker.thaw();
  }
}, 60_000);

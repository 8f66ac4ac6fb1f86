// npm test: sets up what is missing, finds a Redis, and runs every test once. Arguments go on to jest. The last line counts the tests.
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import { createRequire } from 'node:module';
import os from 'node:os';
import path from 'node:path';
import { stopWithParent } from './parent-gone.mjs';
import { root, setUp } from './setup.mjs';

const WATCHDOG_MS = 30 * 60_000;

stopWithParent();
await setUp();

const { describeRedisProgram, findRedisProgram } = createRequire(import.meta.url)(path.join(root, 'packages', 'runtime'));
let program;
try {
  // A fetch that is under way ends with us.
  const stop = new AbortController();
  for (const [signal, status] of [
    ['SIGINT', 130],
    ['SIGTERM', 143],
    ['SIGHUP', 129],
  ]) {
    process.once(signal, () => {
      stop.abort();
      process.exitCode = status;
    });
  }
  program = await findRedisProgram({ env: process.env, report: console.log, signal: stop.signal });
} catch (error) {
  console.error(`Redis: ${error.message}`);
  process.exit(process.exitCode || 1);
}
console.log(`Redis for the tests: ${describeRedisProgram(program)}, a private one for each test that needs it`);

const results = path.join(fs.mkdtempSync(path.join(os.tmpdir(), 'syncline-results-')), 'results.json');
// The tests choose their own Redis, ports and secrets. They reach nothing outside of this machine, and reading extra certificates costs
// each of their many processes a second of its start.
const { REDIS_URL: _redisUrl, NODE_ENV: _nodeEnv, NODE_EXTRA_CA_CERTS: _certificates, ...env } = process.env;
const jest = spawn(
  process.execPath,
  [
    path.join(root, 'node_modules', 'jest', 'bin', 'jest.js'),
    '--config',
    path.join(root, 'jest.config.cjs'),
    '--json',
    `--outputFile=${results}`,
    ...process.argv.slice(2),
  ],
  // With --json, standard output is the report that also goes to the file.
  { cwd: root, stdio: ['ignore', 'ignore', 'inherit'], env: { ...env, SYNCLINE_REDIS_SERVER: JSON.stringify(program) } },
);
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => jest.kill(signal));
const watchdog = setTimeout(() => {
  console.error(`The tests were not done within ${WATCHDOG_MS / 60_000} minutes and are ended.`);
  jest.kill('SIGKILL');
}, WATCHDOG_MS);

jest.once('close', (code) => {
  clearTimeout(watchdog);
  const { passed, failed } = counts();
  fs.rmSync(path.dirname(results), { recursive: true, force: true });
  console.log(`${passed} passed, ${failed} failed`);
  process.exit(code === 0 && failed > 0 ? 1 : (code ?? 1));
});

/** A test file that could not even be run counts as one failed test. */
function counts() {
  if (!fs.existsSync(results)) return { passed: 0, failed: 1 };
  const { numPassedTests, numFailedTests, numRuntimeErrorTestSuites } = JSON.parse(fs.readFileSync(results, 'utf8'));
  return { passed: numPassedTests, failed: numFailedTests + numRuntimeErrorTestSuites };
}

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { waitUntil } from '../src/index';

const runtime = JSON.stringify(path.join(__dirname, '..'));
let folder: string;
beforeAll(() => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), 'syncline-process-'));
});
afterAll(() => fs.rmSync(folder, { recursive: true, force: true }));

function run(
  body: string,
  env: Record<string, string> = {},
): { child: ChildProcess; output: () => string; exit: Promise<[number | null, string | null]>; started: Promise<unknown> } {
  const script = `const { runProcess, ConfigurationError } = require(${runtime}); runProcess('tested', async ({ env, log }) => { ${body} })`;
  const child = spawn(process.execPath, ['-e', script], {
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    env: { PATH: process.env.PATH, SYNCLINE_DATA_DIR: folder, ...env },
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream?.on('data', (chunk: Buffer) => (output += chunk.toString()));
  return {
    child,
    output: () => output,
    exit: once(child, 'close') as Promise<[number | null, string | null]>,
    started: once(child, 'message'),
  };
}

const idle =
  'const timer = setInterval(() => {}, 1000); return { stop: async () => { clearInterval(timer); log.info("stopped once"); } };';

test.each(['SIGTERM', 'SIGINT', 'SIGHUP'] as const)('%s stops the process once and cleanly', async (signal) => {
  const { child, output, exit, started } = run(idle);
  await started;
  child.kill(signal);
  child.kill(signal);
  expect(await exit).toEqual([0, null]);
  expect(output().match(/stopped once/g)).toHaveLength(1);
});

test('the process stops when its parent is gone', async () => {
  const { child, output, started } = run(idle);
  await started;
  // `close` is not emitted for a child whose channel the parent has closed.
  const exit = once(child, 'exit');
  child.disconnect();
  expect(await exit).toEqual([0, null]);
  // What it wrote last may come behind its end.
  await waitUntil(() => output().includes('parent gone'), { timeoutMs: 60_000, intervalMs: 10 });
  expect(output()).toContain('parent gone');
});

test('the process stops when whoever read its output and held its channel is gone, however much it logs', async () => {
  const { child, started } = run(
    `setInterval(() => log.info("x".repeat(10_000)), 1); return { stop: async () => { for (let n = 0; n < 100; n++) log.info("last words"); } };`,
  );
  await started;
  const exit = once(child, 'exit');
  child.stdout?.destroy();
  child.stderr?.destroy();
  child.disconnect();
  expect(await exit).toEqual([0, null]);
});

test('a configuration error prints every problem and exits with 78', async () => {
  const { output, exit } = run('throw new ConfigurationError(["A_PORT: Expected this", "B_PORT: Expected that"]);');
  expect(await exit).toEqual([78, null]);
  // Beside its problems the process only logs where its development secrets are.
  const problems = output()
    .split('\n')
    .filter((line) => !line.startsWith('{'));
  expect(problems).toEqual(['tested cannot start:', '  A_PORT: Expected this', '  B_PORT: Expected that', '']);
});

test('a stop that takes too long ends with 1 after SHUTDOWN_TIMEOUT_MS', async () => {
  const { child, exit, started } = run('setInterval(() => {}, 1000); return { stop: () => new Promise(() => {}) };', {
    SHUTDOWN_TIMEOUT_MS: '50',
  });
  await started;
  child.kill('SIGTERM');
  expect(await exit).toEqual([1, null]);
});

test('an error that nobody handles is logged once and ends the process with 1', async () => {
  const { output, exit } = run('setTimeout(() => { throw new Error("bug") }, 1); return { stop: async () => {} };');
  expect(await exit).toEqual([1, null]);
  expect(output().match(/"msg":"failed"/g)).toHaveLength(1);
});

test('development secrets reach the app and are in no output', async () => {
  const { child, output, exit, started } = run(
    `log.info({ length: env.CONSOLE_TOKEN.length, env: Object.keys(env).length }); ${idle}`,
  );
  await started;
  child.kill('SIGTERM');
  await exit;
  const secrets = fs.readFileSync(path.join(folder, 'development.env'), 'utf8').match(/(?<==)\S+$/gm) ?? [];
  expect(secrets).toHaveLength(5);
  for (const secret of secrets) expect(output()).not.toContain(secret);
});

import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import path from 'node:path';
import { commandOf } from '@syncline/runtime';
import { waitFor } from '@syncline/testkit';

/** The processes of the product that a run has started: they are run from a folder that is named by the run's process id. */
function startedBy(runPid: number | undefined): string[] {
  return commandLines().filter((line) => line.includes(`syncline-test-${runPid}-`) && line.includes('apps'));
}

/** Of every process. Where there is a /proc, there may be no ps. */
function commandLines(): string[] {
  if (!fs.existsSync('/proc/self/cmdline')) return execFileSync('ps', ['-eo', 'args='], { encoding: 'utf8' }).split('\n');
  const pids = fs.readdirSync('/proc').filter((name) => /^\d+$/.test(name));
  return pids.flatMap((pid) => commandOf(Number(pid)) ?? []);
}

let run: ChildProcess;
let output: string;

beforeEach(async () => {
  output = '';
  run = spawn(
    process.execPath,
    [path.join(__dirname, '..', 'dist', 'main.js'), '--seed', '3', '--seconds', '300', '--rate', '5'],
    {
      stdio: ['ignore', 'pipe', 'pipe'],
    },
  );
  for (const stream of [run.stdout, run.stderr]) stream?.on('data', (chunk: Buffer) => (output += chunk.toString()));
  await waitFor(() => startedBy(run.pid).length === 5, { message: 'five processes to run' });
});
afterEach(() => {
  run.kill('SIGKILL');
});

test('a run that is asked to stop ends everything that it started, and says so by its exit code', async () => {
  const [exited, closed] = [once(run, 'exit'), once(run, 'close')];
  run.kill('SIGINT');
  expect(await exited).toEqual([130, null]);
  expect(startedBy(run.pid)).toEqual([]);
  await closed;
  expect(output).toContain('Stopped.');
});

test('a run that is killed leaves no process behind', async () => {
  const exited = once(run, 'exit');
  run.kill('SIGKILL');
  await exited;
  await waitFor(() => startedBy(run.pid).length === 0);
});

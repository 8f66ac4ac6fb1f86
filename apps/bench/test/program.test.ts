import { benchmarks } from '../src/benchmarks';
import { exitCodes, runProgram } from '../src/program';

async function run(...args: string[]) {
  const output: string[] = [];
  const exitCode = await runProgram(args, { write: (text) => output.push(text) }, { write: (text) => output.push(text) });
  return { exitCode, text: output.join('') };
}

it('--help names every benchmark with what it measures', async () => {
  const { exitCode, text } = await run('--help');
  expect(exitCode).toBe(exitCodes.measured);
  for (const { name, description } of benchmarks) {
    expect(text).toContain(name);
    expect(text).toContain(description);
  }
});

it.each([
  [['--only', 'drain,speed'], 'Expected some of accept, latency, drain, memory, growth, rest, got speed.'],
  [['--repetitions', '0'], 'Expected a whole number from 1 to 100.'],
  [['--scale', '0'], 'Expected a number above 0 and at most 1.'],
  [['--scale', '2'], 'Expected a number above 0 and at most 1.'],
  [['--appendfsync', 'never'], 'Expected some of always, everysec, got never.'],
  [['--soak-minutes', '-1'], 'Expected a number above 0.'],
  [['--fast'], "unknown option '--fast'"],
])('refuses %j, saying what it expected', async (args, message) => {
  const { exitCode, text } = await run(...args);
  expect(exitCode).toBe(exitCodes.usage);
  expect(text).toContain(message);
});

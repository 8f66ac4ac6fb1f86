import fs from 'node:fs';
import { ConfigurationError } from '@syncline/runtime';
import { Command, CommanderError, InvalidArgumentError } from 'commander';
import { type BenchmarkSettings, type Persistence, persistences } from './benchmark';
import { benchmarks } from './benchmarks';
import { environmentLine, readEnvironment } from './environment';
import { isMet, rendered } from './render';
import { type Run, withResults } from './report';

export const exitCodes = { measured: 0, failed: 1, usage: 2 } as const;

export interface Output {
  write(text: string): unknown;
}

interface Flags {
  readonly only?: string[];
  readonly repetitions: number;
  readonly scale: number;
  readonly appendfsync: Persistence[];
  readonly soakMinutes: number;
  readonly json?: string;
  readonly report?: string;
}

const helpText = `
Benchmarks:
${benchmarks.map(({ name, byDefault, description }) => `  ${name.padEnd(9)}${byDefault ? '' : '(only if named) '}${description}`).join('\n')}

Examples:
  npm run bench
  npm run bench -- --only drain --scale 0.1 --repetitions 1
  npm run bench -- --only rest --soak-minutes 10
  npm run bench -- --only accept,latency,drain,memory,growth,rest --report docs/performance.md

Exit code: 0 measured (whether or not budgets are met), 1 failed, 2 wrong usage.`;

/** Runs the command line; `args` without interpreter and script. Tables go to `output`, progress to `progress`. Resolves with the exit code and never rejects. */
export async function runProgram(args: readonly string[], output: Output, progress: Output): Promise<number> {
  const program = new Command('npm run bench --')
    .description('Measures Syncline beside its alternatives, in one run on this machine, on private Redis servers.')
    .exitOverride()
    .configureOutput({ writeOut: (text) => void output.write(text), writeErr: (text) => void progress.write(text) })
    .option('--only <names>', 'benchmarks to run, separated by commas', names)
    .option('--repetitions <n>', 'how often each measurement is made; the median counts', repetitions, 3)
    .option('--scale <share>', 'share of the full sizes and durations, above 0, at most 1', share, 1)
    .option('--appendfsync <modes>', 'persistence to measure with, separated by commas', modes, [...persistences])
    .option('--soak-minutes <n>', 'duration of the soak of `rest`, before the scale', positive, 10)
    .option('--json <file>', 'write every figure of every repetition to this file')
    .option('--report <file>', 'write the results into this Markdown document, between its markers')
    .addHelpText('after', helpText);
  try {
    program.parse(args, { from: 'user' });
    await measure(program.opts<Flags>(), output, progress);
    return exitCodes.measured;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? exitCodes.measured : exitCodes.usage;
    if (error instanceof ConfigurationError) progress.write(`${error.problems.join('\n')}\n`);
    else progress.write(`${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
    return exitCodes.failed;
  }
}

async function measure(flags: Flags, output: Output, progress: Output): Promise<void> {
  const startedAt = performance.now();
  const say = (line: string): void =>
    void progress.write(`[${((performance.now() - startedAt) / 1_000).toFixed(0).padStart(5)} s] ${line}\n`);
  const settings: BenchmarkSettings = {
    repetitions: flags.repetitions,
    scale: flags.scale,
    persistences: flags.appendfsync,
    soakMinutes: flags.soakMinutes,
    say,
  };
  const environment = await readEnvironment();
  output.write(`${environmentLine(environment)}\n`);
  const chosen = benchmarks.filter(({ name, byDefault }) => flags.only?.includes(name) ?? byDefault);
  const date = new Date().toISOString().slice(0, 10);
  const runs: Run[] = [];
  for (const benchmark of chosen) {
    say(`${benchmark.name}: ${benchmark.description}`);
    const findings = await benchmark.run(settings);
    runs.push({
      benchmark,
      findings,
      how: `\`${commandOf(benchmark.name, settings)}\` on ${date}: ${environmentLine(environment)}.`,
    });
    output.write(`\n## ${benchmark.name}\n\n${rendered(findings)}\n`);
    // After each, so that a run that is stopped has left what it measured.
    if (flags.report !== undefined)
      fs.writeFileSync(flags.report, withResults(fs.readFileSync(flags.report, 'utf8'), runs.slice(-1)));
    if (flags.json !== undefined)
      fs.writeFileSync(flags.json, `${JSON.stringify(resultsOf(environment, settings, runs), undefined, 2)}\n`);
  }
}

/** The command that measures this benchmark again in the same way. */
function commandOf(name: string, settings: BenchmarkSettings): string {
  const soak = name === 'rest' ? ` --soak-minutes ${settings.soakMinutes}` : '';
  const { scale, repetitions: times, persistences: chosen } = settings;
  return `npm run bench -- --only ${name} --scale ${scale} --repetitions ${times} --appendfsync ${chosen.join(',')}${soak}`;
}

function resultsOf(environment: object, { say: _say, ...settings }: BenchmarkSettings, runs: readonly Run[]): object {
  return {
    environment,
    settings,
    benchmarks: runs.map(({ benchmark: { name, description }, findings: { tables, budgets } }) => ({
      name,
      description,
      tables,
      budgets: budgets.map((budget) => ({ ...budget, met: isMet(budget) })),
    })),
  };
}

function names(text: string): string[] {
  return listOf(
    text,
    benchmarks.map(({ name }) => name),
  );
}

function modes(text: string): Persistence[] {
  return listOf(text, persistences);
}

function listOf<Word extends string>(text: string, known: readonly Word[]): Word[] {
  return text.split(',').map((written) => {
    const word = known.find((candidate) => candidate === written.trim());
    if (word === undefined) throw new InvalidArgumentError(`Expected some of ${known.join(', ')}, got ${written}.`);
    return word;
  });
}

function repetitions(text: string): number {
  const value = Number(text);
  if (Number.isInteger(value) && value >= 1 && value <= 100) return value;
  throw new InvalidArgumentError('Expected a whole number from 1 to 100.');
}

function share(text: string): number {
  const value = Number(text);
  if (value > 0 && value <= 1) return value;
  throw new InvalidArgumentError('Expected a number above 0 and at most 1.');
}

function positive(text: string): number {
  const value = Number(text);
  if (value > 0 && Number.isFinite(value)) return value;
  throw new InvalidArgumentError('Expected a number above 0.');
}

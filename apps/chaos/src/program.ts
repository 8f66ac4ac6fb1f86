import { Command, CommanderError, InvalidArgumentError } from 'commander';
import { type FaultKind, faultDescriptions, faultKinds } from './faults';
import { type InjectionName, injectionNames, injections } from './injections';
import { reportOf } from './report';
import { type ChaosResult, type ChaosSettings, isClean, runChaos, type Topology, topologies } from './run';

export const exitCodes = { clean: 0, violated: 1, usage: 2, notRun: 3, interrupted: 130 } as const;

export interface ProgramSurroundings {
  readonly signal: AbortSignal;
  write(text: string): void;
  writeError(text: string): void;
  /** Shows how far a run is. */
  readonly progress: (line: string) => void;
}

interface Flags {
  readonly seed: number;
  readonly seconds: number;
  readonly merchants: number;
  readonly rate: number;
  readonly topology: Topology;
  readonly waitReplicas: number;
  readonly faults?: readonly FaultKind[];
  readonly patience: number;
  readonly inject?: InjectionName;
  readonly prove?: true;
}

const SECONDS_MAX = 600;
/** A whole other than one server is disturbed as a whole: there is no proxy in front of each of its nodes. */
const LINKS = faultKinds.filter((kind) => kind.startsWith('link-'));

const explanations = `
Faults:
${faultKinds.map((kind) => `  ${kind.padEnd(16)}${faultDescriptions[kind]}`).join('\n')}

Defects that can be put into a copy of the product:
${injectionNames.map((name) => `  ${name.padEnd(16)}${injections[name].what}`).join('\n')}

Examples:
  npm run chaos -- --seed 7 --seconds 120
  npm run chaos -- --topology sentinel --wait-replicas 1
  npm run chaos -- --inject no-fence
  npm run chaos -- --prove

Exit code: 0 every promise kept, 1 one broken (or, with --prove, a defect not caught), 2 wrong usage, 3 could not be run, 130 stopped.`;

/** Runs `npm run chaos` with these arguments. Resolves with the exit code and never rejects. */
export async function runProgram(args: readonly string[], surroundings: ProgramSurroundings): Promise<number> {
  let exitCode: number = exitCodes.clean;
  const program = new Command('chaos')
    .description(
      'Runs the product as real processes over a real Redis, breaks it at random, and checks every acknowledged event.',
    )
    .exitOverride()
    .configureOutput({ writeOut: (text) => surroundings.write(text), writeErr: (text) => surroundings.writeError(text) })
    .option(
      '--seed <n>',
      'makes the choices; the same seed makes the same',
      integerFrom(0, Number.MAX_SAFE_INTEGER),
      Date.now() % 100_000,
    )
    .option('--seconds <n>', 'how long things are broken', integerFrom(1, SECONDS_MAX), 120)
    .option('--merchants <n>', 'lanes', integerFrom(1, 10_000), 24)
    .option('--rate <n>', 'new events a second', integerFrom(1, 5_000), 40)
    .option('--topology <name>', `Redis: ${topologies.join(', ')}`, oneOf(topologies), 'single' as const)
    .option('--wait-replicas <n>', 'replicas that hold an event before it is acknowledged', integerFrom(0, 2), 0)
    .option('--faults <list>', 'kinds of faults, comma-separated, or none (default: all that the topology knows)', faultList)
    .option('--patience <seconds>', 'how long nothing may happen at the end before what waits is stuck', integerFrom(1, 300), 30)
    .option('--inject <defect>', 'run a copy with a defect in it; a run that catches it exits with 1', oneOf(injectionNames))
    .option('--prove', 'run all defects, one after the other; exits with 0 when each is caught')
    .addHelpText('after', explanations)
    .action(async (flags: Flags) => {
      exitCode = flags.prove ? await prove(flags.seed, surroundings) : await runOnce(flags, surroundings);
    });
  try {
    await program.parseAsync(args, { from: 'user' });
    return exitCode;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? exitCodes.clean : exitCodes.usage;
    if (surroundings.signal.aborted) {
      surroundings.writeError('Stopped.\n');
      return exitCodes.interrupted;
    }
    surroundings.writeError(`The run failed: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
    return exitCodes.notRun;
  }
}

async function runOnce(flags: Flags, surroundings: ProgramSurroundings): Promise<number> {
  const result = await runChaos(flags.inject ? injectionSettings(flags.inject, flags.seed) : settingsOf(flags), surroundings);
  surroundings.write(reportOf(result));
  return isClean(result) ? exitCodes.clean : exitCodes.violated;
}

async function prove(seed: number, surroundings: ProgramSurroundings): Promise<number> {
  let missed = 0;
  for (const name of injectionNames) {
    const result = await runChaos(injectionSettings(name, seed), surroundings);
    const caught = isCaught(name, result);
    if (!caught) missed++;
    surroundings.write(`${reportOf(result)}${caught ? 'Caught' : 'NOT CAUGHT'}: ${name}, ${injections[name].what}\n\n`);
  }
  surroundings.write(`${injectionNames.length - missed} of ${injectionNames.length} defects were caught.\n`);
  return missed === 0 ? exitCodes.clean : exitCodes.violated;
}

/** The run that brings a defect out. */
export function injectionSettings(name: InjectionName, seed: number): ChaosSettings {
  return { ...injections[name].run, seed, topology: 'single', waitReplicas: 0, injection: name };
}

/** True when the run found what its defect causes. */
export function isCaught(name: InjectionName, { verdict }: ChaosResult): boolean {
  return verdict.violations.some(({ kind }) => injections[name].caughtAs.includes(kind));
}

function settingsOf({ seed, seconds, merchants, rate, topology, waitReplicas, patience, faults }: Flags): ChaosSettings {
  if (topology === 'single' && waitReplicas > 0) {
    throw new CommanderError(exitCodes.usage, 'chaos.replicas', 'Expected --wait-replicas with a topology that has replicas');
  }
  return {
    seed,
    seconds,
    leastEvents: 0,
    merchants,
    rate,
    topology,
    waitReplicas,
    faults: faults ?? faultKinds.filter((kind) => topology === 'single' || !LINKS.includes(kind)),
    patienceSeconds: patience,
    injection: undefined,
  };
}

function integerFrom(min: number, max: number): (text: string) => number {
  return (text) => {
    const value = /^\d+$/.test(text) ? Number(text) : Number.NaN;
    if (value >= min && value <= max) return value;
    throw new InvalidArgumentError(`Expected a whole number from ${min} to ${max}.`);
  };
}

function oneOf<const Word extends string>(words: readonly Word[]): (text: string) => Word {
  return (text) => {
    const word = words.find((candidate) => candidate === text);
    if (word !== undefined) return word;
    throw new InvalidArgumentError(`Expected one of ${words.join(', ')}.`);
  };
}

function faultList(text: string): FaultKind[] {
  return text === 'none' ? [] : text.split(',').map(oneOf(faultKinds));
}

import { ConfigurationError } from '@syncline/runtime';
import { Argument, Command, CommanderError, InvalidArgumentError } from 'commander';
import { CommandFailure, Interrupted } from './failure';
import { ENTITIES_MAX, MERCHANT_ID_MAX } from './payloads';
import type { Output } from './progress';
import { scenarios } from './scenarios';
import { simulate, type Surroundings } from './simulate';

export const exitCodes = { asExpected: 0, failed: 1, usage: 2, interrupted: 130 } as const;

interface SimulateFlags {
  readonly merchant: number;
  readonly offers: number;
  readonly collections: number;
  readonly seed: number;
  readonly concurrency: number;
  readonly rate?: number;
  readonly wait: number;
  readonly ingress?: string;
  readonly console?: string;
}

const examples = `
Scenarios:
${scenarios.map(({ name, summary }) => `  ${name.padEnd(17)}${summary}`).join('\n')}

Examples:
  npm run simulate -- onboarding --merchant 10042 --offers 500
  npm run simulate -- scheduled --merchant 10042
  npm run simulate -- failed-recovery --merchant 10043 --offers 50 --rate 20
  npm run simulate -- re-enable --merchant 10042 --ingress http://127.0.0.1:9080 --console http://127.0.0.1:9082

Exit code: 0 as expected, 1 not so or not done, 2 wrong usage, 130 stopped.`;

/** Runs the command line `syncline …`; `args` without interpreter and script. Resolves with the exit code and never rejects. */
export async function runProgram(args: readonly string[], surroundings: Surroundings, errors: Output): Promise<number> {
  let exitCode: number = exitCodes.asExpected;
  const write = {
    writeOut: (text: string) => void surroundings.output.write(text),
    writeErr: (text: string) => void errors.write(text),
  };
  const program = new Command('syncline').description('Tools for a running Syncline.').exitOverride().configureOutput(write);
  program
    .command('simulate')
    .description("Plays a flow of a merchant's life as Violet would send it, then checks what came of it.")
    .exitOverride()
    .configureOutput(write)
    .addArgument(new Argument('<scenario>', 'the flow to play').choices(scenarios.map(({ name }) => name)))
    .option('--merchant <id>', 'merchant id', integerFrom(1, MERCHANT_ID_MAX), 10_042)
    .option(
      '--offers <n>',
      'offers in the catalogue; flows after the onboarding keep those that there are',
      integerFrom(0, ENTITIES_MAX),
      100,
    )
    .option('--collections <n>', 'collections in the catalogue; likewise', integerFrom(0, ENTITIES_MAX), 5)
    .option('--rate <n>', 'events a second (default: as fast as they are taken)', positiveNumber)
    .option('--concurrency <n>', 'requests at the same time', integerFrom(1, 256), 16)
    .option('--seed <n>', 'makes the bodies; the same seed makes the same', integerFrom(0, Number.MAX_SAFE_INTEGER), 1)
    .option('--wait <seconds>', 'how long the lane may stand still before giving up', positiveNumber, 60)
    .option('--ingress <url>', 'address of the ingress (default: that of `npm start`)', httpUrl)
    .option('--console <url>', 'address of the console (default: that of `npm start`)', httpUrl)
    .addHelpText('after', examples)
    .action(async (name: string, flags: SimulateFlags) => {
      const scenario = scenarios.find((candidate) => candidate.name === name);
      if (scenario === undefined) throw new RangeError(`Expected a known scenario, got ${name}`);
      const options = {
        scenario,
        merchantId: flags.merchant,
        offers: flags.offers,
        collections: flags.collections,
        seed: flags.seed,
        concurrency: flags.concurrency,
        ratePerSecond: flags.rate,
        ingressUrl: flags.ingress,
        consoleUrl: flags.console,
        patienceMs: flags.wait * 1_000,
      };
      exitCode = (await simulate(options, surroundings)) ? exitCodes.asExpected : exitCodes.failed;
    });

  try {
    await program.parseAsync(args, { from: 'user' });
    return exitCode;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? exitCodes.asExpected : exitCodes.usage;
    if (error instanceof Interrupted) {
      errors.write('Stopped.\n');
      return exitCodes.interrupted;
    }
    if (error instanceof CommandFailure) errors.write(`${error.message}\n`);
    else if (error instanceof ConfigurationError) errors.write(`${error.problems.join('\n')}\n`);
    else errors.write(`${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
    return exitCodes.failed;
  }
}

function integerFrom(min: number, max: number): (text: string) => number {
  return (text) => {
    const value = /^\d+$/.test(text) ? Number(text) : Number.NaN;
    if (value >= min && value <= max) return value;
    throw new InvalidArgumentError(`Expected a whole number from ${min} to ${max}.`);
  };
}

function positiveNumber(text: string): number {
  const value = /^\d*\.?\d+$/.test(text) ? Number(text) : Number.NaN;
  if (value > 0 && Number.isFinite(value)) return value;
  throw new InvalidArgumentError('Expected a number above 0.');
}

function httpUrl(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url?.protocol === 'http:' || url?.protocol === 'https:') return url.origin;
  throw new InvalidArgumentError('Expected a URL like http://127.0.0.1:8080.');
}

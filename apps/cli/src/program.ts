import { ConfigurationError } from '@syncline/runtime';
import type { Source } from '@syncline/senders';
import { Command, CommanderError, InvalidArgumentError, Option } from 'commander';
import { CommandFailure, Interrupted } from './failure';
import type { Output } from './progress';
import { type SimulatedSender, simulatedSenders } from './senders';
import { ENTITIES_MAX } from './senders/violet/payloads';
import { type Surroundings, simulate } from './simulate';

export const exitCodes = { asExpected: 0, failed: 1, usage: 2, interrupted: 130 } as const;

interface SimulateFlags {
  readonly sender: keyof typeof simulatedSenders;
  readonly merchant?: string;
  readonly merchants: number;
  readonly offers: number;
  readonly collections: number;
  readonly seed: number;
  readonly concurrency: number;
  readonly rate?: number;
  readonly duplicates: number;
  readonly shuffle: number;
  readonly wait: number;
  readonly ingress?: string;
  readonly console?: string;
}

const MERCHANTS_MAX = 100_000;
const SHUFFLE_MAX = 1_000;

const scenarioList = Object.values(simulatedSenders)
  .map(
    ({ source, name, scenarios }) =>
      `\nScenarios of ${name}${source === 'violet' ? '' : ` (--sender ${source})`}:\n${scenarios
        .map((scenario) => `  ${scenario.name.padEnd(17)}${scenario.summary}`)
        .join('\n')}`,
  )
  .join('\n');

const defaultMerchantIds = Object.values(simulatedSenders)
  .map(({ defaultMerchantId }) => defaultMerchantId)
  .join(', ');

const examples = `${scenarioList}

Examples:
  npm run simulate -- onboarding --merchant 10042 --offers 500
  npm run simulate -- scheduled --merchant 10042
  npm run simulate -- untidy --merchant 10043 --duplicates 0.2 --shuffle 10
  npm run simulate -- failures-rise --sender propexo
  npm run simulate -- products --sender synctec --offers 1000
  npm run simulate -- onboarding --merchants 1000 --rate 500
  npm run simulate -- re-enable --merchant 10042 --ingress http://127.0.0.1:9080 --console http://127.0.0.1:9082

At the end it compares state, entities and history with what was sent, and says "As expected" or what differs.
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
    .description("Plays a flow of a merchant's life as its sender would send it, then checks what came of it.")
    .exitOverride()
    .configureOutput(write)
    .argument('<scenario>', 'the flow to play, see below')
    .addOption(
      new Option('--sender <source>', 'who sends').choices(Object.keys(simulatedSenders)).default('violet' satisfies Source),
    )
    .option('--merchant <id>', `merchant id (default: ${defaultMerchantIds})`)
    .option('--merchants <n>', 'so many merchants at once, with ids that follow the first', integerFrom(1, MERCHANTS_MAX), 1)
    .option(
      '--offers <n>',
      'offers in the catalogue, or products or events; flows after the onboarding keep the offers that there are',
      integerFrom(0, ENTITIES_MAX),
      100,
    )
    .option('--collections <n>', 'collections in the catalogue; likewise', integerFrom(0, ENTITIES_MAX), 5)
    .option('--rate <n>', 'events a second (default: as fast as they are taken)', positiveNumber)
    .option('--duplicates <share>', 'share of deliveries that come again: at once, soon, or later', shareFrom0To1, 0)
    .option('--shuffle <places>', 'by how many places deliveries may come early or late', integerFrom(0, SHUFFLE_MAX), 0)
    .option('--concurrency <n>', 'requests at the same time', integerFrom(1, 256), 16)
    .option('--seed <n>', 'makes bodies and disorder; the same seed makes the same', integerFrom(0, Number.MAX_SAFE_INTEGER), 1)
    .option('--wait <seconds>', 'how long the lane may stand still before giving up', positiveNumber, 60)
    .option('--ingress <url>', 'address of the ingress (default: that of `npm start`)', httpUrl)
    .option('--console <url>', 'address of the console (default: that of `npm start`)', httpUrl)
    .addHelpText('after', examples)
    .action(async (name: string, flags: SimulateFlags, command: Command) => {
      const sender: SimulatedSender = simulatedSenders[flags.sender];
      const scenario = sender.scenarios.find((candidate) => candidate.name === name);
      if (scenario === undefined) {
        const names = sender.scenarios.map((candidate) => candidate.name).join(', ');
        return command.error(`error: Expected a scenario of ${sender.source} (${names}), got ${JSON.stringify(name)}.`);
      }
      const merchantIds = merchantIdsOf(sender, flags);
      if (merchantIds === undefined) {
        return command.error(
          `error: option '--merchant <id>' argument ${JSON.stringify(flags.merchant)} is invalid. Expected ${sender.merchantIdForm}, also for the last of --merchants.`,
        );
      }
      const options = {
        sender,
        scenario,
        merchantIds,
        offers: flags.offers,
        collections: flags.collections,
        seed: flags.seed,
        concurrency: flags.concurrency,
        ratePerSecond: flags.rate,
        duplicates: flags.duplicates,
        shuffle: flags.shuffle,
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

/** The merchants of a run; undefined when the first, or the last, cannot be one of the sender's. */
function merchantIdsOf(sender: SimulatedSender, { merchant, merchants }: SimulateFlags): string[] | undefined {
  const ids = Array.from({ length: merchants }, (_item, place) =>
    sender.merchantIdAfter(merchant ?? sender.defaultMerchantId, place),
  ).filter((id) => id !== undefined);
  return ids.length === merchants ? ids : undefined;
}

function shareFrom0To1(text: string): number {
  const value = /^\d*\.?\d+$/.test(text) ? Number(text) : Number.NaN;
  if (value <= 1) return value;
  throw new InvalidArgumentError('Expected a share from 0 to 1.');
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

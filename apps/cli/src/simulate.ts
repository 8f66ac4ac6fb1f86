import { randomBytes } from 'node:crypto';
import type { Environment } from '@syncline/runtime';
import type { Clock } from './clock';
import { type ConsoleClient, createConsoleClient, type Merchant } from './console-client';
import { deliver } from './delivery';
import type { Disorder } from './delivery-plan';
import { CommandFailure, throwIfInterrupted } from './failure';
import { type AnswerStatus, createIngressClient, requireIngress } from './ingress-client';
import { Latencies } from './latencies';
import { heldLane, MerchantRun, type RunSettings } from './merchant-run';
import { createProgress, type Output, type Progress } from './progress';
import { counted, merchantSummary, milliseconds, seconds, Verdict } from './report';
import { findRunningSet, type RunningSet } from './running-set';
import { type Scenario, type SimulatedSender, STEPS_MAX } from './senders';

export interface SimulateOptions extends Disorder {
  readonly sender: SimulatedSender;
  readonly scenario: Scenario;
  /** At least one. */
  readonly merchantIds: readonly string[];
  readonly offers: number;
  readonly collections: number;
  readonly seed: number;
  readonly concurrency: number;
  readonly ratePerSecond: number | undefined;
  readonly ingressUrl: string | undefined;
  readonly consoleUrl: string | undefined;
  /** How long nothing may move before waiting for it is given up, in milliseconds. */
  readonly patienceMs: number;
}

/** What a command runs in. */
export interface Surroundings {
  readonly env: Environment;
  readonly output: Output;
  readonly clock: Clock;
  /** Fires when the operator stops the command. */
  readonly signal: AbortSignal;
}

const POLL_MS = 200;
/** Why deliveries were not taken: each reason is said once, and no more than so many. */
const REASONS_SAID = 10;
/** Merchants that the console is asked about at the same time. */
const READS_AT_ONCE = 8;
/** Deliveries planned at once: of more merchants than have so many together, the others follow when these are checked. */
const PLANNED_MAX = 150_000;
/** Dates of senders are whole seconds. */
const DATED_STEP_MS = 1_000;

/** What the parts of a run share. */
interface Run extends Surroundings {
  readonly options: SimulateOptions;
  readonly running: RunningSet;
  readonly client: ConsoleClient;
  readonly progress: Progress;
}

/**
 * Plays a scenario against running processes, for one merchant or many at once, waits until all of it is applied, and compares what
 * the console then shows with what was sent. Resolves with whether it is as expected. Rejects with a CommandFailure or Interrupted.
 */
export async function simulate(options: SimulateOptions, surroundings: Surroundings): Promise<boolean> {
  const { env, output, clock, signal } = surroundings;
  const { sender, scenario, merchantIds } = options;
  const startedAt = clock.now();
  const running = findRunningSet(env, sender, options);
  const client = createConsoleClient({ ...running, source: sender.source, clock, signal });
  await requireIngress({ ...running, signal });
  const progress = createProgress(output);
  const run: Run = { ...surroundings, options, running, client, progress };
  const stepMs = scenario.isDated === true || options.shuffle > 0 ? DATED_STEP_MS : 0;
  const settings: RunSettings = {
    ...options,
    wanted: options,
    runId: randomBytes(6).toString('hex'),
    client,
    stepMs,
    // What was sent for a merchant before this run has dates up to its beginning; those of the run are to be newer.
    knownFrom: startedAt + (stepMs === 0 ? 0 : (STEPS_MAX + 1) * stepMs),
    clock,
    signal,
  };
  const sending = new Sending(run);
  const verdict = new Verdict(merchantIds.length);
  let forgotten = 0;
  try {
    for (let done = 0; done < merchantIds.length; ) {
      const runs = await prepare(run, settings, done);
      const deliveries = runs.reduce((sum, each) => sum + each.deliveries, 0);
      const first = done === 0 ? '' : 'further ';
      progress.note(
        `${scenario.name}: ${first}${counted(deliveries, 'event')} for ${namesOf(sender.source, runs)} to ${running.ingressUrl}`,
      );
      done += runs.length;
      await sending.send(runs, deliveries);
      forgotten += await checkAll(run, runs, verdict);
    }
    if (forgotten > 0) {
      output.write(
        `History no longer holds the first ${counted(forgotten, 'event')} of this run: it is cut to HISTORY_MAX_PER_MERCHANT.\n`,
      );
    }
    output.write(`${verdict.text()}\n`);
    return verdict.isAsExpected;
  } finally {
    progress.stop();
    sending.close();
  }
}

/** Plans what is sent next: for the merchants from this place on, as many as may be planned at once. */
async function prepare({ options: { merchantIds } }: Run, settings: RunSettings, from: number): Promise<MerchantRun[]> {
  const runs: MerchantRun[] = [];
  let deliveries = 0;
  while (from + runs.length < merchantIds.length && deliveries < PLANNED_MAX) {
    const place = from + runs.length;
    const next = merchantIds.slice(place, place + READS_AT_ONCE);
    const prepared = await Promise.all(next.map((merchantId, index) => MerchantRun.prepare(merchantId, place + index, settings)));
    runs.push(...prepared);
    deliveries += prepared.reduce((sum, each) => sum + each.deliveries, 0);
  }
  return runs;
}

function namesOf(source: string, runs: readonly MerchantRun[]): string {
  const first = `${source}:${runs[0]?.merchantId ?? ''}`;
  if (runs.length === 1) return `merchant ${first}`;
  return `${counted(runs.length, 'merchant')}, ${first} to ${source}:${runs.at(-1)?.merchantId ?? ''},`;
}

/** Sends, and keeps count of it over the whole run. */
class Sending {
  readonly #run: Run;
  readonly #client;
  readonly #answers = new Map<AnswerStatus, number>();
  readonly #latencies = new Latencies();
  #taken = 0;
  #repetitions = 0;
  #tookMs = 0;
  readonly #said = new Set<string>();

  constructor(run: Run) {
    const { options, running, clock, signal, progress } = run;
    this.#run = run;
    this.#client = createIngressClient({
      ingressUrl: running.ingressUrl,
      source: options.sender.source,
      secretVariable: options.sender.secretVariable,
      connections: options.concurrency,
      clock,
      signal,
      onRetry: ({ reason, delayMs }) => {
        this.#repetitions += 1;
        if (!this.#said.has(reason) && this.#said.size < REASONS_SAID)
          progress.note(
            `The ingress did not take an event (${reason}); repeating after ${seconds(delayMs)} as the sender would.`,
          );
        this.#said.add(reason);
      },
    });
  }

  /** Sends all deliveries of these merchants, and says how it went. Rejects with what ended it. */
  async send(runs: readonly MerchantRun[], deliveries: number): Promise<void> {
    const { options, running, clock, signal, progress } = this.#run;
    const startedAt = clock.now();
    let taken = 0;
    progress.start('Sending', deliveries);
    try {
      await deliver(
        runs.map(({ plan }) => plan.phases),
        async (delivery, number) => {
          const merchant = runs[number];
          if (merchant === undefined) return;
          const answer = await this.#client.deliver(merchant.begin(delivery, running.settings));
          merchant.take(delivery, answer);
          this.#answers.set(answer.status, (this.#answers.get(answer.status) ?? 0) + 1);
          this.#latencies.add(answer.tookMs);
          taken += 1;
          progress.update(taken);
        },
        { ...options, clock, signal },
      );
    } catch (error) {
      progress.stop();
      progress.note(`Stopped after ${taken} of ${counted(deliveries, 'event')}; what was taken will be applied.`);
      throw error;
    }
    progress.stop();
    this.#taken += taken;
    this.#tookMs += clock.now() - startedAt;
    progress.note(this.#summary());
  }

  close(): void {
    this.#client.close();
  }

  #summary(): string {
    const answers = [...this.#answers].map(([status, count]) => `${count} ${status}`).join(', ');
    const repetitions = this.#repetitions > 0 ? `, ${counted(this.#repetitions, 'repetition')}` : '';
    const [half, most] = [this.#latencies.quantile(0.5), this.#latencies.quantile(0.99)];
    const rate = this.#tookMs > 0 ? `${((this.#taken / this.#tookMs) * 1_000).toFixed(0)} events/s; ` : '';
    return [
      `Sent ${counted(this.#taken, 'event')} in ${seconds(this.#tookMs)}: ${answers}${repetitions}`,
      `${rate}acknowledged in ${milliseconds(half)} (p50), ${milliseconds(most)} (p99)`,
    ].join('\n');
  }
}

/** Waits until everything sent is applied, and takes down how the merchants differ; gives the events that their histories forgot. */
async function checkAll(run: Run, runs: readonly MerchantRun[], verdict: Verdict): Promise<number> {
  const { output, clock, progress, options } = run;
  const sentAt = clock.now();
  const isOne = options.merchantIds.length === 1;
  let forgotten = 0;
  let checked = 0;
  if (!isOne) progress.start('Checking', runs.length);
  const waiting = runs[Symbol.iterator]();
  const readers = Array.from({ length: READS_AT_ONCE }, async () => {
    for (const each of waiting) {
      const merchant = await waitUntilApplied(run, each.merchantId, isOne);
      if (isOne) progress.note(`All applied ${seconds(clock.now() - sentAt)} after the last was taken.\n`);
      const check = await each.check(merchant);
      verdict.add(each.merchantId, check.differences);
      forgotten += check.forgotten;
      checked += 1;
      if (isOne)
        output.write(
          `Merchant ${merchant.source}:${merchant.merchantId}\n${merchantSummary(merchant)}\n\n${JSON.stringify(merchant, null, 2)}\n\n`,
        );
      else progress.update(checked);
    }
  });
  await Promise.all(readers);
  progress.stop();
  if (!isOne) progress.note(`All applied and checked ${seconds(clock.now() - sentAt)} after the last was taken.\n`);
  return forgotten;
}

async function waitUntilApplied(
  { client, clock, signal, progress, options: { sender, patienceMs } }: Run,
  merchantId: string,
  showsDepth: boolean,
): Promise<Merchant> {
  let lastDepth: number | undefined;
  let deepest = 0;
  let movedAt = clock.now();
  for (;;) {
    throwIfInterrupted(signal);
    const merchant = await client.merchant(merchantId);
    const isApplied = merchant?.lane.depth === 0 && merchant.lane.state === 'idle';
    const depth = merchant?.lane.depth;
    if (showsDepth && depth !== undefined && depth > deepest) {
      progress.stop();
      progress.start('Applying', depth);
      deepest = depth;
    }
    if (showsDepth && deepest > 0) progress.update(isApplied ? deepest : deepest - (depth ?? 0));
    if (isApplied) {
      if (showsDepth) progress.stop();
      return merchant;
    }
    if (merchant?.lane.state === 'paused' || merchant?.lane.state === 'blocked') throw heldLane(merchant);
    if (depth !== lastDepth) movedAt = clock.now();
    lastDepth = depth;
    if (clock.now() - movedAt > patienceMs) {
      const lane = `${sender.source}:${merchantId}`;
      throw new CommandFailure(
        `Expected the lane ${lane} to empty, got no progress for ${seconds(patienceMs)}: ${laneText(merchant)}. Is the worker running? Its log and /api/v1/merchants/${lane.replace(':', '/')} say more; --wait sets the patience.`,
      );
    }
    await clock.sleep(POLL_MS, signal);
  }
}

function laneText(merchant: Merchant | undefined): string {
  if (merchant === undefined) return 'the console does not know the merchant';
  const { state, depth, headAttempts, nextAttemptAt } = merchant.lane;
  const attempts = headAttempts > 0 ? `, ${counted(headAttempts, 'attempt')} at the first of them` : '';
  return `lane ${state}, ${counted(depth, 'event')} waiting${attempts}${nextAttemptAt === null ? '' : `, next attempt at ${nextAttemptAt}`}`;
}

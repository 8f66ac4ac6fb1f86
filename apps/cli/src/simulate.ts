import { randomBytes } from 'node:crypto';
import type { Environment } from '@syncline/runtime';
import type { Clock } from './clock';
import { type ConsoleClient, createConsoleClient, type Merchant } from './console-client';
import { deliver, runEventsOf } from './delivery';
import { type Before, checkHistory, entityDifferences, expectationOf, merchantDifferences, type SentEvent } from './expectation';
import { CommandFailure, throwIfInterrupted } from './failure';
import { createPayloads, entityNumberOf } from './payloads';
import { createProgress, type Output, type Progress } from './progress';
import { counted, merchantSummary, seconds, verdict } from './report';
import { findRunningSet } from './running-set';
import type { Scenario } from './scenarios';
import { type AnswerStatus, createSender, requireIngress } from './sender';

export interface SimulateOptions {
  readonly scenario: Scenario;
  readonly merchantId: number;
  readonly offers: number;
  readonly collections: number;
  readonly seed: number;
  readonly concurrency: number;
  readonly ratePerSecond: number | undefined;
  readonly ingressUrl: string | undefined;
  readonly consoleUrl: string | undefined;
  /** How long the lane may stand still before waiting for it is given up, in milliseconds. */
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

/**
 * Plays a scenario against running processes, waits until all of it is applied, and compares what the console then shows with what
 * was sent. Resolves with whether it is as expected. Rejects with a CommandFailure or Interrupted.
 */
export async function simulate(options: SimulateOptions, { env, output, clock, signal }: Surroundings): Promise<boolean> {
  const { scenario, merchantId, seed } = options;
  const merchantName = String(merchantId);
  const running = findRunningSet(env, options);
  const client = createConsoleClient({ ...running, clock, signal });
  await requireIngress({ ...running, signal });
  const before = await readBefore(client, merchantName);

  const present = (ids: readonly number[]): number[] =>
    ids.flatMap((id) => entityNumberOf(merchantId, id) ?? []).sort((left, right) => left - right);
  const phases = scenario.plan({
    payloads: createPayloads({ merchantId, seed, now: clock.now() }),
    present: { offers: present(before.offerIds), collections: present(before.collectionIds) },
    wanted: { offers: options.offers, collections: options.collections },
    seed,
  });
  // The sender gives every event an id of its own: a second run of the same scenario is new events.
  const runId = randomBytes(6).toString('hex');
  const events: SentEvent[] = runEventsOf(phases).map((event) => ({ ...event, eventId: `sim-${runId}-${event.index + 1}` }));

  const progress = createProgress(output);
  progress.note(
    `${scenario.name}: ${counted(events.length, 'event')} for merchant violet:${merchantName} to ${running.ingressUrl}`,
  );
  try {
    const sending = await sendAll(events, options, running, { clock, signal, progress });
    const sentAt = clock.now();
    progress.note(
      `Sent ${counted(events.length, 'event')} in ${seconds(sending.tookMs)}: ${sending.answers}${sending.retries > 0 ? `, ${counted(sending.retries, 'repetition')}` : ''}`,
    );
    const merchant = await waitUntilApplied(client, merchantName, options.patienceMs, { clock, signal, progress });
    progress.note(`All applied ${seconds(clock.now() - sentAt)} after the last was taken.\n`);

    const expected = expectationOf(before, events);
    const history = await checkHistory(events, client.history(merchantName));
    const differences = [
      ...sending.differences,
      ...merchantDifferences(expected, merchant),
      ...(await entityDifferences('offer', expected.offers, client.entities(merchantName, 'offers'))),
      ...(await entityDifferences('collection', expected.collections, client.entities(merchantName, 'collections'))),
      ...history.differences,
    ];
    output.write(`Merchant violet:${merchantName}\n${merchantSummary(merchant)}\n\n${JSON.stringify(merchant, null, 2)}\n\n`);
    if (history.forgotten > 0) {
      output.write(
        `History no longer holds the first ${counted(history.forgotten, 'event')} of this run: it is cut to HISTORY_MAX_PER_MERCHANT.\n`,
      );
    }
    output.write(`${verdict(differences)}\n`);
    return differences.length === 0;
  } finally {
    progress.stop();
  }
}

async function readBefore(client: ConsoleClient, merchantId: string): Promise<Before> {
  const merchant = await client.merchant(merchantId);
  if (merchant === undefined) return { merchant, offerIds: [], collectionIds: [] };
  if (merchant.lane.state === 'paused' || merchant.lane.state === 'blocked') throw heldLane(merchant);
  return {
    merchant,
    offerIds: await entityIds(client.entities(merchantId, 'offers')),
    collectionIds: await entityIds(client.entities(merchantId, 'collections')),
  };
}

async function entityIds(entities: AsyncIterable<unknown>): Promise<number[]> {
  const ids: number[] = [];
  for await (const entity of entities) {
    const id = typeof entity === 'object' && entity !== null && 'id' in entity ? entity.id : undefined;
    if (typeof id === 'number') ids.push(id);
  }
  return ids;
}

interface Step {
  readonly clock: Clock;
  readonly signal: AbortSignal;
  readonly progress: Progress;
}

async function sendAll(
  events: readonly SentEvent[],
  { concurrency, ratePerSecond }: SimulateOptions,
  running: { readonly ingressUrl: string; readonly secret: string; readonly signatureEncoding: 'base64' | 'hex' },
  { clock, signal, progress }: Step,
): Promise<{ tookMs: number; retries: number; answers: string; differences: string[] }> {
  const startedAt = clock.now();
  const answers = new Map<AnswerStatus, number>();
  const differences: string[] = [];
  let taken = 0;
  let retries = 0;
  let saidReason: string | undefined;
  const sender = createSender({
    ...running,
    clock,
    signal,
    onRetry({ reason, delayMs }) {
      retries += 1;
      if (reason !== saidReason)
        progress.note(`The ingress did not take an event (${reason}); repeating after ${seconds(delayMs)} as the sender would.`);
      saidReason = reason;
    },
  });

  progress.start('Sending', events.length);
  const eventIds = new Map(events.map(({ index, eventId }) => [index, eventId]));
  const settings = { concurrency, ratePerSecond, clock, signal };
  try {
    await deliver(
      events,
      async ({ event, index }) => {
        const eventId = eventIds.get(index) ?? '';
        const status = await sender.send(event, eventId);
        answers.set(status, (answers.get(status) ?? 0) + 1);
        if (status === 'quarantined') differences.push(`event ${eventId} (${event.topic}): expected accepted, got quarantined`);
        taken += 1;
        progress.update(taken);
      },
      settings,
    );
  } catch (error) {
    progress.stop();
    progress.note(`Stopped after ${taken} of ${counted(events.length, 'event')}; what was taken will be applied.`);
    throw error;
  }
  progress.stop();
  return {
    tookMs: clock.now() - startedAt,
    retries,
    answers: [...answers].map(([status, count]) => `${count} ${status}`).join(', '),
    differences,
  };
}

async function waitUntilApplied(
  client: ConsoleClient,
  merchantId: string,
  patienceMs: number,
  { clock, signal, progress }: Step,
): Promise<Merchant> {
  let lastDepth: number | undefined;
  let deepest = 0;
  let movedAt = clock.now();
  for (;;) {
    throwIfInterrupted(signal);
    const merchant = await client.merchant(merchantId);
    if (merchant?.lane.depth === 0 && merchant.lane.state === 'idle') {
      progress.update(deepest);
      progress.stop();
      return merchant;
    }
    if (merchant?.lane.state === 'paused' || merchant?.lane.state === 'blocked') throw heldLane(merchant);
    const depth = merchant?.lane.depth;
    if (depth !== undefined) {
      if (depth > deepest) {
        progress.stop();
        progress.start('Applying', depth);
        deepest = depth;
      }
      progress.update(deepest - depth);
    }
    if (depth !== lastDepth) movedAt = clock.now();
    lastDepth = depth;
    if (clock.now() - movedAt > patienceMs) {
      throw new CommandFailure(
        `Expected the lane violet:${merchantId} to empty, got no progress for ${seconds(patienceMs)}: ${laneText(merchant)}. Is the worker running? Its log and /api/v1/merchants/violet/${merchantId} say more; --wait sets the patience.`,
      );
    }
    await clock.sleep(POLL_MS, signal);
  }
}

function heldLane(merchant: Merchant): CommandFailure {
  return new CommandFailure(
    `Expected the lane violet:${merchant.merchantId} to move, got it ${merchant.lane.state}: an operator must let it go on, or --merchant name another.`,
  );
}

function laneText(merchant: Merchant | undefined): string {
  if (merchant === undefined) return 'the console does not know the merchant';
  const { state, depth, headAttempts, nextAttemptAt } = merchant.lane;
  const attempts = headAttempts > 0 ? `, ${counted(headAttempts, 'attempt')} at the first of them` : '';
  return `lane ${state}, ${counted(depth, 'event')} waiting${attempts}${nextAttemptAt === null ? '' : `, next attempt at ${nextAttemptAt}`}`;
}

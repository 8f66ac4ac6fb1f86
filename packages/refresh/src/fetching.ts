import { defineHandler, type Handler, type HandlerContext } from '@syncline/catalog';
import { RetryAfterError } from '@syncline/events';
import { membersStep, readMembers, refreshStep, takeStep } from './reading';
import { REFRESH_LANE, refreshTopics } from './topics';
import type { VioletApi } from './violet-api/client';
import { VioletApiError, type VioletApiProblem } from './violet-api/errors';

export interface FetchingSettings {
  /** Undefined where there are no credentials: what a worker that had them left behind is then given up. */
  readonly api: VioletApi | undefined;
  /** For one step, all its tries included; below the time that a handler has. Milliseconds. */
  readonly stepTimeoutMs: number;
  /** Attempts that an event has: at the last one the refresh is given up, so that its merchant hears of it. */
  readonly maxAttempts: number;
  /** Epoch milliseconds. */
  readonly now: () => number;
}

/** What another attempt cannot change. */
const final: ReadonlySet<VioletApiProblem> = new Set(['refused', 'endless', 'tooLarge']);

/**
 * What calls the API, in the side lane: one request an event. What was read goes to the merchant's lane in the step that appends the next
 * request, so that a worker may die between any two of them: the request is made again, and nothing else.
 */
export function fetchingHandlers(settings: FetchingSettings): readonly Handler[] {
  return [
    defineHandler({
      name: 'refresh-step',
      source: 'violet',
      topics: [refreshTopics.step],
      payload: refreshStep,
      external: true,
      async handle({ payload: step, merchantId }, merchant, context) {
        const error = await withinStep(settings, context, async (signal, api) => {
          const { found, read, next } = await takeStep(step, { api, merchantId, signal, now: settings.now });
          for (const payload of read) {
            merchant.append(
              { topic: refreshTopics.page, payload: { ...payload, refresh: step.refresh } },
              { merchantLane: true },
            );
          }
          if (next !== undefined) merchant.append({ topic: refreshTopics.step, payload: next }, { sideLane: REFRESH_LANE });
          else {
            const { refresh, mode } = step;
            merchant.append({ topic: refreshTopics.read, payload: { refresh, mode, found } }, { merchantLane: true });
          }
        });
        if (error === undefined) return;
        merchant.append(
          { topic: refreshTopics.failed, payload: { refresh: step.refresh, code: error.code, error: error.message } },
          { merchantLane: true },
        );
      },
    }),
    defineHandler({
      name: 'refresh-members',
      source: 'violet',
      topics: [refreshTopics.members],
      payload: membersStep,
      external: true,
      async handle({ payload: { collectionId, place }, merchantId }, merchant, context) {
        const error = await withinStep(settings, context, async (signal, api) => {
          const { read, next } = await readMembers(collectionId, { place }, { api, merchantId, signal, now: settings.now });
          merchant.append({ topic: refreshTopics.page, payload: read }, { merchantLane: true });
          if (next !== undefined) {
            merchant.append({ topic: refreshTopics.members, payload: { collectionId, place: next } }, { sideLane: REFRESH_LANE });
          }
        });
        if (error === undefined) return;
        // They stay out of date, which their document says; the next change of them, or full refresh, reads them again.
        merchant.append({ topic: refreshTopics.page, payload: { kind: 'members-failed', collectionId } }, { merchantLane: true });
      },
    }),
  ];
}

/** Runs a step within its time. Resolves with the error for which it is given up; throws where it is to be attempted again. */
export async function withinStep(
  { api, stepTimeoutMs, maxAttempts }: Pick<FetchingSettings, 'api' | 'stepTimeoutMs' | 'maxAttempts'>,
  { signal, attempt }: HandlerContext,
  step: (signal: AbortSignal, api: VioletApi) => Promise<void>,
): Promise<VioletApiError | undefined> {
  if (api === undefined) {
    return new VioletApiError(
      'loginRefused',
      "Expected credentials for Violet's API, got none: VIOLET_API_URL and others are unset",
    );
  }
  const timeout = AbortSignal.timeout(stepTimeoutMs);
  try {
    await step(AbortSignal.any([signal, timeout]), api);
    return undefined;
  } catch (thrown) {
    if (signal.aborted) throw thrown;
    const error = timeout.aborted
      ? new VioletApiError('unavailable', `Expected Violet's API to answer within ${stepTimeoutMs} ms, got no answer`, {
          cause: thrown,
        })
      : thrown;
    if (!(error instanceof VioletApiError)) throw error;
    // Nothing was asked yet: the event waits for its place, and uses up no attempt.
    if (error.problem === 'busy')
      throw new RetryAfterError(error.message, error.retryAfterMs ?? 0, { cause: error, counts: false });
    if (final.has(error.problem) || attempt >= maxAttempts) return error;
    if (error.retryAfterMs === undefined) throw error;
    throw new RetryAfterError(error.message, error.retryAfterMs, { cause: error });
  }
}

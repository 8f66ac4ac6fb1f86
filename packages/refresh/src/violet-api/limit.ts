import { VioletApiError } from './errors';

/** A bound on requests. */
export interface Limit {
  /**
   * Resolves with a function that gives the place back. Rejects with a VioletApiError `busy` when there is none soon, with when to come
   * again, so that nobody holds a turn while waiting; and with the signal's reason when that fires.
   */
  enter(signal: AbortSignal): Promise<() => void>;
}

export interface LimitSettings {
  /** Requests under way at most. */
  readonly concurrent: number;
  /** Requests begun in a second at most, evenly spread. */
  readonly perSecond: number;
  /** Longest wait for a place, in milliseconds; 250 by default. */
  readonly waitMs?: number;
  /** Epoch milliseconds. */
  readonly now?: () => number;
}

/** How soon somebody who found no place may come again at the earliest. */
const COME_AGAIN_MS = 1_000;

interface Waiter {
  readonly admit: () => void;
}

/** A bound for all who share it: places are given in the order in which they were asked for. */
export function createLimit({ concurrent, perSecond, waitMs = 250, now = Date.now }: LimitSettings): Limit {
  const spacingMs = 1_000 / perSecond;
  const waiters: Waiter[] = [];
  let active = 0;
  let nextAt = 0;
  let nextComeAgainAt = 0;
  let timer: NodeJS.Timeout | undefined;

  function admitNext(): void {
    clearTimeout(timer);
    timer = undefined;
    while (active < concurrent) {
      const at = now();
      if (waiters.length === 0) return;
      if (at < nextAt) {
        timer = setTimeout(admitNext, nextAt - at);
        return;
      }
      active += 1;
      nextAt = Math.max(at, nextAt) + spacingMs;
      waiters.shift()?.admit();
    }
  }

  /** Those who are sent away are told different times: they must not all come back at once. */
  function comeAgainMs(): number {
    const at = now();
    nextComeAgainAt = Math.max(nextComeAgainAt, at + COME_AGAIN_MS) + spacingMs;
    return Math.ceil(nextComeAgainAt - at);
  }

  return {
    enter(signal) {
      return new Promise((resolve, reject) => {
        if (signal.aborted) {
          reject(signal.reason as Error);
          return;
        }
        const settle = (then: () => void): void => {
          clearTimeout(patience);
          signal.removeEventListener('abort', onAbort);
          const place = waiters.indexOf(waiter);
          if (place >= 0) waiters.splice(place, 1);
          then();
        };
        const onAbort = (): void => settle(() => reject(signal.reason as Error));
        const waiter: Waiter = { admit: () => settle(() => resolve(once(release))) };
        const patience = setTimeout(
          () =>
            settle(() =>
              reject(
                new VioletApiError('busy', 'Expected a free place among the requests to Violet, got none in time', {
                  retryAfterMs: comeAgainMs(),
                }),
              ),
            ),
          waitMs,
        );
        signal.addEventListener('abort', onAbort);
        waiters.push(waiter);
        admitNext();
      });
    },
  };

  function release(): void {
    active -= 1;
    admitNext();
  }
}

/** Takes a place under each of the limits; gives back those it has when one refuses. */
export async function enterAll(limits: readonly Limit[], signal: AbortSignal): Promise<() => void> {
  const releases: (() => void)[] = [];
  const releaseAll = (): void => {
    for (const release of releases.splice(0)) release();
  };
  try {
    for (const limit of limits) releases.push(await limit.enter(signal));
  } catch (error) {
    releaseAll();
    throw error;
  }
  return releaseAll;
}

function once(act: () => void): () => void {
  let done = false;
  return () => {
    if (done) return;
    done = true;
    act();
  };
}

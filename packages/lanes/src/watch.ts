import type { RedisClient } from './connection';
import type { ShardKeys } from './keys';
import { pairs, Script } from './script';

const watchScript = new Script('watch');

/** Between two rounds: a timer is about this late at most, and so long is a lost turn not seen. */
export const WATCH_ROUND_MS = 250;
/** How long an arming may be on its way before the queue counts as having passed it. */
export const ARMING_GRACE_MS = 2_000;
const MOST_A_ROUND = 500;
const HEADS_A_ROUND = 64;

/** What one shard needs from whoever looks. */
export interface Care {
  /** The store's clock, in epoch milliseconds. */
  readonly now: number;
  readonly dueTimers: readonly string[];
  /** True when more timers are due than were named. */
  readonly moreTimers: boolean;
  /** Lanes to look at more closely: a lease that has passed, or no turn coming. */
  readonly suspects: readonly string[];
  /** Lanes whose arming or retry is late, and since when; only the queue can tell whether it was lost. */
  readonly late: readonly (readonly [lane: string, since: number])[];
}

/** Looks through one shard, a part of its lanes at a time, with one command a round: an idle shard costs next to nothing. */
export class Watch {
  readonly #client: RedisClient;
  readonly #keys: ShardKeys;
  #rank = 0;

  constructor(client: RedisClient, keys: ShardKeys) {
    this.#client = client;
    this.#keys = keys;
  }

  async look(): Promise<Care> {
    const { timers, running, ready, retrying, heads, held } = this.#keys;
    const [now, dueTimers, lost, late, unarmed, next] = (await watchScript.run(
      this.#client,
      [timers, running, ready, retrying, heads, held],
      ['', ARMING_GRACE_MS, MOST_A_ROUND, this.#rank, HEADS_A_ROUND],
    )) as [number, string[], string[], string[], string[], number];
    this.#rank = next;
    const moreTimers = dueTimers.length === MOST_A_ROUND;
    return { now, dueTimers, moreTimers, suspects: [...lost, ...unarmed], late: pairs(late) };
  }
}

import { parseLane } from '@syncline/events';
import type { ArmedTurn } from './arming';
import type { RedisClient } from './connection';
import { LOG_MAX_ENTRIES, type ShardKeys } from './keys';
import type { Logger } from './logger';
import { Script } from './script';

const fireScript = new Script('fire', 'append');

export function timerName(lane: string, key: string): string {
  return `${lane}\n${key}`;
}

/** Brings timers that are due into their lanes, in one shard. Any number of workers may do it: each timer fires once. */
export class Timers {
  readonly #client: RedisClient;
  readonly #keys: ShardKeys;
  readonly #turnMaxEvents: number;
  readonly #ready: (turn: ArmedTurn) => void;
  readonly #log: Logger;

  constructor(dependencies: {
    client: RedisClient;
    keys: ShardKeys;
    turnMaxEvents: number;
    ready: (turn: ArmedTurn) => void;
    log: Logger;
  }) {
    this.#client = dependencies.client;
    this.#keys = dependencies.keys;
    this.#turnMaxEvents = dependencies.turnMaxEvents;
    this.#ready = dependencies.ready;
    this.#log = dependencies.log;
  }

  /** Those that are not due, or were fired by another worker meanwhile, are left as they are. Resolves with how many fired. */
  async fire(timers: readonly string[]): Promise<number> {
    const answers = await Promise.all(timers.map((timer) => this.#fire(timer)));
    const fired = answers.filter((answer) => answer !== undefined);
    // Timers of one lane name the same turn: it is begun once.
    for (const armed of new Map(fired.filter(([, turn]) => turn > 0))) this.#ready(armed);
    return fired.length;
  }

  /** The lane's turn that will come to the event, or 0; undefined when the timer did not fire. */
  async #fire(timer: string): Promise<ArmedTurn | undefined> {
    const lane = timer.slice(0, timer.indexOf('\n'));
    const keys = this.#keys;
    const [status, turn = 0] = (await fireScript.run(
      this.#client,
      [
        keys.timers,
        keys.timerEvents,
        keys.ready,
        keys.heads,
        keys.lanes,
        keys.log,
        keys.totals,
        keys.minute(Math.floor(Date.now() / 60_000)),
        keys.lane(lane),
        keys.queue(lane),
      ],
      ['', timer, lane, LOG_MAX_ENTRIES, this.#turnMaxEvents],
    )) as ['gone' | 'fired', number?];
    if (status !== 'fired') return undefined;
    this.#log.debug({ ...parseLane(lane), timer }, 'a timer fired');
    return [lane, turn];
  }
}

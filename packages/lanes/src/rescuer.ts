import type { ArmedTurn } from './arming';
import { TURN_QUEUE } from './arming';
import type { RedisClient } from './connection';
import type { ShardKeys } from './keys';
import type { Logger } from './logger';
import { LaneProtocol } from './protocol';

/** Between two rounds. */
export const RESCUE_ROUND_MS = 1_000;
const LANES_A_ROUND = 100;
/** How long an arming may be on its way before the queue counts as having passed it. */
const GRACE_MS = 2_000;

/**
 * Finds lanes whose turn was lost, once a second, in one shard: the lease has passed, or the queue is past their arming. Any number
 * of workers may do it; the script checks again and only one of them finds the lane so.
 */
export class Rescuer {
  readonly #client: RedisClient;
  readonly #keys: ShardKeys;
  readonly #protocol: LaneProtocol;
  readonly #arm: (turn: ArmedTurn) => void;
  readonly #rescued: (cause: 'lease' | 'arming') => void;
  readonly #log: Logger;

  constructor(dependencies: {
    client: RedisClient;
    keys: ShardKeys;
    arm: (turn: ArmedTurn) => void;
    rescued: (cause: 'lease' | 'arming') => void;
    log: Logger;
  }) {
    this.#client = dependencies.client;
    this.#keys = dependencies.keys;
    this.#protocol = new LaneProtocol(dependencies.client, dependencies.keys);
    this.#arm = dependencies.arm;
    this.#rescued = dependencies.rescued;
    this.#log = dependencies.log;
  }

  /** One round. */
  async rescue(): Promise<void> {
    const keys = this.#keys;
    const [now, queueHeadAt] = await Promise.all([this.#serverNow(), this.#queueHeadAt()]);
    const lostBefore = Math.min(now, queueHeadAt ?? now) - GRACE_MS;
    const found = await Promise.all([
      this.#client.zrangebyscore(keys.running, '-inf', now, 'LIMIT', 0, LANES_A_ROUND),
      this.#client.zrangebyscore(keys.ready, '-inf', `(${lostBefore}`, 'LIMIT', 0, LANES_A_ROUND),
      this.#client.zrangebyscore(keys.retrying, '-inf', `(${lostBefore}`, 'LIMIT', 0, LANES_A_ROUND),
    ]);
    await Promise.all(
      found.flat().map(async (lane) => {
        const answer = await this.#protocol.rescue(lane, lostBefore);
        if (answer.status !== 'rescued') return;
        this.#rescued(answer.lost);
        this.#log.warn({ lane, lost: answer.lost }, 'a lane whose turn was lost is given a new one');
        this.#arm([lane, answer.turnToArm]);
      }),
    );
  }

  async #serverNow(): Promise<number> {
    const [seconds, microseconds] = (await this.#client.call('TIME')) as [string, string];
    return Number(seconds) * 1_000 + Math.floor(Number(microseconds) / 1_000);
  }

  /** When the job now at the head of the wait list was added; undefined when none waits. */
  async #queueHeadAt(): Promise<number | undefined> {
    const queue = `${this.#keys.base}:${TURN_QUEUE}`;
    const head = await this.#client.lindex(`${queue}:wait`, -1);
    if (head === null) return undefined;
    const at = await this.#client.hget(`${queue}:${head}`, 'timestamp');
    return at === null ? undefined : Number(at);
  }
}

import type { ArmedTurn } from './arming';
import { TURN_QUEUE } from './arming';
import type { RedisClient } from './connection';
import type { ShardKeys } from './keys';
import type { Logger } from './logger';
import { LaneProtocol, type LostTurn } from './protocol';
import { ARMING_GRACE_MS, type Care } from './watch';

/**
 * Gives lanes whose turn was lost a new one. Any number of workers may do it; the script checks again and only one of them finds the
 * lane so.
 */
export class Rescuer {
  readonly #client: RedisClient;
  readonly #keys: ShardKeys;
  readonly #protocol: LaneProtocol;
  readonly #arm: (turn: ArmedTurn) => void;
  readonly #rescued: (cause: LostTurn) => void;
  readonly #log: Logger;

  constructor(dependencies: {
    client: RedisClient;
    keys: ShardKeys;
    arm: (turn: ArmedTurn) => void;
    rescued: (cause: LostTurn) => void;
    log: Logger;
  }) {
    this.#client = dependencies.client;
    this.#keys = dependencies.keys;
    this.#protocol = new LaneProtocol(dependencies.client, dependencies.keys);
    this.#arm = dependencies.arm;
    this.#rescued = dependencies.rescued;
    this.#log = dependencies.log;
  }

  async rescue({ now, suspects, late }: Care): Promise<void> {
    const oldestJobAt = late.length > 0 ? await this.#oldestJobAt() : now;
    const lostBefore = Math.min(now, oldestJobAt) - ARMING_GRACE_MS;
    // Behind a backlog every lane is late: those that the queue has yet to reach cost no step.
    const passed = late.filter(([, since]) => since < lostBefore).map(([lane]) => lane);
    await Promise.all(
      [...suspects, ...passed].map(async (lane) => {
        const answer = await this.#protocol.rescue(lane, lostBefore);
        if (answer.status !== 'rescued') return;
        this.#rescued(answer.lost);
        if (answer.lost === 'unarmed') this.#log.error({ lane }, 'a lane held events and had no turn coming; it is given one');
        else this.#log.warn({ lane, lost: answer.lost }, 'a lane whose turn was lost is given a new one');
        this.#arm([lane, answer.turnToArm]);
      }),
    );
  }

  /**
   * When the oldest job was added that waits, or that a worker holds and whose lanes it has yet to claim; for ever ago when that cannot
   * be told, and never when there is none.
   */
  async #oldestJobAt(): Promise<number> {
    const queue = `${this.#keys.base}:${TURN_QUEUE}`;
    const [waiting, active] = await Promise.all([
      this.#client.lrange(`${queue}:wait`, -1, -1),
      this.#client.lrange(`${queue}:active`, 0, -1),
    ]);
    const jobs = [...waiting, ...active];
    if (jobs.length === 0) return Number.POSITIVE_INFINITY;
    const added = await Promise.all(jobs.map((job) => this.#client.hget(`${queue}:${job}`, 'timestamp')));
    // A job may end between the two looks; when all have, the next round tells.
    const known = added.filter((at) => at !== null).map(Number);
    return known.length > 0 ? Math.min(...known) : Number.NEGATIVE_INFINITY;
  }
}

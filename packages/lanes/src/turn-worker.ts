import { Worker } from 'bullmq';
import { Arming, TURN_QUEUE, type TurnJob } from './arming';
import { closeConnection, openConnection, type RedisClient } from './connection';
import { openDataSet } from './data-set';
import { ShardKeys } from './keys';
import type { Logger } from './logger';
import { Permit } from './permit';
import type { LostTurn } from './protocol';
import { Rescuer } from './rescuer';
import { Rounds } from './rounds';
import { Timers } from './timers';
import { type TurnObserver, type TurnSettings, TurnTaker } from './turn';
import { WATCH_ROUND_MS, Watch } from './watch';

export interface TurnWorkerSettings extends TurnSettings {
  readonly redisUrl: string;
  readonly prefix: string;
  readonly shards: number;
  readonly observer: TurnObserver;
  readonly log: Logger;
}

/** Takes turns in every shard, shares them with any number of other workers, and rescues lanes whose turn was lost. */
export interface TurnWorker {
  /** True while the store answers. */
  ready(): Promise<boolean>;
  /** Resolves when the worker takes turns; waits for a store that is not there yet. Rejects with a DataSetMismatchError. */
  start(): Promise<void>;
  /** Ends: no further event is begun, what was decided is committed, the lanes are released. Handlers that still run after `graceMs` are cut off. Idempotent. */
  stop(graceMs: number): Promise<void>;
}

/** Time to commit and release once handlers were cut off. */
const RELEASE_MS = 1_000;
/** Turn jobs whose lanes wait to be claimed: enough for jobs of one lane over a slow network. More would only wait here, and not where any worker may take them. */
const JOBS_AT_ONCE = 8;
/** A dead worker's jobs are found again after about twice this: until then, armings that are younger do not count as lost. */
const STALLED_CHECK_MS = 5_000;
/** A turn job never fails for having stalled: crashes are counted in the lane. */
const NEVER = 1_000_000_000;

export function createTurnWorker(settings: TurnWorkerSettings): TurnWorker {
  return new BullTurnWorker(settings);
}

class BullTurnWorker implements TurnWorker {
  readonly #settings: TurnWorkerSettings;
  readonly #client: RedisClient;
  /** Apart, so that a look does not wait behind the events that are read. */
  readonly #watchClient: RedisClient;
  readonly #queueClient: RedisClient;
  readonly #arming: Arming;
  readonly #alone = new Permit();
  readonly #workers: Worker<TurnJob>[] = [];
  readonly #rounds: Rounds[] = [];
  readonly #turns: TurnTaker[] = [];
  #stopping = false;
  #stopped: Promise<void> | undefined;

  constructor(settings: TurnWorkerSettings) {
    this.#settings = settings;
    this.#client = openConnection(settings.redisUrl, { kind: 'work' });
    this.#watchClient = openConnection(settings.redisUrl, { kind: 'work' });
    this.#queueClient = openConnection(settings.redisUrl, { kind: 'queue' });
    for (const client of [this.#client, this.#watchClient, this.#queueClient]) {
      client.on('error', (error: Error) => settings.log.debug({ err: error }, 'worker connection'));
    }
    this.#arming = new Arming({ client: this.#queueClient, prefix: settings.prefix, shards: settings.shards, log: settings.log });
  }

  async start(): Promise<void> {
    try {
      await openDataSet(this.#client, this.#settings.prefix, this.#settings.shards);
    } catch (error) {
      if (!this.#stopping) throw error;
    }
    if (this.#stopping) return;
    for (let shard = 0; shard < this.#settings.shards; shard++) this.#startShard(shard);
  }

  async ready(): Promise<boolean> {
    if (this.#stopping || this.#workers.length === 0 || this.#client.status !== 'ready') return false;
    return await Promise.race([
      this.#client.ping().then(
        () => true,
        () => false,
      ),
      new Promise<boolean>((resolve) => {
        setTimeout(resolve, 1_500, false).unref();
      }),
    ]);
  }

  stop(graceMs: number): Promise<void> {
    this.#stopped ??= this.#stop(graceMs);
    return this.#stopped;
  }

  async #stop(graceMs: number): Promise<void> {
    this.#stopping = true;
    const disconnect = (): void => {
      closeConnection(this.#client);
      closeConnection(this.#watchClient);
      closeConnection(this.#queueClient);
    };
    // A store that does not answer must not keep the worker: its lanes are rescued when their leases have passed.
    const giveUp = setTimeout(disconnect, graceMs + RELEASE_MS);
    for (const turns of this.#turns) turns.stop(graceMs);
    await Promise.all([...this.#rounds.map((round) => round.stop()), ...this.#workers.map((worker) => worker.close())]);
    await Promise.all(this.#turns.map((turns) => turns.ended()));
    await this.#arming.close();
    clearTimeout(giveUp);
    disconnect();
  }

  #startShard(shard: number): void {
    const { observer, log } = this.#settings;
    const keys = new ShardKeys(this.#settings.prefix, shard);
    const arm = (turn: [string, number], delayMs: number): void => {
      if (delayMs > 0) this.#arming.armAlone(shard, turn, delayMs);
      else this.#arming.arm(shard, [turn]);
    };
    const onRoom = (): void => {
      if (worker.isPaused() && !this.#stopping) void worker.resume();
    };
    const turns = new TurnTaker({
      shard,
      client: this.#client,
      keys,
      settings: this.#settings,
      observer,
      log,
      arm,
      alone: this.#alone,
      onRoom,
    });
    const worker = new Worker<TurnJob>(
      TURN_QUEUE,
      // A job only brings lanes to a worker: it is done once they are claimed. Lanes of one job share nothing but the job.
      async (job) => {
        await Promise.all(
          job.data.lanes.map(async (turn) => {
            try {
              await turns.begin(turn);
            } catch (error) {
              log.error({ err: error, lane: turn[0] }, 'a turn could not begin; its lane will be rescued');
            }
          }),
        );
      },
      {
        connection: this.#queueClient,
        prefix: keys.base,
        concurrency: JOBS_AT_ONCE,
        lockDuration: STALLED_CHECK_MS,
        stalledInterval: STALLED_CHECK_MS,
        maxStalledCount: NEVER,
        removeOnComplete: { count: 0 },
        removeOnFail: { count: 0 },
      },
    );
    worker.on('error', (error) => log.debug({ err: error, shard }, 'turn worker'));
    this.#workers.push(worker);
    this.#turns.push(turns);
    const rescued = (lost: LostTurn): void => {
      if (lost === 'unarmed') observer.violated('unarmed');
      else observer.rescued(lost);
    };
    const watch = new Watch(this.#watchClient, keys);
    // What ended a worker may do so again: it shares its job with no other lane.
    const armAlone = (turn: [string, number]): void => this.#arming.armAlone(shard, turn);
    const rescuer = new Rescuer({ client: this.#watchClient, keys, arm: armAlone, rescued, log });
    const timers = new Timers({
      client: this.#watchClient,
      keys,
      turnMaxEvents: this.#settings.turnMaxEvents,
      ready: (turn) => turns.beginUrgent(turn, { onceMore: true }),
      log,
    });
    const rounds = new Rounds(
      WATCH_ROUND_MS,
      async () => {
        // What a full worker took would wait here; in the queue any worker may take it. The jobs that it has go on.
        if (turns.full && !worker.isPaused()) void worker.pause(true);
        for (let more = true; more && !this.#stopping; ) {
          const care = await watch.look();
          const [fired] = await Promise.all([timers.fire(care.dueTimers), rescuer.rescue(care)]);
          more = care.moreTimers && fired > 0;
        }
      },
      log,
    );
    rounds.start();
    this.#rounds.push(rounds);
  }
}

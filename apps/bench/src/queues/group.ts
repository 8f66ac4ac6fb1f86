import { Queue, Worker } from 'groupmq';
import { Redis } from 'ioredis';
import { bodyOf, laneOfMerchant } from '../events';
import { drive } from '../queue-driver';
import { Countdown, forEachIndex, type QueueSystem } from './queue-system';

const UNDER_WAY = 200;

/** GroupMQ: a job for each event, first in first out within a merchant's group. */
class Group implements QueueSystem {
  readonly #queue: Queue<unknown>;

  constructor(redisUrl: string) {
    const redis = new Redis(redisUrl, { replyMapping: 'legacy', maxRetriesPerRequest: null });
    this.#queue = new Queue({ redis, namespace: 'webhooks' });
  }

  fill(series: string, from: number, to: number, merchants: number): Promise<void> {
    return forEachIndex(from, to, UNDER_WAY, async (index) => {
      await this.#queue.add({
        groupId: laneOfMerchant(index % merchants),
        data: JSON.parse(bodyOf(index, merchants)) as unknown,
        jobId: `${series}-${index}`,
      });
    });
  }

  async drain(events: number, concurrency: number): Promise<void> {
    const countdown = new Countdown(events);
    const worker = new Worker({ queue: this.#queue, concurrency, handler: () => Promise.resolve() });
    worker.on('completed', () => countdown.count());
    worker.on('error', (error) => countdown.fail(error));
    worker.on('failed', (job) => countdown.fail(new Error(`Expected job ${job?.id} to be done, got a failure`)));
    void worker.run();
    await countdown.done;
  }
}

drive((redisUrl) => new Group(redisUrl));

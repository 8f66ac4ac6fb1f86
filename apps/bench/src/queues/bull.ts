import { Queue, Worker } from 'bullmq';
import { Redis } from 'ioredis';
import { bodyOf, TOPIC } from '../events';
import { drive } from '../queue-driver';
import { Countdown, type QueueSystem } from './queue-system';

const NAME = 'webhooks';
const BULK = 1_000;

/** Plain BullMQ: a job for each event, in no order by merchant. */
class Bull implements QueueSystem {
  readonly #connection: Redis;

  constructor(redisUrl: string) {
    this.#connection = new Redis(redisUrl, { replyMapping: 'legacy', maxRetriesPerRequest: null });
  }

  async fill(series: string, from: number, to: number, merchants: number): Promise<void> {
    const queue = new Queue(NAME, { connection: this.#connection });
    for (let start = from; start < to; start += BULK) {
      await queue.addBulk(
        Array.from({ length: Math.min(BULK, to - start) }, (_, place) => ({
          name: TOPIC,
          data: JSON.parse(bodyOf(start + place, merchants)) as unknown,
          opts: { jobId: `${series}-${start + place}`, removeOnComplete: true, removeOnFail: true },
        })),
      );
    }
    await queue.close();
  }

  async drain(events: number, concurrency: number): Promise<void> {
    const countdown = new Countdown(events);
    const worker = new Worker(NAME, () => Promise.resolve(), { connection: this.#connection, concurrency });
    worker.on('completed', () => countdown.count());
    worker.on('error', (error) => countdown.fail(error));
    worker.on('failed', (job) => countdown.fail(new Error(`Expected job ${job?.id} to be done, got a failure`)));
    await countdown.done;
    void worker.close(true);
  }
}

drive((redisUrl) => new Bull(redisUrl));

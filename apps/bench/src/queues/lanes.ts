import { type Decider, defaultRetryPolicy } from '@syncline/events';
import { type Acceptor, createAcceptor, createTurnWorker, type Logger, type TurnObserver } from '@syncline/lanes';
import { waitFor } from '@syncline/testkit';
import { eventOf } from '../events';
import { drive } from '../queue-driver';
import { Countdown, forEachIndex, type QueueSystem } from './queue-system';

const DAY_MS = 24 * 3_600_000;
const UNDER_WAY = 1_000;

const silent: Logger = { debug() {}, info() {}, warn() {}, error() {} };

const decider: Decider = { plan: () => ({ external: false, reads: [], run: () => Promise.resolve('processed') }) };

/** The product's engine with its defaults, in this process. */
class Lanes implements QueueSystem {
  readonly #store: { redisUrl: string; prefix: string; shards: number; log: Logger };

  constructor(redisUrl: string) {
    this.#store = { redisUrl, prefix: 'syncline', shards: 1, log: silent };
  }

  fill(series: string, from: number, to: number, merchants: number): Promise<void> {
    return this.#accepting((acceptor) =>
      forEachIndex(from, to, UNDER_WAY, async (index) => {
        const { status } = await acceptor.accept({ event: eventOf(series, index, merchants), aliases: [] });
        if (status !== 'accepted') throw new Error(`Expected event ${index} to be accepted, got ${status}`);
      }),
    );
  }

  remember(series: string, ids: number): Promise<void> {
    const event = eventOf(series, 0, 1);
    return this.#accepting((acceptor) =>
      forEachIndex(0, ids, UNDER_WAY, async (index) => {
        const { status } = await acceptor.accept({ event, aliases: [`${series}-alias-${index}`] });
        if (status !== 'duplicate') throw new Error(`Expected the known event to be a duplicate, got ${status}`);
      }),
    );
  }

  async drain(events: number, concurrency: number): Promise<void> {
    const countdown = new Countdown(events);
    const observer: TurnObserver = {
      attempted() {},
      committed: () => countdown.count(),
      retried() {},
      fenced() {},
      rescued() {},
      violated: (kind) => countdown.fail(new Error(`Expected no violation, got ${kind}`)),
    };
    const worker = createTurnWorker({
      ...this.#store,
      decider,
      retry: defaultRetryPolicy,
      failurePolicy: () => 'park',
      handlerTimeoutMs: 5_000,
      turnMaxEvents: 100,
      turnMaxBytes: 512 * 1024,
      historyMaxItems: 10_000,
      historyMaxAgeMs: 30 * DAY_MS,
      concurrency,
      observer,
    });
    await worker.start();
    await countdown.done;
    void worker.stop(0);
  }

  async #accepting(use: (acceptor: Acceptor) => Promise<void>): Promise<void> {
    const acceptor = createAcceptor({
      ...this.#store,
      acceptTimeoutMs: 60_000,
      tryTimeoutMs: 30_000,
      dedupWindowMs: () => 3 * DAY_MS,
      waitReplicas: 0,
      onMismatch: (error) => {
        throw error;
      },
    });
    acceptor.start();
    await waitFor(() => acceptor.ready, { message: 'the acceptor to be ready' });
    await use(acceptor);
    await acceptor.stop(10_000);
  }
}

drive((redisUrl) => new Lanes(redisUrl));

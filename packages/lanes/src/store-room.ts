import { Redis } from 'ioredis';
import type { RedisClient } from './connection';
import type { Logger } from './logger';

const PROBE_MS = 1_000;
const ANSWERING_WITHIN_MS = 3_500;
/** Above this share of maxmemory nothing new is accepted, so that claims, commits and BullMQ keep their room and the store drains. */
const FULL_FROM = 0.85;

/** Knows whether the store answers and has room, by asking once a second. */
export class StoreRoom {
  readonly #client: RedisClient;
  readonly #log: Logger;
  #timer: NodeJS.Timeout | undefined;
  #answeredAt = 0;
  #full = false;

  constructor(client: RedisClient, log: Logger) {
    this.#client = client;
    this.#log = log;
  }

  get answering(): boolean {
    return Date.now() - this.#answeredAt < ANSWERING_WITHIN_MS;
  }

  get full(): boolean {
    return this.#full;
  }

  start(): void {
    if (this.#timer) return;
    const probe = (): void => {
      this.#probe().catch(() => undefined);
    };
    this.#timer = setInterval(probe, PROBE_MS);
    this.#client.on('ready', probe);
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  async #probe(): Promise<void> {
    const nodes = this.#client instanceof Redis ? [this.#client] : this.#client.nodes('master');
    if (nodes.length === 0) throw new Error('Expected a cluster with masters, got none');
    const answers = await Promise.all(nodes.map((node) => node.info('memory')));
    const full = answers.some((info) => {
      const most = field(info, 'maxmemory');
      return most > 0 && field(info, 'used_memory') >= most * FULL_FROM;
    });
    if (full !== this.#full) {
      this.#full = full;
      const said = full ? 'the store is nearly full: deliveries are refused until it has drained' : 'the store has room again';
      this.#log.warn({ full }, said);
    }
    this.#answeredAt = Date.now();
  }
}

function field(info: string, name: string): number {
  return Number(new RegExp(`^${name}:(\\d+)`, 'm').exec(info)?.[1] ?? 0);
}

import { Redis } from 'ioredis';
import type { RedisClient } from './connection';
import type { Logger } from './logger';

const PROBE_MS = 1_000;
const ANSWERING_WITHIN_MS = 3_500;
/** Above this share of maxmemory nothing new is accepted, so that claims, commits and BullMQ keep their room and the store drains. */
const FULL_FROM = 0.85;
/** What a stored byte takes, with all that is stored beside it, at most. */
const GROWTH = 2;

/** Knows whether the store answers and has room, by asking once a second, and at once when it may have become full since. */
export class StoreRoom {
  readonly #client: RedisClient;
  readonly #maxBytes: number;
  readonly #log: Logger;
  #timer: NodeJS.Timeout | undefined;
  #answeredAt = 0;
  #full = false;
  /** What may still be stored, as of the last probe. */
  #roomBytes = Number.POSITIVE_INFINITY;
  #storedBytes = 0;
  #probing = false;

  /** `maxBytes`: what one server may hold at most, beside its own `maxmemory`; 0 for no such limit. */
  constructor(client: RedisClient, { maxBytes, log }: { maxBytes: number; log: Logger }) {
    this.#client = client;
    this.#maxBytes = maxBytes;
    this.#log = log;
  }

  get answering(): boolean {
    return Date.now() - this.#answeredAt < ANSWERING_WITHIN_MS;
  }

  get full(): boolean {
    return this.#full;
  }

  /**
   * Whether so many bytes more can be taken. A store without any room stays full: BullMQ's scripts then fail, so nothing leaves it.
   */
  hasRoomFor(bytes: number): boolean {
    if (this.#full) return false;
    if ((this.#storedBytes + bytes) * GROWTH < this.#roomBytes) return true;
    this.#probe();
    return false;
  }

  /** Tells of bytes that the store took. */
  took(bytes: number): void {
    this.#storedBytes += bytes;
  }

  start(): void {
    if (this.#timer) return;
    this.#timer = setInterval(() => this.#probe(), PROBE_MS);
    this.#client.on('ready', () => this.#probe());
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  #probe(): void {
    if (this.#probing) return;
    this.#probing = true;
    this.#look()
      .catch(() => undefined)
      .finally(() => {
        this.#probing = false;
      });
  }

  async #look(): Promise<void> {
    const nodes = this.#client instanceof Redis ? [this.#client] : this.#client.nodes('master');
    if (nodes.length === 0) throw new Error('Expected a cluster with masters, got none');
    const storedBefore = this.#storedBytes;
    const answers = await Promise.all(nodes.map((node) => node.info('memory')));
    this.#storedBytes -= storedBefore;
    this.#roomBytes = Math.min(...answers.map((info) => roomIn(info, this.#maxBytes)));
    const full = this.#roomBytes <= 0;
    if (full !== this.#full) {
      this.#full = full;
      const said = full ? 'the store is nearly full: deliveries are refused until it has drained' : 'the store has room again';
      this.#log.warn({ full }, said);
    }
    this.#answeredAt = Date.now();
  }
}

function roomIn(info: string, maxBytes: number): number {
  const limits = [field(info, 'maxmemory') * FULL_FROM, maxBytes].filter((limit) => limit > 0);
  return Math.min(...limits) - field(info, 'used_memory');
}

function field(info: string, name: string): number {
  return Number(new RegExp(`^${name}:(\\d+)`, 'm').exec(info)?.[1] ?? 0);
}

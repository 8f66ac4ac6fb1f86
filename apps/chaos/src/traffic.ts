import http from 'node:http';
import type { Random } from '@syncline/runtime';
import { senders } from '@syncline/senders';
import type { SentEvent } from './checker';
import { pause } from './pause';

export interface TrafficSettings {
  readonly ports: readonly number[];
  readonly secret: string;
  readonly merchants: number;
  /** New events a second. */
  readonly rate: number;
  readonly random: Random;
  /** Makes the event ids of this run its own. */
  readonly runName: string;
}

/** What the sender knows of its deliveries. */
export interface TrafficCounts {
  events: number;
  acknowledged: number;
  deliveries: number;
  /** Deliveries repeated because the one before had no 2xx. */
  resent: number;
  /** Deliveries of an event that was acknowledged already, or is being delivered at the same time. */
  repeated: number;
  /** Answers by status; deliveries without an answer are `none`. */
  readonly answers: Map<string, number>;
}

/** Most events under way: a sender that waits for an ingress sends nothing new meanwhile. */
const UNDER_WAY_MAX = 40;
const ANSWER_TIMEOUT_MS = 8_000;
const TICK_MS = 20;

interface Sending {
  readonly event: { -readonly [Field in keyof SentEvent]: SentEvent[Field] };
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** A sender as the contract knows it: signs, sends, sends again what had no 2xx, and now and then sends something twice. */
export class Traffic {
  readonly counts: TrafficCounts = { events: 0, acknowledged: 0, deliveries: 0, resent: 0, repeated: 0, answers: new Map() };
  readonly #settings: TrafficSettings;
  readonly #agent = new http.Agent({ keepAlive: true, maxSockets: 128 });
  readonly #events: Sending[] = [];
  readonly #underWay = new Set<Promise<void>>();

  constructor(settings: TrafficSettings) {
    this.#settings = settings;
  }

  get sent(): readonly SentEvent[] {
    return this.#events.map(({ event }) => event);
  }

  get merchantIds(): readonly string[] {
    return Array.from({ length: this.#settings.merchants }, (_, index) => String(10_001 + index));
  }

  get unacknowledged(): number {
    return this.counts.events - this.counts.acknowledged;
  }

  /** Sends new events until `ending` fires, and repeats what has no 2xx until `givingUp` fires. Resolves when nothing is under way. */
  async run(ending: AbortSignal, givingUp: AbortSignal): Promise<void> {
    let due = 0;
    let before = performance.now();
    while (await pause(TICK_MS, ending)) {
      const now = performance.now();
      due = Math.min(due + ((now - before) * this.#settings.rate) / 1_000, this.#settings.rate);
      before = now;
      for (; due >= 1; due--) if (this.#underWay.size < UNDER_WAY_MAX) this.#track(this.#see(this.#next(), givingUp));
    }
    while (this.#underWay.size > 0) await Promise.all(this.#underWay);
    this.#agent.destroy();
  }

  #track(work: Promise<void>): void {
    this.#underWay.add(work);
    void work.finally(() => this.#underWay.delete(work));
  }

  /** What becomes of an event is decided here, by the seed, and written in it. */
  #next(): Sending {
    const { random, secret, runName, merchants } = this.#settings;
    const number = ++this.counts.events;
    const merchantId = this.merchantIds[random.integer(0, merchants - 1)] ?? '';
    const fatal = random.chance(0.01);
    const reminds = !fatal && random.chance(0.05);
    const chaos = {
      fatal,
      failures: random.chance(0.06) ? random.integer(1, 4) : 0,
      slowMs: random.chance(0.2) ? random.integer(1, 60) : random.chance(0.02) ? random.integer(200, 900) : 0,
      hangMs: random.chance(0.002) ? 3_000 : 0,
      reminderMs: reminds ? random.integer(0, 1_500) : -1,
    };
    const eventId = `${runName}-${number}`;
    const body = JSON.stringify({
      id: number,
      bags: [{ merchant_id: Number(merchantId) }],
      chaos,
      filler: 'x'.repeat(random.integer(0, 600)),
    });
    const headers = senders.violet.sign({ eventId, topic: 'ORDER_UPDATED', body }, { secrets: [secret] });
    const event = { eventId, merchantId, sentAt: performance.now(), ackedAt: undefined, fatal, reminds };
    const sending: Sending = { event, headers, body };
    this.#events.push(sending);
    return sending;
  }

  /** Sees an event through to its acknowledgement. */
  async #see(sending: Sending, givingUp: AbortSignal): Promise<void> {
    const { random } = this.#settings;
    if (random.chance(0.03)) this.#track(this.#repeat(sending, 0, givingUp));
    while (!(await this.#deliver(sending))) {
      if (!(await pause(random.integer(50, 1_000), givingUp))) return;
      this.counts.resent++;
    }
    if (random.chance(0.05)) this.#track(this.#repeat(sending, random.integer(0, 5_000), givingUp));
  }

  async #repeat(sending: Sending, afterMs: number, givingUp: AbortSignal): Promise<void> {
    if (afterMs > 0 && !(await pause(afterMs, givingUp))) return;
    this.counts.repeated++;
    await this.#deliver(sending);
  }

  /** True when the delivery was answered 2xx. */
  async #deliver({ event, headers, body }: Sending): Promise<boolean> {
    this.counts.deliveries++;
    const answer = await this.#post(headers, body);
    const name = answer === undefined ? 'none' : String(answer.status);
    this.counts.answers.set(name, (this.counts.answers.get(name) ?? 0) + 1);
    if (!answer || answer.status < 200 || answer.status > 299) return false;
    if (event.ackedAt === undefined) this.counts.acknowledged++;
    // Said to be new once more: after a rollback it is, and has its place from then on.
    if (event.ackedAt === undefined || answer.text.includes('"accepted"')) event.ackedAt = performance.now();
    return true;
  }

  #post(headers: Readonly<Record<string, string>>, body: string): Promise<{ status: number; text: string } | undefined> {
    const port = this.#settings.random.pick(this.#settings.ports);
    return new Promise((resolve) => {
      const request = http.request(
        {
          host: '127.0.0.1',
          port,
          path: '/webhooks/violet',
          method: 'POST',
          agent: this.#agent,
          headers: { ...headers, 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(body) },
        },
        (response) => {
          let text = '';
          response.on('data', (chunk: Buffer) => {
            text += chunk.toString();
          });
          // An answer counts when all of it came.
          response.on('end', () => resolve(response.complete ? { status: response.statusCode ?? 0, text } : undefined));
          response.on('error', () => resolve(undefined));
          response.on('aborted', () => resolve(undefined));
        },
      );
      const timeout = setTimeout(() => request.destroy(new Error('No answer in time')), ANSWER_TIMEOUT_MS);
      request.on('error', () => resolve(undefined));
      request.on('close', () => {
        clearTimeout(timeout);
        resolve(undefined);
      });
      request.end(body);
    });
  }
}

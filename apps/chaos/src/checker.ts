import { createHash } from 'node:crypto';
import { timerEventId } from '@syncline/lanes';

/** An event as its sender remembers it. Times are of one monotonic clock, in milliseconds. */
export interface SentEvent {
  readonly eventId: string;
  readonly merchantId: string;
  /** When it was sent first. */
  readonly sentAt: number;
  /** When it was acknowledged, the last time that it was said to be new; undefined when no delivery of it was answered 2xx. */
  readonly ackedAt: number | undefined;
  /** Its handler fails for good: it is to become a dead letter. */
  readonly fatal: boolean;
  /** Its handler asks for a reminder, an event that comes later. */
  readonly reminds: boolean;
}

export interface HistoryEntry {
  readonly position: number;
  readonly seq: number;
  readonly eventId: string;
  readonly outcome: string;
}

/** What a merchant's handlers wrote into its state. */
export interface Ledger {
  readonly count: number;
  readonly lastSeq: number;
  readonly chain: string;
}

/** A merchant's lane as it is read after the run. */
export interface LaneReading {
  readonly merchantId: string;
  readonly state: string;
  /** Events that wait in it. */
  readonly depth: number;
  /** The whole of it, oldest first. */
  readonly history: readonly HistoryEntry[];
  readonly ledger: Ledger | undefined;
  /** Events that the sender knows to be acknowledged, are in no history, and are known to wait. */
  readonly waiting: ReadonlySet<string>;
}

export type ViolationKind = 'lost' | 'reordered' | 'duplicated' | 'stuck';

export interface Violation {
  readonly kind: ViolationKind;
  readonly merchantId: string;
  readonly detail: string;
  /** The event was acknowledged and left no trace at all: what a failover to a replica that lagged does. */
  readonly forgotten?: true;
  /** Time may mend it: something that is to come has not come yet. */
  readonly pending?: true;
}

export interface Verdict {
  readonly violations: readonly Violation[];
  /** Events in the histories, reminders included. */
  readonly committed: number;
  readonly dead: number;
  /** Dead letters of events that would have succeeded in the end: their worker was ended under them too often. */
  readonly crashed: number;
  readonly reminders: number;
}

/** The chain of a ledger that has one more entry. */
export function chained(chain: string, eventId: string): string {
  return createHash('sha256').update(chain).update('\n').update(eventId).digest('base64url').slice(0, 22);
}

/** The id of the event that an event's reminder comes as: its timer has the event's id as key. */
export function reminderId(eventId: string): string {
  return timerEventId(eventId, eventId);
}

/** Compares what was acknowledged with what came of it. Knows neither Redis nor HTTP. */
export function check(sent: Iterable<SentEvent>, lanes: readonly LaneReading[]): Verdict {
  const byMerchant = new Map<string, Map<string, SentEvent>>();
  for (const event of sent) {
    const events = byMerchant.get(event.merchantId) ?? new Map<string, SentEvent>();
    byMerchant.set(event.merchantId, events.set(event.eventId, event));
  }
  const violations: Violation[] = [];
  const totals = { committed: 0, dead: 0, crashed: 0, reminders: 0 };
  for (const lane of lanes) {
    const events = byMerchant.get(lane.merchantId) ?? new Map<string, SentEvent>();
    byMerchant.delete(lane.merchantId);
    const laneCheck = new LaneCheck(lane, events);
    violations.push(...laneCheck.run());
    totals.committed += lane.history.length;
    totals.dead += laneCheck.dead;
    totals.crashed += laneCheck.crashed;
    totals.reminders += laneCheck.reminders;
  }
  for (const [merchantId, events] of byMerchant) {
    for (const { eventId, ackedAt } of events.values()) {
      if (ackedAt === undefined) continue;
      const detail = `${eventId} was acknowledged, and its merchant has no lane`;
      violations.push({ kind: 'lost', merchantId, detail, forgotten: true });
    }
  }
  return { violations, ...totals };
}

class LaneCheck {
  readonly #lane: LaneReading;
  readonly #sent: ReadonlyMap<string, SentEvent>;
  readonly #violations: Violation[] = [];
  /** Places in the history by event. */
  readonly #places = new Map<string, number>();
  dead = 0;
  crashed = 0;
  reminders = 0;

  constructor(lane: LaneReading, sent: ReadonlyMap<string, SentEvent>) {
    this.#lane = lane;
    this.#sent = sent;
  }

  run(): Violation[] {
    this.#checkPlaces();
    this.#checkOrder();
    this.#checkOrigins();
    this.#checkAcknowledged();
    this.#checkLedger();
    this.#checkDrained();
    return this.#violations;
  }

  #violated(kind: ViolationKind, detail: string, more: { forgotten?: true; pending?: true } = {}): void {
    this.#violations.push({ kind, merchantId: this.#lane.merchantId, detail, ...more });
  }

  /** The history holds seq 1, 2, 3, … at position 1, 2, 3, …, each event once. */
  #checkPlaces(): void {
    let before = 0;
    for (const [index, { eventId, seq, position }] of this.#lane.history.entries()) {
      if (position !== index + 1) this.#violated('lost', `${eventId} stands at position ${position}, expected ${index + 1}`);
      if (seq > before + 1) this.#violated('lost', `seq ${before + 1} to ${seq - 1} are missing before ${eventId}`);
      const place = this.#places.get(eventId);
      if (place !== undefined) this.#violated('duplicated', `${eventId} was committed at positions ${place} and ${position}`);
      else if (seq <= before) this.#violated('reordered', `${eventId} with seq ${seq} was committed after seq ${before}`);
      if (place === undefined) this.#places.set(eventId, position);
      before = Math.max(before, seq);
    }
  }

  /** An event that was sent after another had been acknowledged comes after it. */
  #checkOrder(): void {
    let latest: SentEvent | undefined;
    for (const { eventId } of this.#lane.history) {
      const event = this.#sent.get(eventId);
      if (!event) continue;
      if (latest && event.ackedAt !== undefined && event.ackedAt < latest.sentAt) {
        this.#violated('reordered', `${eventId} was acknowledged before ${latest.eventId} was sent, and was committed after it`);
      }
      if (!latest || event.sentAt > latest.sentAt) latest = event;
    }
  }

  /** Every committed event was sent, or is the reminder of one that was processed; each of these has its reminder. */
  #checkOrigins(): void {
    const reminders = new Map<string, string>();
    for (const { eventId, outcome } of this.#lane.history) {
      const event = this.#sent.get(eventId);
      if (event?.reminds && outcome === 'processed') reminders.set(reminderId(eventId), eventId);
    }
    for (const { eventId, outcome } of this.#lane.history) {
      const event = this.#sent.get(eventId);
      if (outcome === 'dead') {
        this.dead++;
        if (!event?.fatal) this.crashed++;
      } else if (outcome !== 'processed' || event?.fatal === true) {
        this.#violated('lost', `${eventId} came to the outcome ${outcome}, expected ${event?.fatal ? 'dead' : 'processed'}`);
      }
      if (event) continue;
      if (reminders.delete(eventId)) this.reminders++;
      else if (!this.#isRepeated(eventId)) this.#violated('duplicated', `${eventId} was committed, and nobody sent it`);
    }
    for (const eventId of reminders.values()) {
      this.#violated('lost', `the reminder of ${eventId} did not come`, { pending: true });
    }
  }

  /** A reminder that came twice is told of already, by its places. */
  #isRepeated(eventId: string): boolean {
    return this.#lane.history.filter((entry) => entry.eventId === eventId).length > 1;
  }

  #checkAcknowledged(): void {
    for (const { eventId, ackedAt } of this.#sent.values()) {
      if (ackedAt === undefined || this.#places.has(eventId)) continue;
      if (this.#lane.waiting.has(eventId)) this.#violated('stuck', `${eventId} waits`, { pending: true });
      else this.#violated('lost', `${eventId} was acknowledged, and is nowhere`, { forgotten: true });
    }
  }

  /** The state is what the processed events make of it, in the order of the history. */
  #checkLedger(): void {
    const processed = this.#lane.history.filter(({ outcome }) => outcome === 'processed');
    const expected: Ledger = {
      count: processed.length,
      lastSeq: processed.at(-1)?.seq ?? 0,
      chain: processed.reduce((chain, { eventId }) => chained(chain, eventId), ''),
    };
    const found = this.#lane.ledger ?? { count: 0, lastSeq: 0, chain: '' };
    const said = `the state holds ${found.count} entries to seq ${found.lastSeq}, the history ${expected.count} to seq ${expected.lastSeq}`;
    if (found.count < expected.count) this.#violated('lost', `effects are missing: ${said}`);
    else if (found.count > expected.count) this.#violated('duplicated', `effects are repeated: ${said}`);
    else if (found.chain !== expected.chain || found.lastSeq !== expected.lastSeq)
      this.#violated('reordered', `effects are in another order: ${said}`);
  }

  #checkDrained(): void {
    const { depth, state } = this.#lane;
    if (depth > 0 || state !== 'idle') this.#violated('stuck', `${depth} events wait, the lane is ${state}`, { pending: true });
  }
}

import type { Taken } from './ingress-client';
import type { PlannedEvent } from './senders';

/** What the ingress must call the events of a merchant. */
export interface Naming {
  readonly lane: string;
  /** The id that the sender gives an event; undefined of a sender that gives none. */
  readonly eventId: (event: number) => string | undefined;
}

/** Begins, answers and acknowledgements of all runs have one order. */
let moments = 0;

const NEVER = Number.POSITIVE_INFINITY;

/** What is known of the deliveries of one merchant's events, in few bytes for each; events are named by their place in the plan. */
export class Ledger {
  readonly events: readonly PlannedEvent[];
  readonly #naming: Naming;
  readonly #begunAt: Float64Array;
  readonly #takenAt: Float64Array;
  readonly #stored: Uint16Array;
  readonly #wasRepeated: Uint8Array;
  readonly #names: (string | undefined)[];
  readonly #differences: string[] = [];

  constructor(events: readonly PlannedEvent[], naming: Naming) {
    this.events = events;
    this.#naming = naming;
    this.#begunAt = new Float64Array(events.length).fill(NEVER);
    this.#takenAt = new Float64Array(events.length).fill(NEVER);
    this.#stored = new Uint16Array(events.length);
    this.#wasRepeated = new Uint8Array(events.length);
    this.#names = events.map(() => undefined);
  }

  /** A delivery of the event begins. */
  begin(event: number): void {
    moments += 1;
    this.#begunAt[event] = Math.min(this.#begunAt[event] ?? NEVER, moments);
  }

  /** A delivery of the event was acknowledged. */
  take(event: number, { status, eventId, lane, attempts }: Taken): void {
    moments += 1;
    this.#takenAt[event] = Math.min(this.#takenAt[event] ?? NEVER, moments);
    // An attempt without an answer may have been the one that was accepted.
    if (attempts > 1) this.#wasRepeated[event] = 1;
    const wantedId = this.#naming.eventId(event) ?? this.#names[event] ?? eventId;
    this.#names[event] ??= eventId;
    if (status !== 'duplicate') this.#stored[event] = (this.#stored[event] ?? 0) + 1;
    if (status === 'quarantined') this.#differ(event, 'expected accepted, got quarantined');
    if (eventId !== wantedId) this.#differ(event, `expected to be known as ${wantedId}, got ${eventId}`);
    if (lane !== undefined && lane !== this.#naming.lane)
      this.#differ(event, `expected in lane ${this.#naming.lane}, got ${lane}`);
  }

  /** The id under which the ingress knows the event; undefined before it was taken. */
  nameOf(event: number): string | undefined {
    return this.#names[event];
  }

  /** True when one event was acknowledged before any delivery of the other began: their order in the lane is certain. */
  precedes(event: number, other: number): boolean {
    return (this.#takenAt[event] ?? NEVER) < (this.#begunAt[other] ?? NEVER);
  }

  /** True when the first delivery of one event began after that of the other. */
  beganAfter(event: number, other: number): boolean {
    return (this.#begunAt[event] ?? NEVER) > (this.#begunAt[other] ?? NEVER);
  }

  /** The events in the order of their acknowledgements. */
  byAcknowledgement(events: readonly number[]): number[] {
    return events.toSorted((left, right) => (this.#takenAt[left] ?? NEVER) - (this.#takenAt[right] ?? NEVER));
  }

  /** What the answers were not: each event accepted exactly once, every other delivery of it a duplicate, under its own name. */
  differences(): string[] {
    const differences = [...this.#differences];
    for (const event of this.events.keys()) {
      const taken = this.#stored[event] ?? 0;
      if (taken > 1) differences.push(`${this.#called(event)}: expected accepted once, got it ${taken} times`);
      const isExplained = this.#wasRepeated[event] === 1 || this.#takenAt[event] === NEVER;
      if (taken === 0 && !isExplained) differences.push(`${this.#called(event)}: expected accepted, got duplicate`);
    }
    return differences;
  }

  #differ(event: number, words: string): void {
    this.#differences.push(`${this.#called(event)}: ${words}`);
  }

  #called(event: number): string {
    return `event ${this.#names[event] ?? event} (${this.events[event]?.topic ?? '?'})`;
  }
}

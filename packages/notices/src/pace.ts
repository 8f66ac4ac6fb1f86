/** How fast a destination may be given deliveries, by one worker process. */
export interface PaceSettings {
  /** On average; undefined for as many as come. */
  readonly perSecond: number | undefined;
  /** At once, after a pause. */
  readonly burst: number;
  /** Under way at the same time. */
  readonly concurrency: number;
}

/** Longest time that a delivery is put off: it then asks again, and a rate that was raised meanwhile counts. */
const WAIT_MAX_MS = 300_000;
/** A slot that nobody came for is free again: another worker may have made the delivery. */
const SLOT_KEPT_MS = 60_000;
const BUSY_MIN_MS = 500;
const BUSY_SPREAD_MS = 2_000;

/**
 * Paces the deliveries to one destination. A delivery that has to wait is given its time, which is kept for it: however many wait, each
 * comes again about once.
 */
export class Pace {
  readonly #settings: PaceSettings;
  readonly #now: () => number;
  readonly #random: () => number;
  /** When deliveries that wait are to come, by their ids, in the order in which they asked. */
  readonly #slots = new Map<string, number>();
  #underWay = 0;
  /** When the next slot after a burst would be; see the generic cell rate algorithm. */
  #next = 0;
  #pausedUntil = 0;

  /** `now` in milliseconds, monotonic; `random` in [0, 1). */
  constructor(settings: PaceSettings, now: () => number = () => performance.now(), random: () => number = Math.random) {
    this.#settings = settings;
    this.#now = now;
    this.#random = random;
  }

  /** 0 when the delivery may be made now, which must then `leave`; else how long it is to wait, in milliseconds. */
  enter(id: string): number {
    const now = this.#now();
    if (this.#underWay >= this.#settings.concurrency) return Math.round(BUSY_MIN_MS + BUSY_SPREAD_MS * this.#random());
    const waitMs = Math.max(this.#pausedUntil - now, this.#slotOf(id, now) - now);
    if (waitMs > 0) return Math.ceil(Math.min(waitMs, WAIT_MAX_MS));
    this.#slots.delete(id);
    this.#underWay++;
    return 0;
  }

  leave(): void {
    this.#underWay--;
  }

  /** No delivery before this many milliseconds have passed: the destination said so. */
  pause(ms: number): void {
    this.#pausedUntil = Math.max(this.#pausedUntil, this.#now() + ms);
  }

  #slotOf(id: string, now: number): number {
    const { perSecond, burst } = this.#settings;
    if (perSecond === undefined) return now;
    const kept = this.#slots.get(id);
    if (kept !== undefined) return kept;
    this.#forget(now);
    const intervalMs = 1_000 / perSecond;
    const at = Math.max(this.#next, now);
    this.#next = at + intervalMs;
    const slot = Math.max(now, at - (burst - 1) * intervalMs);
    this.#slots.set(id, slot);
    return slot;
  }

  #forget(now: number): void {
    for (const [id, slot] of this.#slots) {
      if (slot + SLOT_KEPT_MS > now) return;
      this.#slots.delete(id);
    }
  }
}

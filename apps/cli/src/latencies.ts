/** Neighbouring steps differ by 2 %: so precise are the quantiles. */
const STEP = Math.log(1.02);
const SHORTEST_MS = 0.01;
/** Up to 20 minutes. */
const STEPS = 1_000;

/** Durations, however many, in a fixed amount of memory. */
export class Latencies {
  readonly #counts = new Uint32Array(STEPS);
  #total = 0;

  add(ms: number): void {
    const step = Math.floor(Math.log(Math.max(ms, SHORTEST_MS) / SHORTEST_MS) / STEP);
    this.#counts[Math.min(step, STEPS - 1)] = (this.#counts[Math.min(step, STEPS - 1)] ?? 0) + 1;
    this.#total += 1;
  }

  /** The duration that this share of all did not exceed, in milliseconds and 2 % too long at most; undefined when there are none. */
  quantile(share: number): number | undefined {
    let left = Math.max(1, Math.ceil(this.#total * share));
    for (const [step, count] of this.#counts.entries()) {
      left -= count;
      if (left <= 0) return SHORTEST_MS * Math.exp((step + 1) * STEP);
    }
    return undefined;
  }
}

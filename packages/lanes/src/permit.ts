/** What one of many may hold at a time. */
export class Permit {
  #held = false;

  /** True when it was free, and is the caller's now. */
  take(): boolean {
    if (this.#held) return false;
    this.#held = true;
    return true;
  }

  giveBack(): void {
    this.#held = false;
  }
}

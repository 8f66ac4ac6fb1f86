/** Bounds how many do something at once. Who comes first is let in first. */
export class Slots {
  #free: number;
  readonly #waiting = new Set<() => void>();

  constructor(size: number) {
    this.#free = size;
  }

  /** Resolves to true when there is a slot for the caller, which has to give it back, and to false when there was none in that time. */
  async take(patienceMs: number): Promise<boolean> {
    if (this.#free > 0) {
      this.#free -= 1;
      return true;
    }
    return await new Promise<boolean>((resolve) => {
      const letIn = (): void => {
        clearTimeout(patience);
        resolve(true);
      };
      const patience = setTimeout(() => {
        this.#waiting.delete(letIn);
        resolve(false);
      }, patienceMs);
      this.#waiting.add(letIn);
    });
  }

  giveBack(): void {
    const [next] = this.#waiting;
    if (!next) {
      this.#free += 1;
      return;
    }
    this.#waiting.delete(next);
    next();
  }

  /** Lets in who waits and whoever comes: what they do now is short. */
  open(): void {
    this.#free = Number.POSITIVE_INFINITY;
    for (const letIn of this.#waiting) letIn();
    this.#waiting.clear();
  }
}

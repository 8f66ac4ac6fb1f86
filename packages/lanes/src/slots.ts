/** Bounds how many do something at once. Who comes first is let in first. */
export class Slots {
  #free: number;
  #waiting: (() => void)[] = [];

  constructor(size: number) {
    this.#free = size;
  }

  /** Resolves when there is a slot for the caller, which has to give it back. */
  async take(): Promise<void> {
    if (this.#free > 0) this.#free -= 1;
    else await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }

  giveBack(): void {
    const next = this.#waiting.shift();
    if (next) next();
    else this.#free += 1;
  }

  /** Lets in who waits and whoever comes: what they do now is short. */
  open(): void {
    this.#free = Number.POSITIVE_INFINITY;
    for (const letIn of this.#waiting.splice(0)) letIn();
  }
}

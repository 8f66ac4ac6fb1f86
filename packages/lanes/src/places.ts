/** Who waits, and how long at most. */
export interface Waiting {
  readonly patienceMs: number;
  /** Comes before those that are not urgent. */
  readonly urgent?: boolean;
}

/** Places beside the others for lanes that are urgent, as a share of them. */
const URGENT_SHARE = 0.1;
/** Lanes that may be claimed and have no place yet, in multiples of the places: while one lane's claim is on its way, others are decided. */
const AHEAD_SHARE = 4;

/**
 * Bounds on how many lanes a worker decides at once, and how many it claims ahead: none while its places are taken, so that what has to
 * wait long stays where other workers can take it. A lane enters, then takes a place and gives it back, or leaves without. Who comes
 * first is let in first.
 */
export class Places {
  readonly #mostAhead: number;
  readonly #urgentPlaces: number;
  /** Negative while urgent lanes have places of their own. */
  #free: number;
  #ahead = 0;
  #opened = false;
  readonly #taking = { urgent: new Line(), others: new Line() };
  readonly #entering = { urgent: new Line(), others: new Line() };

  constructor(size: number) {
    this.#free = size;
    this.#urgentPlaces = Math.floor(size * URGENT_SHARE);
    this.#mostAhead = size * AHEAD_SHARE;
  }

  /** Resolves to true when the caller may claim a lane: it then has to `take` or to `leave`. To false when it may not in that time. */
  async enter({ patienceMs, urgent = false }: Waiting): Promise<boolean> {
    return await this.#entering[urgent ? 'urgent' : 'others'].wait(patienceMs, () => this.#letIn());
  }

  /** After `enter`: resolves to true when there is a place for the lane, which has to be given back, and to false when there was none in that time. */
  async take({ patienceMs, urgent = false }: Waiting): Promise<boolean> {
    this.#ahead -= 1;
    return await this.#taking[urgent ? 'urgent' : 'others'].wait(patienceMs, () => this.#letIn());
  }

  leave(): void {
    this.#ahead -= 1;
    this.#letIn();
  }

  giveBack(): void {
    this.#free += 1;
    this.#letIn();
  }

  /** Lets in who waits and whoever comes: what they do now is short. */
  open(): void {
    this.#opened = true;
    this.#letIn();
  }

  #letIn(): void {
    const forUrgent = (): boolean => this.#opened || this.#free + this.#urgentPlaces > 0;
    const forOthers = (): boolean => this.#opened || this.#free > 0;
    while (forUrgent() && this.#taking.urgent.letIn()) this.#free -= 1;
    while (forOthers() && this.#taking.others.letIn()) this.#free -= 1;
    while (forUrgent() && this.#entering.urgent.letIn()) this.#ahead += 1;
    while (forOthers() && (this.#opened || this.#ahead < this.#mostAhead) && this.#entering.others.letIn()) this.#ahead += 1;
  }
}

class Line {
  readonly #waiting = new Set<() => void>();

  /** `look` lets in who may be, perhaps at once. Resolves to true when let in, and to false when that takes longer. */
  wait(patienceMs: number, look: () => void): Promise<boolean> {
    return new Promise((resolve) => {
      let patience: NodeJS.Timeout | undefined;
      const letIn = (): void => {
        clearTimeout(patience);
        resolve(true);
      };
      this.#waiting.add(letIn);
      look();
      if (!this.#waiting.has(letIn)) return;
      patience = setTimeout(() => {
        this.#waiting.delete(letIn);
        resolve(false);
      }, patienceMs);
    });
  }

  /** Lets in the first; false when nobody waits. */
  letIn(): boolean {
    const [first] = this.#waiting;
    if (!first) return false;
    this.#waiting.delete(first);
    first();
    return true;
  }
}

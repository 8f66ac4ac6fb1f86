/** Who waits, and how long at most. */
export interface Waiting {
  readonly patienceMs: number;
  /** Comes before those that are not urgent. */
  readonly urgent?: boolean;
}

/** Places beside the others for lanes that are urgent, as a share of them. */
const URGENT_SHARE = 0.1;
/** Lanes that may be claimed and have no place yet, for each place that is free: while one lane's claim is on its way, others are decided. */
const AHEAD_SHARE = 4;

type Kind = 'urgent' | 'others';

function kindOf({ urgent = false }: Waiting): Kind {
  return urgent ? 'urgent' : 'others';
}

/**
 * Bounds on how many lanes a worker decides at once, and how many it claims ahead: none while its places are taken, so that what has to
 * wait long stays where other workers can take it. A lane enters, then takes a place and gives it back, or leaves without. Who comes
 * first is let in first.
 */
export class Places {
  readonly #urgentPlaces: number;
  /** Negative while urgent lanes have places of their own. */
  #free: number;
  /** Let in, and without a place yet. */
  readonly #ahead: Record<Kind, number> = { urgent: 0, others: 0 };
  #opened = false;
  readonly #taking = { urgent: new Line(), others: new Line() };
  readonly #entering = { urgent: new Line(), others: new Line() };
  readonly #onRoom: () => void;

  /** @param onRoom told when somebody was let in, or could be, and nobody waits any more. Must not throw. */
  constructor(size: number, onRoom: () => void = () => undefined) {
    this.#onRoom = onRoom;
    this.#free = size;
    this.#urgentPlaces = Math.floor(size * URGENT_SHARE);
  }

  /** For how many ms somebody has been waiting to be let in. */
  get crowdedForMs(): number {
    return this.#entering.others.waitingForMs;
  }

  /** Resolves to true when the caller may claim a lane: it then has to `take` or to `leave`. To false when it may not in that time. */
  async enter(waiting: Waiting): Promise<boolean> {
    return await this.#entering[kindOf(waiting)].wait(waiting.patienceMs, () => this.#letIn());
  }

  /** After `enter`: resolves to true when there is a place for the lane, which has to be given back, and to false when there was none in that time. */
  async take(waiting: Waiting): Promise<boolean> {
    const taken = await this.#taking[kindOf(waiting)].wait(waiting.patienceMs, () => this.#letIn());
    if (!taken) this.leave(waiting);
    return taken;
  }

  /** After `enter`, instead of `take`. */
  leave(waited: Waiting): void {
    this.#ahead[kindOf(waited)] -= 1;
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
    for (const kind of ['urgent', 'others'] as const) {
      while (this.#room(kind) > 0 && this.#taking[kind].letIn()) {
        this.#ahead[kind] -= 1;
        this.#free -= 1;
      }
      while (this.#ahead[kind] < this.#room(kind) * AHEAD_SHARE && this.#entering[kind].letIn()) this.#ahead[kind] += 1;
    }
    if (this.#entering.others.waitingForMs === 0) this.#onRoom();
  }

  #room(kind: Kind): number {
    if (this.#opened) return Number.POSITIVE_INFINITY;
    return this.#free + (kind === 'urgent' ? this.#urgentPlaces : 0);
  }
}

class Line {
  /** By whom to let in: since when it waits. */
  readonly #waiting = new Map<() => void, number>();

  /** How long the first has been waiting; 0 when nobody waits. */
  get waitingForMs(): number {
    const [since] = this.#waiting.values();
    return since === undefined ? 0 : Math.max(1, performance.now() - since);
  }

  /** `look` lets in who may be, perhaps at once. Resolves to true when let in, and to false when that takes longer. */
  wait(patienceMs: number, look: () => void): Promise<boolean> {
    return new Promise((resolve) => {
      let patience: NodeJS.Timeout | undefined;
      const letIn = (): void => {
        clearTimeout(patience);
        resolve(true);
      };
      this.#waiting.set(letIn, performance.now());
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
    const [first] = this.#waiting.keys();
    if (!first) return false;
    this.#waiting.delete(first);
    first();
    return true;
  }
}

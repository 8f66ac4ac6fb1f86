/** How much of what is gathered goes together. */
export interface GatheringLimits<Request> {
  readonly maxCount: number;
  /** Counts towards `maxSize`; a request that is larger goes alone. */
  sizeOf(request: Request): number;
  readonly maxSize: number;
}

interface Gathered<Request, Answer> {
  readonly request: Request;
  readonly resolve: (answer: Answer) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Lets what is asked for in one turn of the event loop share calls to the store. `send` gives each request's own answer, an Error that
 * it failed with, or undefined when it has to be sent again; when it rejects, all of its requests do.
 */
export class Gathering<Request, Answer> {
  readonly #send: (requests: readonly Request[]) => Promise<readonly (Answer | Error | undefined)[]>;
  readonly #limits: GatheringLimits<Request>;
  readonly #gathered: Gathered<Request, Answer>[] = [];
  #flushing = false;

  constructor(
    send: (requests: readonly Request[]) => Promise<readonly (Answer | Error | undefined)[]>,
    limits: GatheringLimits<Request>,
  ) {
    this.#send = send;
    this.#limits = limits;
  }

  ask(request: Request): Promise<Answer> {
    return new Promise((resolve, reject) => this.#add({ request, resolve, reject }));
  }

  #add(one: Gathered<Request, Answer>): void {
    this.#gathered.push(one);
    if (this.#flushing) return;
    this.#flushing = true;
    setImmediate(() => {
      this.#flushing = false;
      while (this.#gathered.length > 0) void this.#answer(this.#next());
    });
  }

  #next(): Gathered<Request, Answer>[] {
    const { maxCount, maxSize } = this.#limits;
    let size = 0;
    let count = 0;
    for (const { request } of this.#gathered) {
      size += this.#limits.sizeOf(request);
      if (count > 0 && (count === maxCount || size > maxSize)) break;
      count++;
    }
    return this.#gathered.splice(0, count);
  }

  async #answer(batch: readonly Gathered<Request, Answer>[]): Promise<void> {
    try {
      const answers = await this.#send(batch.map(({ request }) => request));
      for (const [index, one] of batch.entries()) {
        const answer = answers[index];
        if (answer === undefined) this.#add(one);
        else if (answer instanceof Error) one.reject(answer);
        else one.resolve(answer);
      }
    } catch (error) {
      for (const { reject } of batch) reject(error);
    }
  }
}

/** Room for the bodies that are in memory at once, verified or not: many large ones must not cost the process its life. */
export class BodyRoom {
  readonly #mostBytes: number;
  #heldBytes = 0;

  constructor(mostBytes: number) {
    this.#mostBytes = mostBytes;
  }

  /** A place for one body, empty at first. Only bytes that came count: an announcement costs its sender nothing. */
  open(): BodyPlace {
    let held = 0;
    return {
      add: (bytes) => {
        held += bytes;
        this.#heldBytes += bytes;
        return this.#heldBytes <= this.#mostBytes;
      },
      close: () => {
        this.#heldBytes -= held;
        held = 0;
      },
    };
  }
}

export interface BodyPlace {
  /** Tells that bytes have come; false when there is no room for them. */
  add(bytes: number): boolean;
  /** Gives all the room back. Idempotent. */
  close(): void;
}

/** Names one document of a merchant's state. */
export interface DocumentRef {
  readonly collection: string;
  readonly id: string;
}

/**
 * The effects that the handlers of one event ask for. They are committed all or none, in the same step as the lane's advance;
 * if the event fails, none of them happen. A merchant has one writer, so what is read cannot change before the commit.
 */
export interface UnitOfWork {
  /** The document's value, with the effects of the run's earlier events and of this unit applied; undefined when there is none. */
  get(collection: string, id: string): Promise<unknown>;
  /** Stores a JSON value; rejects nothing until the commit. Throws once the unit is closed. */
  put(collection: string, id: string, value: unknown): void;
  /** Removes a document; removing an absent one is allowed. Throws once the unit is closed. */
  delete(collection: string, id: string): void;
}

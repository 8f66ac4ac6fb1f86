/** Names one document of a merchant's state. */
export interface DocumentRef {
  readonly collection: string;
  readonly id: string;
}

/** An event that a commit causes: it comes into the lane as any other does, and is attempted, retried and recorded like it. */
export interface FollowUp {
  /** A name that no sender uses for a topic. Those that begin with `syncline.` are Syncline's own. */
  readonly topic: string;
  /** A JSON value: the event's body. */
  readonly payload?: unknown;
}

/** True for the topics of Syncline's own follow-ups. */
export function isInternalTopic(topic: string): boolean {
  return topic.startsWith('syncline.');
}

/** Where an event may be appended to, other than the lane of its cause. */
export type AppendTarget =
  | { readonly sideLane: string; readonly merchantLane?: undefined }
  | { readonly merchantLane: true; readonly sideLane?: undefined };

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
  /** Ids of the documents in a collection, in no order, with the effects of the run's earlier events and of this unit applied. */
  ids(collection: string): Promise<string[]>;
  /**
   * Appends an event, in the same step as the commit, to the end of this lane, of a lane beside the merchant's (see `sideLaneOf`), or,
   * from there, of the merchant's own.
   */
  append(followUp: FollowUp, to?: AppendTarget): void;
  /**
   * Brings an event into this lane once `afterMs` milliseconds have passed, about a second late at most: the lane then comes before those that wait for
   * their turn, but its own earlier events come first. A later call with the same key, also of another event, replaces the timer. Timers survive restarts and fire once.
   */
  after(afterMs: number, key: string, followUp: FollowUp): void;
  /** Clears the timer with this key; clearing an absent one is allowed. */
  cancel(key: string): void;
}

import type { Decision, SequencedEvent } from './event';
import type { DocumentRef, UnitOfWork } from './unit-of-work';

/** What an attempt tells the code that runs in it. */
export interface AttemptContext {
  /** Fires at the handler timeout, which is over before the lane can be given to another, and at shutdown. */
  readonly signal: AbortSignal;
  /** 1 for the first attempt. */
  readonly attempt: number;
  /** True for a dead letter that was put back: it has this attempt only, and must not be put off. */
  readonly replay?: boolean;
}

/** How one event is going to be decided, worked out before its turn comes, without effects. */
export interface Plan {
  /** True when a handler acts outside the unit of work: the event is then committed alone. */
  readonly external: boolean;
  /**
   * Names what this event tells the newest state of, when it does nothing else. Of the events of one commit that name the same, with none
   * between them that does more, only the last one processed counts as that: it superseded the others, and its writes are those that the store gets.
   */
  readonly foldKey?: string | undefined;
  /** Documents that the handlers will read: fetched for the whole run in one round trip. */
  readonly reads: readonly DocumentRef[];
  /** Runs the handlers. Rejections are failures of the event; see `errors.ts` for how they are told apart. */
  run(unit: UnitOfWork, context: AttemptContext): Promise<Decision>;
}

/** Decides events. The lane engine calls it, the catalogue provides it: neither knows the other. */
export interface Decider {
  /** Never throws: what is wrong with the event is the rejection of `run`. */
  plan(event: SequencedEvent): Plan;
}

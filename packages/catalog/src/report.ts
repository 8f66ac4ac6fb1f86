import type { Notice } from './notice';
import type { StatusDocument } from './status';
import type { TrackName } from './track';

/** A sync that an event ended; `durationMs` is null where its start is unknown. */
export interface EndedSync {
  readonly track: TrackName;
  readonly outcome: 'completed' | 'failed';
  readonly durationMs: number | null;
}

/** What the handlers of one event did that is worth counting. It holds only if the event is committed. */
export class EventReport {
  readonly endedSyncs: EndedSync[] = [];
  readonly notices: Notice[] = [];
  /** The merchant's status as the event left it; undefined when it was not touched. */
  status: StatusDocument | undefined;
}

import type { Lane } from './lane';

/** The unique thing that happened, identified by source + event id. A delivery may repeat it. */
export interface Event {
  readonly source: string;
  readonly eventId: string;
  readonly topic: string;
  readonly lane: Lane;
  /** When the ingress received the delivery, in epoch milliseconds. */
  readonly receivedAt: number;
  /** The sender's headers worth keeping, by lower-case name. */
  readonly headers: Readonly<Record<string, string>>;
  /** The body as sent: text where it is valid UTF-8, otherwise base64 as `bodyEncoding` says. */
  readonly body: string;
  readonly bodyEncoding: 'utf8' | 'base64';
}

/** An event that has its place in its lane: places start at 1 and have no gaps. */
export interface SequencedEvent extends Event {
  readonly seq: number;
}

/** What a committed event came to. */
export const outcomes = ['processed', 'superseded', 'unhandled', 'dead', 'discarded'] as const;
export type Outcome = (typeof outcomes)[number];

/** Where an event stands: not committed yet, or its outcome. */
export const eventStates = ['waiting', 'retrying', ...outcomes] as const;
export type EventState = (typeof eventStates)[number];

/** What handlers can decide; `dead` and `discarded` come from failures and from operators. */
export type Decision = Extract<Outcome, 'processed' | 'superseded' | 'unhandled'>;

export const laneStates = ['idle', 'ready', 'running', 'retrying', 'blocked', 'paused'] as const;
export type LaneState = (typeof laneStates)[number];

import type { Event } from '@syncline/events';

/** An event to keep: `aliases` are further event ids under which it is to be found and known again. */
export interface AcceptRequest {
  readonly event: Event;
  readonly aliases: readonly string[];
  /** Present when the event cannot be processed as it is: it is then kept as a dead letter with this reason. */
  readonly quarantine?: { readonly reason: string; readonly message: string };
}

/**
 * - accepted: durable, in its lane (or, quarantined, among the dead letters)
 * - duplicate: the event was durable before
 * - full: the store has no room; nothing was kept
 * - overloaded: too many requests are already waiting for the store; nothing was kept
 * - timeout: not known to be durable within the deadline; it may still have been kept, so the sender should repeat it
 */
export type AcceptResult = { readonly status: 'accepted' | 'duplicate' | 'full' | 'overloaded' | 'timeout' };

/** Makes events durable. `accept` never rejects. */
export interface Acceptor {
  accept(request: AcceptRequest): Promise<AcceptResult>;
  /** True when the store has answered within the last seconds and has room. */
  readonly ready: boolean;
  start(): void;
  /** Answers what is still waiting, then closes the connections. Idempotent. */
  stop(): Promise<void>;
}

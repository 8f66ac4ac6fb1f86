import { isDeepStrictEqual } from 'node:util';
import type { ConsoleClient, HistoryItem, Merchant, Track } from './console-client';
import type { RunEvent } from './delivery';
import type { PlannedEvent } from './scenarios';

/** What the console showed before anything was sent. */
export interface Before {
  /** Undefined for a merchant that it did not know. */
  readonly merchant: Merchant | undefined;
  readonly offerIds: readonly number[];
  readonly collectionIds: readonly number[];
}

/** A sent event under the id that it was sent with. */
export interface SentEvent extends RunEvent {
  readonly eventId: string;
}

interface ExpectedTrack {
  state: string;
  runs: number | undefined;
  completed: number;
  failed: number;
  consecutiveFailures: number;
  total: unknown;
  synced: unknown;
}

/** What the console must show once everything sent has been applied, and nothing else has. */
export interface Expectation {
  readonly connection: string;
  readonly catalogReady: boolean;
  readonly tracks: { readonly product: ExpectedTrack; readonly collection: ExpectedTrack };
  /** By entity id: the event that last set it, or undefined where it stays as it was. */
  readonly offers: ReadonlyMap<number, PlannedEvent | undefined>;
  readonly collections: ReadonlyMap<number, PlannedEvent | undefined>;
}

/** Works out what the events lead to, from what was there before. It repeats no code of the catalogue: it is its check. */
export function expectationOf(before: Before, events: readonly RunEvent[]): Expectation {
  let connection = before.merchant?.connection ?? 'unknown';
  let catalogReady = before.merchant?.catalogReady ?? false;
  const tracks = {
    product: trackBefore(before.merchant?.tracks.product),
    collection: trackBefore(before.merchant?.tracks.collection),
  };
  const offers = new Map<number, PlannedEvent | undefined>(before.offerIds.map((id) => [id, undefined]));
  const collections = new Map<number, PlannedEvent | undefined>(before.collectionIds.map((id) => [id, undefined]));

  for (const { event } of events) {
    const [family, change = ''] = splitTopic(event.topic);
    switch (family) {
      case 'MERCHANT':
        connection = connectionAfter(connection, change);
        break;
      case 'PRODUCT_SYNC':
      case 'COLLECTION_SYNC': {
        advance(family === 'PRODUCT_SYNC' ? tracks.product : tracks.collection, change, event);
        if (family === 'PRODUCT_SYNC' && change === 'COMPLETED' && connection !== 'disconnected') catalogReady = true;
        break;
      }
      case 'OFFER':
      case 'COLLECTION': {
        const entities = family === 'OFFER' ? offers : collections;
        if (change === 'REMOVED') entities.delete(event.entityId);
        else entities.set(event.entityId, event);
      }
    }
  }
  return { connection, catalogReady, tracks, offers, collections };
}

function splitTopic(topic: string): [string, string?] {
  const [, family = topic, change] = /^(PRODUCT_SYNC|COLLECTION_SYNC|MERCHANT|OFFER|COLLECTION)_(\w+)$/.exec(topic) ?? [];
  return change === undefined ? [family] : [family, change];
}

function connectionAfter(connection: string, change: string): string {
  switch (change) {
    case 'CONNECTED':
    case 'ENABLED':
      return 'connected';
    case 'DISABLED':
      return 'disabled';
    case 'COMPLETE':
      return connection === 'unknown' ? 'connected' : connection;
    default:
      return connection;
  }
}

function trackBefore(track: Track | undefined): ExpectedTrack {
  const isOpen = track?.state === 'syncing' || track?.state === 'overdue';
  return {
    state: track?.state ?? 'never',
    // A run left open before may be counted as this one or apart.
    runs: isOpen ? undefined : (track?.runs ?? 0),
    completed: track?.completed ?? 0,
    failed: track?.failed ?? 0,
    consecutiveFailures: track?.consecutiveFailures ?? 0,
    total: undefined,
    synced: undefined,
  };
}

function advance(track: ExpectedTrack, change: string, event: PlannedEvent): void {
  const body = event.body();
  track.total = body.total_products;
  track.synced = body.total_products_synced;
  switch (change) {
    case 'STARTED':
      track.state = 'syncing';
      if (track.runs !== undefined) track.runs += 1;
      break;
    case 'COMPLETED':
      track.state = 'synced';
      track.completed += 1;
      track.consecutiveFailures = 0;
      break;
    case 'FAILED':
      track.state = 'failed';
      track.failed += 1;
      track.consecutiveFailures += 1;
  }
}

/** How the merchant differs from what was expected; empty when it does not. */
export function merchantDifferences(expected: Expectation, merchant: Merchant): string[] {
  const differences: string[] = [];
  const compare = (name: string, wanted: unknown, got: unknown): void => {
    if (wanted !== undefined && wanted !== got)
      differences.push(`${name}: expected ${JSON.stringify(wanted)}, got ${JSON.stringify(got)}`);
  };
  compare('connection', expected.connection, merchant.connection);
  compare('catalogReady', expected.catalogReady, merchant.catalogReady);
  for (const name of ['product', 'collection'] as const) {
    for (const [field, wanted] of Object.entries(expected.tracks[name])) {
      compare(`tracks.${name}.${field}`, wanted, merchant.tracks[name][field]);
    }
  }
  compare('offers.count', expected.offers.size, merchant.offers.count);
  compare('collections.count', expected.collections.size, merchant.collections.count);
  compare('lane.depth', 0, merchant.lane.depth);
  return differences;
}

/** How the entities that the console shows differ from those last sent; empty when they do not. */
export async function entityDifferences(
  name: string,
  expected: ReadonlyMap<number, PlannedEvent | undefined>,
  shown: ReturnType<ConsoleClient['entities']>,
): Promise<string[]> {
  const differences: string[] = [];
  const missing = new Map(expected);
  for await (const entity of shown) {
    const id = entityIdIn(entity);
    if (id === undefined || !missing.has(id)) {
      differences.push(
        `${name} ${id ?? 'without an id'}: ${id !== undefined && expected.has(id) ? 'shown twice' : 'not expected'}`,
      );
      continue;
    }
    const event = missing.get(id);
    missing.delete(id);
    if (event !== undefined && !isDeepStrictEqual(entity, JSON.parse(JSON.stringify(event.body())))) {
      differences.push(`${name} ${id}: not as last sent`);
    }
  }
  for (const id of missing.keys()) differences.push(`${name} ${id}: missing`);
  return differences;
}

function entityIdIn(entity: unknown): number | undefined {
  const id = typeof entity === 'object' && entity !== null ? (entity as { id?: unknown }).id : undefined;
  return typeof id === 'number' ? id : undefined;
}

export interface HistoryCheck {
  readonly differences: string[];
  /** Sent events that the console had committed longest ago and no longer keeps. */
  readonly forgotten: number;
}

/**
 * Compares the merchant's history with what was sent: every event once, processed, no phase before the one that precedes it, and no
 * gap in the positions. The oldest part of a long history is not kept; what is missing there is counted, not a difference.
 */
export async function checkHistory(sent: readonly SentEvent[], history: AsyncIterable<HistoryItem>): Promise<HistoryCheck> {
  const differences: string[] = [];
  const missing = new Map(sent.map((event) => [event.eventId, event]));
  const seen = new Set<string>();
  let firstPosition: number | undefined;
  let position: number | undefined;
  let phase = 0;
  let firstPhase: number | undefined;
  for await (const item of history) {
    firstPosition ??= item.position;
    if (position !== undefined && item.position !== position + 1) {
      differences.push(`history: expected position ${position + 1}, got ${item.position}`);
    }
    position = item.position;
    const event = missing.get(item.eventId);
    if (event === undefined) {
      if (seen.has(item.eventId)) differences.push(`history: event ${item.eventId} (${item.topic}) applied twice`);
      continue;
    }
    missing.delete(item.eventId);
    seen.add(item.eventId);
    firstPhase ??= event.phase;
    if (item.outcome !== 'processed') {
      differences.push(`history: event ${item.eventId} (${item.topic}): expected processed, got ${item.outcome}`);
    }
    if (event.phase < phase) differences.push(`history: event ${item.eventId} (${item.topic}) applied after events sent later`);
    phase = Math.max(phase, event.phase);
  }
  // Only a history that has been cut begins after position 1, and what was cut off precedes everything that is left.
  const isCut = firstPosition !== undefined && firstPosition > 1;
  let forgotten = 0;
  for (const event of missing.values()) {
    if (isCut && firstPhase !== undefined && event.phase <= firstPhase) forgotten += 1;
    else differences.push(`history: event ${event.eventId} (${event.event.topic}) is missing`);
  }
  return { differences, forgotten };
}

import { isDeepStrictEqual } from 'node:util';
import type { ConsoleClient, HistoryItem, Merchant } from './console-client';
import type { Ledger } from './ledger';
import type { Expectation, MerchantModel, PlannedEvent } from './senders';

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
    const { states, isRising, ...counts } = expected.tracks[name];
    const track = merchant.tracks[name];
    if (!states.includes(track.state))
      differences.push(`tracks.${name}.state: expected ${states.join(' or ')}, got ${track.state}`);
    for (const [field, wanted] of Object.entries(counts)) compare(`tracks.${name}.${field}`, wanted, track[field]);
    compare(`tracks.${name}, failures rising`, isRising, track.failuresRisingSince !== undefined);
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
 * Compares a merchant's history with what was sent, and leads the model through it: every event once, with the outcome that the model
 * gives it in this order; none before one that was acknowledged before it began; no gap in the positions. The oldest part of a long
 * history is not kept: what is missing there is counted, not a difference, and goes through the model first.
 */
export async function checkHistory(
  ledger: Ledger,
  history: AsyncIterable<HistoryItem>,
  model: MerchantModel,
): Promise<HistoryCheck> {
  const differences: string[] = [];
  const places = new Map<string, number>();
  for (const place of ledger.events.keys()) {
    const name = ledger.nameOf(place);
    if (name !== undefined) places.set(name, place);
  }
  const shown: { readonly place: number; readonly outcome: string }[] = [];
  const seen = new Set<number>();
  let firstPosition: number | undefined;
  let position: number | undefined;
  for await (const item of history) {
    firstPosition ??= item.position;
    if (position !== undefined && item.position !== position + 1) {
      differences.push(`history: expected position ${position + 1}, got ${item.position}`);
    }
    position = item.position;
    const place = places.get(item.eventId);
    if (place === undefined) continue;
    if (seen.has(place)) differences.push(`history: event ${item.eventId} (${item.topic}) applied twice`);
    else shown.push({ place, outcome: item.outcome });
    seen.add(place);
  }

  // Only a history that has been cut begins after position 1, and what was cut off precedes everything that is left.
  const isCut = firstPosition !== undefined && firstPosition > 1;
  const firstShown = shown[0]?.place;
  const forgotten: number[] = [];
  for (const [place, event] of ledger.events.entries()) {
    if (seen.has(place)) continue;
    if (isCut && firstShown !== undefined && !ledger.precedes(firstShown, place)) forgotten.push(place);
    else differences.push(`history: event ${ledger.nameOf(place) ?? place} (${event.topic}) is missing`);
  }

  for (const place of ledger.byAcknowledgement(forgotten)) model.apply(eventAt(place));
  let latestBegun: number | undefined;
  const wanted = shown.map(({ place }) => {
    if (latestBegun !== undefined && ledger.precedes(place, latestBegun)) {
      differences.push(`history: event ${nameOf(place)} applied after events sent later`);
    }
    latestBegun = latestBegun === undefined || ledger.beganAfter(place, latestBegun) ? place : latestBegun;
    return model.apply(eventAt(place));
  });
  const toldLater = new Set<string>();
  for (const [index, { place, outcome }] of [...shown.entries()].reverse()) {
    const outcomes = wanted[index] ?? [];
    const key = model.foldKey?.(eventAt(place));
    const isFolded = outcome === 'superseded' && outcomes.includes('processed') && key !== undefined && toldLater.has(key);
    if (!outcomes.includes(outcome) && !isFolded) {
      differences.push(`history: event ${nameOf(place)}: expected ${outcomes.join(' or ')}, got ${outcome}`);
    }
    if (key === undefined) toldLater.clear();
    else if (outcome === 'processed') toldLater.add(key);
  }
  return { differences, forgotten: forgotten.length };

  function eventAt(place: number): PlannedEvent {
    const event = ledger.events[place];
    if (event === undefined) throw new RangeError(`Expected an event of the plan, got ${place}`);
    return event;
  }

  function nameOf(place: number): string {
    return `${ledger.nameOf(place) ?? place} (${eventAt(place).topic})`;
  }
}

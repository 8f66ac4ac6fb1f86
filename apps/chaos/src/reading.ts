import type { Inspector } from '@syncline/lanes';
import type { HistoryEntry, LaneReading, Ledger, SentEvent } from './checker';

const PAGE = 1_000;
/** Events that are in no history and are asked after one by one; more are lost or waiting anyway. */
const ASKED_MAX = 2_000;

/** Reads what came of the events from the product's store. */
export async function readLanes(
  inspector: Inspector,
  merchantIds: readonly string[],
  sent: readonly SentEvent[],
): Promise<LaneReading[]> {
  const lanes: LaneReading[] = [];
  for (const merchantId of merchantIds) {
    const lane = `violet:${merchantId}`;
    const status = await inspector.lane(lane);
    if (!status) continue;
    const history = await historyOf(inspector, lane);
    const committed = new Set(history.map(({ eventId }) => eventId));
    const missing = sent.filter(
      (event) => event.merchantId === merchantId && event.ackedAt !== undefined && !committed.has(event.eventId),
    );
    const waiting = new Set<string>();
    for (const { eventId } of missing.slice(0, ASKED_MAX)) {
      const event = await inspector.event('violet', eventId);
      if (event?.state === 'waiting' || event?.state === 'retrying') waiting.add(eventId);
    }
    const ledger = (await inspector.document(lane, 'offers', 'ledger')) as Ledger | undefined;
    lanes.push({ merchantId, state: status.state, depth: status.depth, history, ledger, waiting });
  }
  return lanes;
}

async function historyOf(inspector: Inspector, lane: string): Promise<HistoryEntry[]> {
  const entries: HistoryEntry[] = [];
  let cursor: string | undefined;
  do {
    const page = await inspector.history(lane, { limit: PAGE, cursor });
    for (const { position, seq, eventId, outcome } of page.items) entries.push({ position, seq, eventId, outcome });
    cursor = page.nextCursor ?? undefined;
  } while (cursor !== undefined);
  return entries;
}

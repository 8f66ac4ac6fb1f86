import {
  connections,
  documentCollections,
  type MerchantStatus,
  merchantStatusOf,
  statusRef,
  trackStates,
} from '@syncline/catalog';
import { isSideLane, laneOf, laneStates, MERCHANT_ID_MAX_LENGTH, NO_MERCHANT, parseLane } from '@syncline/events';
import type { LaneStatus, Page } from '@syncline/lanes';
import type { Api, Listing } from './api';
import { Refusal } from './errors';
import { presentMerchant } from './present';
import { limitOf, oneOf, type Query } from './query';

/** Lanes looked at in one read, and reads in one request: a rare state must not make a request walk the whole store. */
const SCAN_PAGE = 500;
const SCAN_MAX_PAGES = 10;

/** Connection, track states and lane states share no word, so one filter serves all three. */
const merchantStates = [...new Set([...connections, ...trackStates, ...laneStates])];

type PresentedMerchant = ReturnType<typeof presentMerchant>;

/** The lane that a path names; refuses names that no merchant can have. */
export function laneNamed(source: string, merchantId: string): string {
  if (source.includes(':') || merchantId.length > MERCHANT_ID_MAX_LENGTH) throw unknownMerchant(source, merchantId);
  return laneOf(source, merchantId);
}

/** Resolves when the merchant has been heard of; refuses with `not_found` otherwise. */
export async function requireMerchant({ inspector, read }: Api, source: string, merchantId: string): Promise<LaneStatus> {
  const lane = await read(inspector.lane(laneNamed(source, merchantId)));
  if (lane === undefined) throw unknownMerchant(source, merchantId);
  return lane;
}

/** One merchant. */
export async function readMerchant(api: Api, source: string, merchantId: string): Promise<PresentedMerchant> {
  // The lane is read before what its events did: whoever sees it idle then sees all their effects.
  const lane = await requireMerchant(api, source, merchantId);
  const status = merchantStatusOf(await api.read(api.inspector.document(lane.lane, statusRef.collection, statusRef.id)));
  return withCounts(api, lane, status);
}

/** Merchants, oldest first. A filtered page may be short, even empty, and still have a successor. */
export async function listMerchants(api: Api, query: Query): Promise<Listing<PresentedMerchant>> {
  const state = oneOf(query, 'state', merchantStates);
  const limit = limitOf(query);
  const name = `merchants ${state ?? ''}`;
  const found: { lane: LaneStatus; status: MerchantStatus }[] = [];
  const scanSize = state === undefined ? limit : SCAN_PAGE;
  let place: Place | null = placeFrom(api.cursors.read(name, query)) ?? { cursor: null, skip: 0, size: scanSize };

  for (let pages = 0; place !== null && found.length < limit && pages < SCAN_MAX_PAGES; pages += 1) {
    const { cursor, skip, size }: Place = place;
    const page: Page<LaneStatus> = await api.read(api.inspector.lanes({ limit: size, cursor: cursor ?? undefined }));
    const statuses = await statusesOf(api, page.items);
    let taken: number = skip;
    for (; taken < page.items.length && found.length < limit; taken += 1) {
      const lane = page.items[taken];
      const status = statuses[taken];
      if (lane === undefined || status === undefined || !isMerchant(lane.lane)) continue;
      if (state === undefined || isIn(state, lane, status)) found.push({ lane, status });
    }
    if (taken < page.items.length) place = { cursor, skip: taken, size };
    else place = page.nextCursor === null ? null : { cursor: page.nextCursor, skip: 0, size: scanSize };
  }

  const items = await Promise.all(found.map(({ lane, status }) => withCounts(api, lane, status)));
  return { items, nextCursor: api.cursors.write(name, place === null ? null : JSON.stringify(place)) };
}

/** Where a listing of merchants goes on: within the page of lanes that begins at `cursor` and holds up to `size`, after `skip`. */
interface Place {
  readonly cursor: string | null;
  readonly skip: number;
  readonly size: number;
}

function placeFrom(position: string | undefined): Place | undefined {
  // Only positions that this file wrote get here: cursors are sealed.
  return position === undefined ? undefined : (JSON.parse(position) as Place);
}

async function statusesOf({ inspector, read }: Api, lanes: readonly LaneStatus[]): Promise<MerchantStatus[]> {
  if (lanes.length === 0) return [];
  const documents = await read(inspector.documentsOf(lanes.map(({ lane }) => ({ lane, ...statusRef }))));
  return lanes.map((_lane, index) => merchantStatusOf(documents[index]));
}

async function withCounts({ inspector, read }: Api, lane: LaneStatus, status: MerchantStatus): Promise<PresentedMerchant> {
  const [offers, collections] = await read(
    Promise.all([
      inspector.countDocuments(lane.lane, documentCollections.offers),
      inspector.countDocuments(lane.lane, documentCollections.collections),
    ]),
  );
  return presentMerchant(lane, parseLane(lane.lane), status, { offers, collections });
}

function isMerchant(lane: string): boolean {
  return !isSideLane(lane) && parseLane(lane).merchantId !== NO_MERCHANT;
}

function isIn(state: string, lane: LaneStatus, { connection, tracks }: MerchantStatus): boolean {
  return state === lane.state || state === connection || state === tracks.product.state || state === tracks.collection.state;
}

function unknownMerchant(source: string, merchantId: string): Refusal {
  return new Refusal(
    'not_found',
    `No event of merchant ${JSON.stringify(merchantId)} of source ${JSON.stringify(source)} has been received`,
  );
}

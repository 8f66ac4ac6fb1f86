import { defineHandler, documentCollections, type Handler, type Merchant } from '@syncline/catalog';
import * as z from 'zod';
import { coveredBy, ended, failed, isJoined, modeFor, moreOf, OVERLAP_MS, refreshModes, refreshState, started } from './plan';
import type { RefreshMode, RefreshState } from './plan';
import { firstStep, refreshStep } from './reading';
import { REFRESH_LANE, refreshTopics } from './topics';
import { listedEntity } from './violet-api/schemas';

const STATE_ID = 'state';
/** Ids that two disturbed readings must both have missed. */
const ABSENT_ID = 'absent';
/** The handlers' own documents, beside the catalogue's. The names are stored data. */
const own = { state: 'refresh', seen: 'refresh-seen', members: 'refresh-members' } as const;

/** A refresh that has not come on for this long is given up; its events may all have been set aside by an operator. */
const STALLED_MS = 2 * 3_600_000;
/** After a refresh that failed, the next begins by itself after this long, and after twice as long each further time, up to a day. */
const AGAIN_MS = 3_600_000;
const AGAIN_MAX_MS = 24 * 3_600_000;
/** Removals in one event: each reads some documents, and a handler has little time. */
const REMOVALS_AT_ONCE = 500;

const timers = { stalled: 'refresh.stalled', again: 'refresh.again' } as const;

const page = z.discriminatedUnion('kind', [
  z.object({
    kind: z.enum(['offers', 'collections']),
    refresh: z.string(),
    readAt: z.number(),
    part: z.string(),
    entities: z.array(listedEntity),
  }),
  z.object({
    kind: z.literal('members'),
    refresh: z.string().optional(),
    readAt: z.number(),
    collectionId: z.string(),
    number: z.int(),
    offerIds: z.array(z.int()),
    last: z.boolean(),
  }),
  z.object({ kind: z.literal('members-failed'), collectionId: z.string() }),
  z.object({
    kind: z.literal('absent'),
    of: z.enum(['offers', 'collections']),
    refresh: z.string(),
    readAt: z.number(),
    ids: z.array(z.string()),
  }),
]);
type CatalogPage = z.infer<typeof page>;

const allRead = z.object({ refresh: z.string(), mode: z.enum(refreshModes), found: refreshStep.shape.found });
const settled = allRead.extend({ disturbed: z.boolean() });
const ofRefresh = z.object({ refresh: z.string() });
const refreshFailure = ofRefresh.extend({ code: z.string(), error: z.string() });

const source = 'violet';

/** Begins a refresh when the syncs of a merchant have come together. */
export const beginningHandlers: readonly Handler[] = [
  defineHandler({
    name: 'refresh-join',
    source,
    topics: ['PRODUCT_SYNC_COMPLETED', 'COLLECTION_SYNC_COMPLETED', 'syncline.sync-overdue'],
    async handle({ eventId }, merchant) {
      const [state, status] = [await stateOf(merchant), await merchant.status()];
      if (!isJoined(status, state.covered)) return 'superseded';
      want(merchant, { ...state, covered: coveredBy(status) }, modeFor(state, status), eventId);
    },
  }),
];

/** What a refresh does in the merchant's own lane: its pages are applied, and it ends. `now` is in epoch milliseconds. */
export function applyingHandlers({ now }: { readonly now: () => number }): readonly Handler[] {
  return [
    defineHandler({
      name: 'refresh-again',
      source,
      topics: [refreshTopics.again],
      payload: z.object({ mode: z.enum(refreshModes) }),
      async handle({ eventId, payload: { mode } }, merchant) {
        const state = await stateOf(merchant);
        if (state.running !== null || (await merchant.status()).connection === 'disconnected') return 'superseded';
        want(merchant, state, moreOf(state.wanted, mode), eventId);
      },
    }),
    defineHandler({
      name: 'refresh-page',
      source,
      topics: [refreshTopics.page],
      payload: page,
      reads: ({ payload }) => readsOf(payload),
      async handle({ payload, receivedAt }, merchant) {
        await applyPage(payload, merchant, receivedAt);
        if (!('refresh' in payload) || payload.refresh === undefined) return;
        const { running } = await stateOf(merchant);
        if (running?.id !== payload.refresh) return;
        watchFor(merchant, running.id);
        if (payload.kind === 'offers' || payload.kind === 'collections') {
          const ids = payload.entities.map(({ id }) => String(id));
          merchant.documents(own.seen).put(payload.part, ids);
        }
      },
    }),
    defineHandler({
      name: 'refresh-read',
      source,
      topics: [refreshTopics.read],
      payload: allRead,
      async handle({ payload: { refresh, mode, found } }, merchant) {
        if ((await stateOf(merchant)).running?.id !== refresh) return 'superseded';
        const seen = await seenOf(merchant);
        const offersDisturbed = isDisturbed(found, seen.offers.size);
        const absent = {
          offers: mode === 'full' ? await absentFrom(merchant.offers, seen.offers) : [],
          collections: await absentFrom(merchant.collections, seen.collections),
        };
        const missed = await removeAbsent(merchant, refresh, found.startedAt ?? 0, absent, {
          offers: offersDisturbed,
          collections: found.collectionPages > 1,
        });
        const disturbed = mode === 'full' && (offersDisturbed || missed.collections.length > 0);
        merchant.append({ topic: refreshTopics.settled, payload: { refresh, mode, found, disturbed } });
      },
    }),
    defineHandler({
      name: 'refresh-settled',
      source,
      topics: [refreshTopics.settled],
      payload: settled,
      async handle({ eventId, payload: { refresh, found, disturbed } }, merchant) {
        const before = await stateOf(merchant);
        if (before.running?.id !== refresh) return 'superseded';
        const held = (await merchant.offers.ids()).length;
        // What has changed since the server counted is in the one and not in the other.
        const latest = await merchant.receipts.latest();
        const isComparable = found.recounted !== null && (latest === undefined || latest < (found.recountedAt ?? 0));
        const agrees = isComparable ? held === found.recounted : null;
        const reading = { startedAt: found.startedAt ?? 0, newest: found.newest, agrees, disturbed };
        const { state, again, mismatch } = ended(before, reading, now());
        if (mismatch) merchant.notice('refresh.mismatch', { held, counted: found.recounted });
        await cleanUp(merchant);
        if (again) begin(merchant, state, 'full', eventId, before.running.mode === 'full');
        else if (state.wanted !== null) begin(merchant, state, state.wanted, eventId);
        else save(merchant, state);
      },
    }),
    defineHandler({
      name: 'refresh-failed',
      source,
      topics: [refreshTopics.failed],
      payload: refreshFailure,
      handle: ({ payload }, merchant) => giveUp(merchant, payload.refresh, payload.code, payload.error),
    }),
    defineHandler({
      name: 'refresh-stalled',
      source,
      topics: [refreshTopics.stalled],
      payload: ofRefresh,
      handle: ({ payload }, merchant) =>
        giveUp(
          merchant,
          payload.refresh,
          'REFRESH_STALLED',
          `Expected the refresh to come on within ${STALLED_MS} ms, got nothing`,
        ),
    }),
  ];
}

/** The state of a merchant's refreshing, as stored. */
async function stateOf(merchant: Merchant): Promise<RefreshState> {
  return refreshState.parse((await merchant.documents(own.state).get(STATE_ID)) ?? {});
}

function save(merchant: Merchant, state: RefreshState): void {
  merchant.documents(own.state).put(STATE_ID, state);
}

/** One refresh is under way at most, and at most one is wanted after it: a burst of wishes is one refresh. */
function want(merchant: Merchant, state: RefreshState, mode: RefreshMode, eventId: string): void {
  if (state.running === null) begin(merchant, state, moreOf(state.wanted, mode), eventId);
  else save(merchant, { ...state, wanted: moreOf(state.wanted, mode) });
}

/** The refresh has the id of the event that begins it: the same however often that is attempted. */
function begin(merchant: Merchant, before: RefreshState, mode: RefreshMode, eventId: string, again = false): void {
  const since = mode === 'full' || before.watermark === null ? null : before.watermark - OVERLAP_MS;
  save(merchant, started(before, eventId, mode, again));
  merchant.receipts.keep();
  merchant.cancel(timers.again);
  watchFor(merchant, eventId);
  merchant.append({ topic: refreshTopics.step, payload: firstStep(eventId, mode, since) }, { sideLane: REFRESH_LANE });
}

function watchFor(merchant: Merchant, refresh: string): void {
  merchant.after(STALLED_MS, timers.stalled, { topic: refreshTopics.stalled, payload: { refresh } });
}

async function giveUp(merchant: Merchant, refresh: string, code: string, error: string): Promise<unknown> {
  const before = await stateOf(merchant);
  if (before.running?.id !== refresh) return 'superseded';
  const { mode } = before.running;
  const state = failed(before);
  await cleanUp(merchant);
  save(merchant, { ...state, wanted: moreOf(state.wanted, mode) });
  // Nobody expects the API to serve a merchant who has gone.
  if ((await merchant.status()).connection === 'disconnected') return 'processed';
  merchant.notice('refresh.failed', { mode, code, error, failures: state.failures });
  const waitMs = Math.min(AGAIN_MS * 2 ** (state.failures - 1), AGAIN_MAX_MS);
  merchant.after(waitMs, timers.again, { topic: refreshTopics.again, payload: { mode } });
  return 'processed';
}

async function cleanUp(merchant: Merchant): Promise<void> {
  const seen = merchant.documents(own.seen);
  for (const id of await seen.ids()) seen.delete(id);
  await merchant.receipts.forget();
  merchant.cancel(timers.stalled);
}

async function applyPage(read: CatalogPage, merchant: Merchant, receivedAt: number): Promise<void> {
  switch (read.kind) {
    case 'offers':
    case 'collections':
      for (const entity of read.entities) await merchant[read.kind].putRead(entity, read.readAt);
      return;
    case 'members':
      await applyMembers(read, merchant, receivedAt);
      return;
    case 'members-failed':
      merchant.documents(own.members).delete(wantedId(read.collectionId));
      return;
    default:
      for (const id of read.ids) {
        if ((await merchant[read.of].removeUnread(id, read.readAt)) && read.of === 'collections') merchant.members.remove(id);
      }
  }
}

/** Parts are kept apart until the last one has come, which makes them the members. */
async function applyMembers(
  { collectionId, number, offerIds, last, readAt, refresh }: CatalogPage & { kind: 'members' },
  merchant: Merchant,
  receivedAt: number,
): Promise<void> {
  const parts = merchant.documents(own.members);
  const key = (part: number): string => `${collectionId}.${refresh ?? ''}.${part}`;
  // The reading began with its first part: what changed after that may be missing from the others.
  const first = number === 1 ? readAt : z.object({ readAt: z.number() }).parse(await parts.get(key(1))).readAt;
  if (!last) {
    parts.put(key(number), { readAt, offerIds });
    return;
  }
  const all: number[] = [];
  for (let part = 1; part < number; part += 1) {
    all.push(...z.object({ offerIds: z.array(z.int()) }).parse(await parts.get(key(part))).offerIds);
    parts.delete(key(part));
  }
  await merchant.members.read(collectionId, [...new Set([...all, ...offerIds])], first);
  // Of a collection that is gone, or was never told of, nothing is kept.
  const isKept = all.length + offerIds.length > 0 || (await merchant.collections.get(collectionId)) !== undefined;
  if (!isKept) merchant.members.remove(collectionId);
  if (refresh !== undefined) return;
  parts.delete(wantedId(collectionId));
  if ((await merchant.members.get(collectionId)).unknownSince !== null) await wantMembers(merchant, collectionId, receivedAt);
}

const wantedId = (collectionId: string): string => `${collectionId}.wanted`;

/**
 * Reads the members of a collection anew. A burst of wishes is one reading, and at most one more after it; one that has not come to its
 * end for long is waited for no longer. `at` is in epoch milliseconds.
 */
export async function wantMembers(merchant: Merchant, collectionId: string, at: number): Promise<void> {
  const parts = merchant.documents(own.members);
  const wantedAt = await parts.get(wantedId(collectionId));
  if (typeof wantedAt === 'number' && at - wantedAt < STALLED_MS) return;
  parts.put(wantedId(collectionId), at);
  merchant.append({ topic: refreshTopics.members, payload: { collectionId } }, { sideLane: REFRESH_LANE });
}

interface Seen {
  readonly offers: Set<string>;
  readonly collections: Set<string>;
}

async function seenOf(merchant: Merchant): Promise<Seen> {
  const documents = merchant.documents(own.seen);
  const seen: Seen = { offers: new Set(), collections: new Set() };
  const parts = await documents.ids();
  const read = await Promise.all(parts.map((part) => documents.get(part)));
  for (const [index, part] of parts.entries()) {
    const kind = part.startsWith('offers.') ? 'offers' : 'collections';
    for (const id of z.array(z.string()).parse(read[index])) seen[kind].add(id);
  }
  return seen;
}

/**
 * Whether entries of the list may have been missed. One page is read at one moment, and doubtful only where the server steadily counts
 * something else; several may have shifted under the reader, by as many as came or went.
 */
function isDisturbed({ offerPages, counted, recounted }: z.infer<typeof allRead>['found'], seen: number): boolean {
  const isSteady = counted !== null && counted === recounted;
  return offerPages > 1 ? !(isSteady && counted === seen) : isSteady && counted !== seen;
}

async function absentFrom(entities: Merchant['offers'], seen: ReadonlySet<string>): Promise<string[]> {
  return (await entities.ids()).filter((id) => !seen.has(id));
}

const absentDocument = z.object({ offers: z.array(z.string()), collections: z.array(z.string()) });

/** What an undisturbed reading, or two in a row, did not find is gone. Resolves with what only the latest one missed. */
async function removeAbsent(
  merchant: Merchant,
  refresh: string,
  readAt: number,
  absent: z.infer<typeof absentDocument>,
  disturbed: { readonly offers: boolean; readonly collections: boolean },
): Promise<z.infer<typeof absentDocument>> {
  const state = merchant.documents(own.state);
  const before = absentDocument.safeParse(await state.get(ABSENT_ID)).data ?? { offers: [], collections: [] };
  const missedAgain = { offers: [] as string[], collections: [] as string[] };
  for (const list of ['offers', 'collections'] as const) {
    const missedBefore = new Set(before[list]);
    const gone = disturbed[list] ? absent[list].filter((id) => missedBefore.has(id)) : absent[list];
    if (disturbed[list]) missedAgain[list] = absent[list].filter((id) => !missedBefore.has(id));
    for (let from = 0; from < gone.length; from += REMOVALS_AT_ONCE) {
      const ids = gone.slice(from, from + REMOVALS_AT_ONCE);
      merchant.append({ topic: refreshTopics.page, payload: { kind: 'absent', of: list, refresh, readAt, ids } });
    }
  }
  if (missedAgain.offers.length + missedAgain.collections.length > 0) state.put(ABSENT_ID, missedAgain);
  else state.delete(ABSENT_ID);
  return missedAgain;
}

/** What applying a page will read. */
function readsOf(read: CatalogPage): { collection: string; id: string }[] {
  if (read.kind !== 'offers' && read.kind !== 'collections' && read.kind !== 'absent') return [];
  const kind = read.kind === 'absent' ? read.of : read.kind;
  const ids = read.kind === 'absent' ? read.ids : read.entities.map(({ id }) => String(id));
  const removed = kind === 'offers' ? documentCollections.offersRemoved : documentCollections.collectionsRemoved;
  return [
    { collection: own.state, id: STATE_ID },
    ...ids.flatMap((id) => [
      { collection: kind, id },
      { collection: removed, id },
      { collection: documentCollections.receipts, id: `${kind}:${id}` },
    ]),
  ];
}

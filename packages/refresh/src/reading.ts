import { parseDate } from '@syncline/catalog';
import * as z from 'zod';
import type { ListedEntity } from './violet-api/schemas';
import type { Page, VioletApi } from './violet-api/client';
import { VioletApiError } from './violet-api/errors';
import { endless, PAGE_MAX_ENTRIES, PAGES_MAX } from './violet-api/pages';
import { refreshModes } from './plan';

/** Entries asked for on a page; the next smaller size when an answer is too large. Each divides the one before, so that pages still meet. */
const pageSizes = [PAGE_MAX_ENTRIES, 20, 5, 1] as const;

/** Where in a list the reading is. `mark` tells a page from the one before: a list that repeats itself has no end. */
const place = z.object({ offset: z.int(), size: z.int(), pages: z.int(), mark: z.string() });
type Place = z.infer<typeof place>;
const beginning: Place = { offset: 0, size: PAGE_MAX_ENTRIES, pages: 0, mark: '' };

const finding = {
  /** When the first request began, in epoch milliseconds. */
  startedAt: z.number().nullable(),
  /** The newest date among what was read, in epoch milliseconds. */
  newest: z.number().nullable(),
  /** What the server counted before and after the offers were read, and when the latter began. */
  counted: z.number().nullable(),
  recounted: z.number().nullable(),
  recountedAt: z.number().nullable(),
  /** Pages that each list had. */
  offerPages: z.int(),
  collectionPages: z.int(),
};

/** One step of a refresh: one request to the API. */
export const refreshStep = z.object({
  refresh: z.string(),
  mode: z.enum(refreshModes),
  /** Offers modified after this are read; null for all. Epoch milliseconds. */
  since: z.number().nullable(),
  phase: z.enum(['count', 'offers', 'recount', 'collections', 'members']),
  place,
  /** The collections whose members are still to be read, and where to go on after them; null when there are no more collections. */
  collections: z.array(z.string()),
  after: place.nullable(),
  found: z.object(finding),
});
export type RefreshStep = z.infer<typeof refreshStep>;

/** What was read, as it comes to the merchant's lane. */
export interface ReadPage {
  readonly kind: 'offers' | 'collections';
  /** When the request began, in epoch milliseconds: an event that was received later is not undone by the page. */
  readonly readAt: number;
  /** Names the part among those of its refresh. */
  readonly part: string;
  readonly entities: readonly ListedEntity[];
}

/** A part of the ids of the offers in a collection. */
export interface ReadMembers {
  readonly kind: 'members';
  readonly readAt: number;
  readonly collectionId: string;
  /** From 1. */
  readonly number: number;
  readonly offerIds: readonly number[];
  readonly last: boolean;
}

/** What a step came to: what it read, what the refresh has found with it, and the step after it; undefined when it was the last. */
export interface StepResult {
  readonly found: RefreshStep['found'];
  readonly read: readonly (ReadPage | ReadMembers)[];
  readonly next: RefreshStep | undefined;
}

/** The first step of a refresh. */
export function firstStep(refresh: string, mode: RefreshStep['mode'], since: number | null): RefreshStep {
  return {
    refresh,
    mode,
    since,
    phase: mode === 'full' ? 'count' : 'offers',
    place: beginning,
    collections: [],
    after: null,
    found: {
      startedAt: null,
      newest: null,
      counted: null,
      recounted: null,
      recountedAt: null,
      offerPages: 0,
      collectionPages: 0,
    },
  };
}

/** Where what is found is looked for. */
export interface Reader {
  readonly api: VioletApi;
  readonly merchantId: string;
  readonly signal: AbortSignal;
  /** Epoch milliseconds, by the clock that receipts are taken from. */
  readonly now: () => number;
}

/** Takes one step: makes its request, and says what is next. Rejects as the API does. */
export async function takeStep(step: RefreshStep, reader: Reader): Promise<StepResult> {
  const { api, merchantId, signal, now } = reader;
  const at = now();
  const found = { ...step.found, startedAt: step.found.startedAt ?? at };
  const goTo = (phase: RefreshStep['phase'], to: Partial<RefreshStep> = {}): RefreshStep => ({
    ...step,
    phase,
    place: beginning,
    found,
    ...to,
  });
  try {
    switch (step.phase) {
      case 'count':
        found.counted = (await api.offerCount(merchantId, signal)) ?? null;
        return { found, read: [], next: goTo('offers') };
      case 'offers': {
        const page = await api.offers(merchantId, requestOf(step.place), signal, step.since ?? undefined);
        found.newest = newestOf(page.items, found.newest);
        found.offerPages += 1;
        const next = page.last ? goTo('recount') : goTo('offers', { place: beyond(step.place, page, 'offers') });
        return { found, read: pagesOf('offers', page.items, step.place, at), next };
      }
      case 'recount':
        found.recounted = (await api.offerCount(merchantId, signal)) ?? null;
        found.recountedAt = at;
        return { found, read: [], next: goTo('collections') };
      case 'collections': {
        const page = await api.collections(merchantId, requestOf(step.place), signal);
        found.collectionPages += 1;
        const after = page.last ? null : beyond(step.place, page, 'collections');
        const collections = step.mode === 'full' ? page.items.map(({ id }) => String(id)) : [];
        return {
          found,
          read: pagesOf('collections', page.items, step.place, at),
          next: goOn({ ...goTo('members'), collections, after }),
        };
      }
      default: {
        const [collectionId = '', ...others] = step.collections;
        const page = await membersAt(step.place, collectionId, reader);
        const read = [membersOf(collectionId, step.place, page, at)];
        if (page.last) return { found, read, next: goOn({ ...goTo('members'), collections: others }) };
        return { found, read, next: goTo('members', { place: beyond(step.place, page, 'the members of a collection') }) };
      }
    }
  } catch (error) {
    const smaller = error instanceof VioletApiError && error.problem === 'tooLarge' ? smallerThan(step.place) : undefined;
    if (smaller === undefined) throw error;
    return { found: step.found, read: [], next: { ...step, place: smaller } };
  }
}

/** One part of the members of a collection that a reading of its own is about. */
export async function readMembers(
  collectionId: string,
  at: { readonly place?: Place | undefined },
  reader: Reader,
): Promise<{ read: ReadMembers; next: Place | undefined }> {
  const from = at.place ?? beginning;
  const readAt = reader.now();
  const page = await membersAt(from, collectionId, reader);
  const next = page.last ? undefined : beyond(from, page, 'the members of a collection');
  return { read: membersOf(collectionId, from, page, readAt), next };
}

/** A reading of the members of one collection: where it is. */
export const membersStep = z.object({ collectionId: z.string(), place: place.optional() });

/** A collection that is gone has no members. */
async function membersAt(from: Place, collectionId: string, { api, signal }: Reader): Promise<Page<number>> {
  const page = await api.collectionOfferIds(collectionId, requestOf(from), signal);
  return page ?? { items: [], unreadable: 0, last: true };
}

function membersOf(collectionId: string, from: Place, { items, last }: Page<number>, readAt: number): ReadMembers {
  return { kind: 'members', readAt, collectionId, number: from.pages + 1, offerIds: items, last };
}

/** The step itself while it has collections to read the members of; else what comes after them. */
function goOn(step: RefreshStep): RefreshStep | undefined {
  if (step.collections.length > 0) return step;
  return step.after === null ? undefined : { ...step, phase: 'collections', place: step.after, after: null };
}

function requestOf({ offset, size }: Place): { number: number; size: number } {
  return { number: offset / size + 1, size };
}

/** Where the list goes on after this page. Throws where it goes on without end. */
function beyond({ offset, size, pages, mark }: Place, { items }: Page<ListedEntity | number>, what: string): Place {
  const ids = items.map((item) => (typeof item === 'number' ? item : item.id));
  const newMark = `${ids[0]} ${ids.at(-1)} ${ids.length}`;
  if (pages + 1 >= PAGES_MAX || newMark === mark) throw endless(what, pages + 1);
  return { offset: offset + size, size, pages: pages + 1, mark: newMark };
}

function smallerThan(from: Place): Place | undefined {
  const size = pageSizes.find((candidate) => candidate < from.size);
  return size === undefined ? undefined : { ...from, size };
}

/** Bytes of entities in one event: a step of the store that is larger blocks others for long. */
const PART_MAX_BYTES = 256 * 1024;

function pagesOf(kind: ReadPage['kind'], entities: readonly ListedEntity[], { offset }: Place, readAt: number): ReadPage[] {
  const parts: ListedEntity[][] = [];
  let bytes = Number.POSITIVE_INFINITY;
  for (const entity of entities) {
    const size = Buffer.byteLength(JSON.stringify(entity));
    if (bytes + size > PART_MAX_BYTES) {
      parts.push([]);
      bytes = 0;
    }
    parts.at(-1)?.push(entity);
    bytes += size;
  }
  return parts.map((part, index) => ({ kind, readAt, part: `${kind}.${offset}.${index}`, entities: part }));
}

function newestOf(entities: readonly ListedEntity[], before: number | null): number | null {
  let newest = before;
  for (const { date_last_modified } of entities) {
    const date = parseDate(date_last_modified);
    if (date !== undefined && (newest === null || date > newest)) newest = date;
  }
  return newest;
}

import type { Page, PageRequest } from './client';
import { VioletApiError } from './errors';

/** Entries on a page: the most that the API gives. */
export const PAGE_MAX_ENTRIES = 100;

/** Pages of one list that are read at most: a list that goes on is broken, or not what it seems. */
export const PAGES_MAX = 100_000;

/** The error of a list that goes on beyond every bound. */
export function endless(what: string, pages: number): VioletApiError {
  return new VioletApiError('endless', `Expected the last page of ${what} within ${pages} pages, got still more`);
}

/** Every entry of a list, page by page, until one says that it is the last or holds nothing. Rejects as `read` does, and with `endless`. */
export async function* eachPage<Item>(
  what: string,
  read: (page: PageRequest) => Promise<Page<Item>>,
  { size = PAGE_MAX_ENTRIES, pagesMax = PAGES_MAX }: { size?: number; pagesMax?: number } = {},
): AsyncGenerator<Page<Item>> {
  for (let number = 1; number <= pagesMax; number += 1) {
    const page = await read({ number, size });
    yield page;
    if (page.last) return;
  }
  throw endless(what, pagesMax);
}

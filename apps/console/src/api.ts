import type { Inspector, Page, PageRequest } from '@syncline/lanes';
import type { IRouter, RequestHandler } from 'express';
import type { Cursors } from './cursor';
import { Refusal } from './errors';
import { limitOf, type Query } from './query';
import type { Read } from './store';

/** What every route works with. */
export interface Api {
  readonly inspector: Inspector;
  readonly read: Read;
  readonly cursors: Cursors;
}

/** The JSON of every listing. */
export interface Listing<T> {
  readonly items: T[];
  readonly nextCursor: string | null;
}

/** Serves GET (and so HEAD) on a path; any other method there is refused, naming these two. */
export function get(router: IRouter, path: string, handler: RequestHandler): void {
  router
    .route(path)
    .get(handler)
    .all((request, response) => {
      response.set('Allow', 'GET, HEAD');
      throw new Refusal('method_not_allowed', `Expected GET, got ${request.method}`);
    });
}

/** Serves POST on a path; any other method there is refused. */
export function post(router: IRouter, path: string, ...handlers: RequestHandler[]): void {
  router
    .route(path)
    .post(...handlers)
    .all((request, response) => {
      response.set('Allow', 'POST');
      throw new Refusal('method_not_allowed', `Expected POST, got ${request.method}`);
    });
}

/**
 * One page of a listing of the store, presented. `name` identifies the listing together with its filters: cursors of one listing are
 * refused by all others.
 */
export async function listPage<T, R>(
  { read, cursors }: Api,
  name: string,
  query: Query,
  load: (page: PageRequest) => Promise<Page<T>>,
  present: (item: T) => R,
): Promise<Listing<R>> {
  const request = { limit: limitOf(query), cursor: cursors.read(name, query) };
  const page = await read(load(request));
  return { items: page.items.map(present), nextCursor: cursors.write(name, page.nextCursor) };
}

/** A path parameter, decoded. */
export function parameterOf(parameters: Readonly<Record<string, string | string[] | undefined>>, name: string): string {
  const value = parameters[name];
  if (typeof value !== 'string') throw new TypeError(`Expected a route with the parameter ${name}`);
  return value;
}

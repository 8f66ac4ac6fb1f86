import type { Handler } from '../handler';
import { collectionHandlers } from './collections';
import { merchantHandlers } from './merchants';
import { offerHandlers } from './offers';
import { syncHandlers } from './sync';

/** Everything that the catalogue does on Violet's events; at most one handler for each topic. */
export const violetHandlers: readonly Handler[] = [...merchantHandlers, ...syncHandlers, ...offerHandlers, ...collectionHandlers];

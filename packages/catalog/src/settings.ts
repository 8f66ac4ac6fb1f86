import type { Notifier } from './notice';

const HOUR_MS = 3_600_000;

/** What an operator sets about the meaning of events. */
export interface CatalogSettings {
  /** How long a sync may run before it is overdue, by source, in milliseconds. */
  readonly overdueMs: (source: string) => number;
  /** How long after the end of a sync the next one must have ended, by source, in milliseconds; undefined where none is expected. */
  readonly expectedMs: (source: string) => number | undefined;
  /** Failed syncs in a row from which a track counts as failing repeatedly. */
  readonly failuresAlertAfter: number;
  /** How long a removal is remembered, by source, in milliseconds: as long as the sender may repeat what came before it. */
  readonly tombstoneMs: (source: string) => number;
  /** Whether catalogues of a source are refreshed from its API: what is received meanwhile is then remembered. */
  readonly refreshes: (source: string) => boolean;
  /** Where notices go; without it nobody is told. */
  readonly notify?: Notifier | undefined;
}

export const defaultSettings: CatalogSettings = {
  overdueMs: () => 6 * HOUR_MS,
  expectedMs: () => undefined,
  failuresAlertAfter: 3,
  tombstoneMs: () => 72 * HOUR_MS,
  refreshes: () => false,
};

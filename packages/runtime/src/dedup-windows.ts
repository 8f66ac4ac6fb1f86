import { fields } from './config';

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
/** Remembered ids carry their second in 24 bits, which tells apart some 194 days. */
const LONGEST_MS = 30 * 24 * HOUR_MS;

const SHORTEST_MS = 1_000;

const window = (defaultMs: number) => fields.integer({ default: defaultMs, min: SHORTEST_MS, max: LONGEST_MS });

/** How long event ids are remembered: each window covers its sender's retries. The ingress and whoever reads events by id must agree on them. */
export const dedupFields = {
  DEDUP_WINDOW_VIOLET_MS: window(72 * HOUR_MS),
  DEDUP_WINDOW_PROPEXO_MS: window(165 * MINUTE_MS),
  DEDUP_WINDOW_SYNCTEC_MS: window(24 * HOUR_MS),
  DEDUP_WINDOW_STANDARD_MS: window(72 * HOUR_MS),
};

/** The window of each source, from a configuration that holds `dedupFields`. */
export function dedupWindows(config: Record<keyof typeof dedupFields, number>): (source: string) => number {
  const windows: Readonly<Record<string, number>> = {
    violet: config.DEDUP_WINDOW_VIOLET_MS,
    propexo: config.DEDUP_WINDOW_PROPEXO_MS,
    synctec: config.DEDUP_WINDOW_SYNCTEC_MS,
    standard: config.DEDUP_WINDOW_STANDARD_MS,
  };
  return (source) => windows[source] ?? config.DEDUP_WINDOW_VIOLET_MS;
}

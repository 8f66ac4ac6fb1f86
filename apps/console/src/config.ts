import { LONGEST_WINDOW_MS } from '@syncline/lanes';
import { commonFields, fields, redisFields } from '@syncline/runtime';
import { z } from 'zod';

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;

const window = (defaultMs: number) => fields.integer({ default: defaultMs, min: MINUTE_MS, max: LONGEST_WINDOW_MS });

/** The variables of the console. The dedup windows are to be those of the ingress: within them an event is found by its id. */
export const consoleConfig = z.object({
  ...commonFields,
  ...redisFields,
  CONSOLE_PORT: fields.port(8_082),
  /** Travels in a header, so it is visible ASCII without spaces. */
  CONSOLE_TOKEN: z
    .string({ error: 'Expected the bearer token of the API, got none. Set it to a long random text.' })
    .refine((token) => /^[\x21-\x7e]+$/.test(token), {
      error:
        'Expected visible ASCII characters without spaces, got others (not shown). Set it to a long random text, as `openssl rand -hex 32` prints.',
    }),
  DEDUP_WINDOW_VIOLET_MS: window(72 * HOUR_MS),
  DEDUP_WINDOW_PROPEXO_MS: window(165 * MINUTE_MS),
  DEDUP_WINDOW_SYNCTEC_MS: window(24 * HOUR_MS),
  DEDUP_WINDOW_STANDARD_MS: window(72 * HOUR_MS),
});

export type ConsoleConfig = z.output<typeof consoleConfig>;

/** How long an event id of a source is remembered, in milliseconds. */
export function dedupWindowMs(config: ConsoleConfig, source: string): number {
  switch (source) {
    case 'propexo':
      return config.DEDUP_WINDOW_PROPEXO_MS;
    case 'synctec':
      return config.DEDUP_WINDOW_SYNCTEC_MS;
    case 'standard':
      return config.DEDUP_WINDOW_STANDARD_MS;
    default:
      return config.DEDUP_WINDOW_VIOLET_MS;
  }
}

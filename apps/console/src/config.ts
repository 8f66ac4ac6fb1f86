import { parseRedisUrl } from '@syncline/lanes';
import { commonFields, dedupFields, fields, redisFields } from '@syncline/runtime';
import * as z from 'zod';

/** The variables of the console. The dedup windows are to be those of the ingress: within them an event is found by its id. */
export const consoleConfig = z.object({
  ...commonFields,
  ...redisFields(parseRedisUrl),
  ...dedupFields,
  CONSOLE_PORT: fields.port(8_082),
  /** Travels in a header, so it is visible ASCII without spaces. */
  CONSOLE_TOKEN: z
    .string({ error: 'Expected the bearer token of the API, got none. Set it to a long random text.' })
    .refine((token) => /^[\x21-\x7e]+$/.test(token), {
      error:
        'Expected visible ASCII characters without spaces, got others (not shown). Set it to a long random text, as `openssl rand -hex 32` prints.',
    }),
});

export type ConsoleConfig = z.output<typeof consoleConfig>;

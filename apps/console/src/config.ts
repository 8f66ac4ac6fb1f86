import { commonFields, fields, redisFields } from '@syncline/runtime';
import { z } from 'zod';

/** The console's variables. */
export const consoleSchema = z.object({
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
});

export type ConsoleConfig = z.output<typeof consoleSchema>;

import { readFileSync } from 'node:fs';
import { fitsPattern } from '@syncline/events';
import { parseRedisUrl } from '@syncline/lanes';
import { commonFields, dedupFields, fields, redisFields } from '@syncline/runtime';
import * as z from 'zod';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const policies = ['park', 'block'] as const;

/** Topic, or the beginning of topics followed by `*`, → policy; `*` alone is the default. */
const policyFile = z.record(z.string().min(1), z.enum(policies));

export type FailurePolicy = (topic: string) => (typeof policies)[number];

/** `park`, `block`, or a JSON file that says so for each topic. */
const failurePolicy = z
  .string()
  .default('park')
  .transform((text, context): FailurePolicy => {
    const [word] = policies.filter((policy) => policy === text);
    if (word) return () => word;
    try {
      return policyOf(policyFile.parse(JSON.parse(readFileSync(text, 'utf8'))));
    } catch (cause) {
      context.addIssue({
        code: 'custom',
        message: `Expected park, block, or a readable JSON file like {"PRODUCT_SYNC_*":"block","*":"park"}, got ${JSON.stringify(text)} (${cause instanceof Error ? cause.message : String(cause)}).`,
      });
      return z.NEVER;
    }
  });

/** The longest pattern that fits a topic decides. */
function policyOf(patterns: z.output<typeof policyFile>): FailurePolicy {
  const byLength = Object.entries(patterns).sort(([a], [b]) => b.length - a.length);
  return (topic) => {
    const found = byLength.find(([pattern]) => fitsPattern(pattern, topic));
    return found?.[1] ?? 'park';
  };
}

/** Credentials go to this URL: in the open only on this machine. */
const apiUrl = z
  .string()
  .optional()
  .transform((text, context) => {
    if (text === undefined) return undefined;
    const url = URL.canParse(text) ? new URL(text) : undefined;
    const isLocal = url?.protocol === 'http:' && ['127.0.0.1', '[::1]', 'localhost'].includes(url.hostname);
    if (url !== undefined && (url.protocol === 'https:' || isLocal) && url.username === '' && url.search === '') return text;
    context.addIssue({
      code: 'custom',
      message: 'Expected an https URL without user and query, such as https://sandbox-api.violet.io/v1, got another text.',
    });
    return z.NEVER;
  });

/** What the catalogues are refreshed with: all of the first five, or none. */
const violetApiFields = {
  VIOLET_API_URL: apiUrl,
  VIOLET_API_APP_ID: fields.text(),
  VIOLET_API_APP_SECRET: fields.text(),
  VIOLET_API_USERNAME: fields.text(),
  VIOLET_API_PASSWORD: fields.text(),
  VIOLET_API_CONCURRENCY: fields.integer({ default: 4, min: 1, max: 1_000 }),
  VIOLET_API_PER_SECOND: fields.number({ default: 10, min: 0.01, max: 10_000 }),
  VIOLET_API_GAPS_EVERY_MS: fields.milliseconds(HOUR_MS),
};

/** How long syncs of one source may run; as long as those of every source when it is unset. */
const overdueOfSource = () => fields.integer({ min: 1, max: 2_147_483_647 }).optional();

/** The variables of the worker. */
export const workerConfig = z.object({
  ...commonFields,
  ...redisFields(parseRedisUrl),
  ...dedupFields,
  WORKER_PORT: fields.port(8081),
  WORKER_CONCURRENCY: fields.integer({ default: 50, min: 1, max: 1_000 }),
  RETRY_MAX_ATTEMPTS: fields.integer({ default: 12, min: 1, max: 1_000 }),
  RETRY_BASE_MS: fields.milliseconds(1_000),
  RETRY_FACTOR: fields.number({ default: 2, min: 1, max: 100 }),
  RETRY_CAP_MS: fields.milliseconds(300_000),
  RETRY_JITTER: fields.number({ default: 1, min: 0, max: 1 }),
  FAILURE_POLICY: failurePolicy,
  HANDLER_TIMEOUT_MS: fields.milliseconds(5_000, { min: 1, max: 600_000 }),
  TURN_MAX_EVENTS: fields.integer({ default: 100, min: 1, max: 1_000 }),
  TURN_MAX_BYTES: fields.integer({ default: 512 * 1024, min: 1_024, max: 64 * 1024 * 1024 }),
  HISTORY_MAX_PER_MERCHANT: fields.integer({ default: 10_000, min: 1, max: 10_000_000 }),
  HISTORY_MAX_AGE_MS: fields.integer({ default: 30 * DAY_MS, min: 1_000, max: 3_650 * DAY_MS }),
  HANDLERS: fields.text(),
  NOTICES_FILE: fields.text(),
  ...violetApiFields,
  SYNC_OVERDUE_MS: fields.milliseconds(6 * HOUR_MS, { min: 1 }),
  SYNC_OVERDUE_VIOLET_MS: overdueOfSource(),
  SYNC_OVERDUE_PROPEXO_MS: overdueOfSource(),
  SYNC_OVERDUE_SYNCTEC_MS: overdueOfSource(),
  SYNC_OVERDUE_STANDARD_MS: overdueOfSource(),
  SYNC_EXPECTED_EVERY_MS: fields.integer({ default: 30 * HOUR_MS, min: 0, max: 365 * DAY_MS }),
  SYNC_FAILURES_ALERT_AFTER: fields.integer({ default: 3, min: 1, max: 1_000 }),
});

export type WorkerConfig = z.output<typeof workerConfig>;

/** How long a sync of each source may run before it is overdue, in milliseconds. */
export function overdueTimes(config: WorkerConfig): (source: string) => number {
  const times: Readonly<Record<string, number | undefined>> = {
    violet: config.SYNC_OVERDUE_VIOLET_MS,
    propexo: config.SYNC_OVERDUE_PROPEXO_MS,
    synctec: config.SYNC_OVERDUE_SYNCTEC_MS,
    standard: config.SYNC_OVERDUE_STANDARD_MS,
  };
  return (source) => times[source] ?? config.SYNC_OVERDUE_MS;
}

/** How long after the end of a sync of each source the next one must have ended, in milliseconds. Only Violet's come at fixed times. */
export function expectedTimes({ SYNC_EXPECTED_EVERY_MS }: WorkerConfig): (source: string) => number | undefined {
  return (source) => (source === 'violet' && SYNC_EXPECTED_EVERY_MS > 0 ? SYNC_EXPECTED_EVERY_MS : undefined);
}

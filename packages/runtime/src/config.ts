import * as z from 'zod';

/** A process's environment: variable names to values. */
export type Environment = Readonly<Record<string, string | undefined>>;

/**
 * What is wrong with the configuration, all of it at once. `runProcess` prints the problems and exits with code 78.
 * A problem names its variable, says what was expected and what to do; it never holds the value of a secret.
 */
export class ConfigurationError extends Error {
  override readonly name = 'ConfigurationError';
  readonly code = 'CONFIGURATION';
  readonly problems: readonly string[];

  constructor(problems: readonly string[], options: ErrorOptions = {}) {
    super(problems.join('\n'), options);
    this.problems = problems;
  }
}

/** Reads the schema's variables from `env`; an empty variable counts as unset. Throws a ConfigurationError that lists every wrong one. */
export function loadConfig<Schema extends z.ZodObject>(schema: Schema, env: Environment): z.output<Schema> {
  const input: Record<string, string | undefined> = {};
  const problems: string[] = [];
  for (const [variable, field] of Object.entries(schema.shape)) {
    const raw = env[variable]?.trim();
    input[variable] = raw === '' ? undefined : raw;
    if (env.NODE_ENV === 'production' && input[variable] === undefined && isRequiredInProduction(field)) {
      problems.push(`${variable}: Expected a value, got none. With NODE_ENV=production nothing is made up: set ${variable}.`);
    }
  }
  const result = schema.safeParse(input);
  if (!result.success) {
    for (const issue of result.error.issues) problems.push(`${issue.path.join('.') || 'configuration'}: ${issue.message}`);
  }
  if (!result.success || problems.length > 0) throw new ConfigurationError(problems);
  return result.data;
}

interface Bounds {
  /** The value when the variable is unset; without one the variable must be set. */
  readonly default?: number;
  readonly min?: number;
  readonly max?: number;
}

const SHOWN_MAX_LENGTH = 40;
const shown = (raw: string | undefined): string =>
  raw === undefined ? 'nothing' : JSON.stringify(raw.slice(0, SHOWN_MAX_LENGTH));

function numeric(kind: 'an integer' | 'a number', form: RegExp, { default: fallback, min, max }: Bounds) {
  const least = min ?? Number.MIN_SAFE_INTEGER;
  const most = max ?? Number.MAX_SAFE_INTEGER;
  const range =
    min !== undefined && max !== undefined
      ? ` from ${min} to ${max}`
      : min !== undefined
        ? ` of at least ${min}`
        : max !== undefined
          ? ` of at most ${max}`
          : '';
  const remedy = fallback === undefined ? 'Set it to one.' : `Set it to one, or unset it for the default ${fallback}.`;
  return z
    .string()
    .optional()
    .transform((raw, context): number => {
      if (raw === undefined && fallback !== undefined) return fallback;
      const value = raw !== undefined && form.test(raw) ? Number(raw) : Number.NaN;
      if (value >= least && value <= most) return value;
      context.addIssue({ code: 'custom', message: `Expected ${kind}${range}, got ${shown(raw)}. ${remedy}` });
      return z.NEVER;
    });
}

const integer = (bounds: Bounds = {}) => numeric('an integer', /^[+-]?\d+$/, bounds);

function text(): z.ZodOptional<z.ZodString>;
function text(defaultText: string): z.ZodDefault<z.ZodString>;
function text(defaultText?: string) {
  return defaultText === undefined ? z.string().optional() : z.string().default(defaultText);
}

/** Builders of schema fields that read environment strings. An empty variable is unset. */
export const fields = {
  integer,
  /** A number that may have decimals. */
  number: (bounds: Bounds = {}) => numeric('a number', /^[+-]?(\d+\.?\d*|\.\d+)$/, bounds),
  /** A TCP port; 0 takes any free one. */
  port: (defaultPort: number) => integer({ default: defaultPort, min: 0, max: 65_535 }),
  /** A duration in whole milliseconds, at most what a timer can hold. */
  milliseconds: (defaultMs: number, { min = 0, max = 2_147_483_647 }: Omit<Bounds, 'default'> = {}) =>
    integer({ default: defaultMs, min, max }),
  /** Comma-separated values; spaces around each and empty ones are dropped. The messages about it never show the values. */
  list: () =>
    z
      .string()
      .optional()
      .transform((raw): string[] => (raw ?? '').split(',').flatMap((item) => item.trim() || [])),
  /** Any text. Without a default the value may be undefined. */
  text,
  /** One of a few words. */
  choice: <const Word extends string>(words: readonly [Word, ...Word[]], defaultWord: Word) =>
    z
      .string()
      .optional()
      .transform((raw, context): Word => {
        const word = raw === undefined ? defaultWord : words.find((candidate) => candidate === raw);
        if (word !== undefined) return word;
        context.addIssue({
          code: 'custom',
          message: `Expected one of ${words.join(', ')}, got ${shown(raw)}. Set it to one of them, or unset it for ${defaultWord}.`,
        });
        return z.NEVER;
      }),
  /** The field as it is, but an error when the variable is unset and NODE_ENV is production. */
  requiredInProduction: <Field extends z.ZodType>(field: Field): Field => field.meta({ requiredInProduction: true }),
} as const;

function isRequiredInProduction(field: unknown): boolean {
  return field instanceof z.ZodType && field.meta()?.requiredInProduction === true;
}

export const logLevels = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const;
export type LogLevel = (typeof logLevels)[number];

/** Variables of every process that serves HTTP. */
export const commonFields = {
  BIND_HOST: fields.text('127.0.0.1'),
  LOG_LEVEL: fields.choice(logLevels, 'info'),
  SHUTDOWN_TIMEOUT_MS: fields.milliseconds(10_000, { min: 1 }),
  NODE_ENV: fields.text('development'),
};

const LOCAL_REDIS = 'redis://127.0.0.1:6379';

/**
 * Variables of every process that uses Redis. Outside production REDIS_URL defaults to the usual port of this machine.
 * `check` throws an error with a message that names the allowed forms, and not the URL: it may hold a password.
 */
export const redisFields = (check: (url: string) => unknown) => ({
  REDIS_URL: fields.requiredInProduction(
    z
      .string()
      .optional()
      .transform((raw, context): string => {
        if (raw === undefined) return LOCAL_REDIS;
        try {
          check(raw);
          return raw;
        } catch (error) {
          const message = error instanceof Error ? error.message : String(error);
          context.addIssue({
            code: 'custom',
            message: `${message}. The value is not shown, it may hold a password. Correct it.`,
          });
        }
        return z.NEVER;
      }),
  ),
  KEY_PREFIX: z
    .string()
    .default('syncline')
    .refine((prefix) => /^[\w.-]{1,64}$/.test(prefix), {
      error: 'Expected 1 to 64 letters, digits, dots, dashes or underscores. Choose such a prefix, or unset it for syncline.',
    }),
  SHARDS: fields.integer({ default: 1, min: 1, max: 1_024 }),
});

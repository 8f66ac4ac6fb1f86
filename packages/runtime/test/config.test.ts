import { z } from 'zod';
import { ConfigurationError, commonFields, fields, loadConfig, redisFields } from '../src/index';

const problemsOf = (run: () => unknown): readonly string[] => {
  try {
    run();
  } catch (error) {
    if (error instanceof ConfigurationError) return error.problems;
    throw error;
  }
  throw new Error('Expected a ConfigurationError, got none');
};

const one = (field: z.ZodType, raw: string | undefined): unknown => loadConfig(z.object({ VALUE: field }), { VALUE: raw }).VALUE;

test('every wrong variable is reported at once, by name, with what was expected, what was got and what to do', () => {
  const schema = z.object({
    PORT: fields.port(8080),
    LEVEL: fields.choice(['low', 'high'], 'low'),
    COUNT: fields.integer({ min: 1 }),
  });
  expect(problemsOf(() => loadConfig(schema, { PORT: '80a80', LEVEL: 'loud' }))).toEqual([
    'PORT: Expected an integer from 0 to 65535, got "80a80". Set it to one, or unset it for the default 8080.',
    'LEVEL: Expected one of low, high, got "loud". Set it to one of them, or unset it for low.',
    'COUNT: Expected an integer of at least 1, got nothing. Set it to one.',
  ]);
});

test('an empty or blank variable counts as unset', () => {
  expect(one(fields.port(8080), '')).toBe(8080);
  expect(one(fields.port(8080), '  ')).toBe(8080);
  expect(one(fields.text('fallback'), '')).toBe('fallback');
  expect(one(fields.text(), '')).toBeUndefined();
  expect(one(fields.list(), '')).toEqual([]);
});

test.each(['0', '65535', '+80', '080'])('%s is a port', (raw) => {
  expect(one(fields.port(1), raw)).toBe(Number(raw));
});

test.each(['-1', '65536', '1e3', '0x50', '80.0', 'NaN', 'Infinity', '8 0', '８０', '99999999999999999999'])(
  '%s is no port',
  (raw) => {
    expect(problemsOf(() => one(fields.port(1), raw))).toHaveLength(1);
  },
);

test('a number may have decimals where an integer may not', () => {
  expect(one(fields.number({ default: 1, min: 0, max: 1 }), '0.25')).toBe(0.25);
  expect(problemsOf(() => one(fields.number({ min: 0, max: 1 }), '1.01'))).toHaveLength(1);
  expect(problemsOf(() => one(fields.integer({}), '0.25'))).toHaveLength(1);
});

test('a duration longer than a timer can hold is refused', () => {
  expect(one(fields.milliseconds(5), '2147483647')).toBe(2_147_483_647);
  expect(problemsOf(() => one(fields.milliseconds(5), '2147483648'))).toHaveLength(1);
});

test('a list is split at commas, without spaces and empty items', () => {
  expect(one(fields.list(), ' new , old,, ')).toEqual(['new', 'old']);
});

/** Stands in for the engine's reading of a Redis URL. */
const anyUrl = (url: string): void => {
  if (!/^redis[a-z+-]*:\/\/[^\s]+$/i.test(url)) throw new RangeError('Expected a URL like redis://host:6379');
};

test('in production a required variable must be set; elsewhere it has its default', () => {
  const schema = z.object({ ...redisFields(anyUrl), TOKEN: fields.requiredInProduction(fields.text()) });
  expect(loadConfig(schema, {}).REDIS_URL).toBe('redis://127.0.0.1:6379');
  expect(problemsOf(() => loadConfig(schema, { NODE_ENV: 'production' }))).toEqual([
    expect.stringMatching(/^REDIS_URL: Expected a value, got none/),
    expect.stringMatching(/^TOKEN: Expected a value, got none/),
  ]);
});

test('a Redis URL of another form is refused without showing it, because it may hold a password', () => {
  for (const url of ['localhost:6379', 'http://user:hunter2@host', 'redis://', 'redis://with space:hunter2@host']) {
    const [problem] = problemsOf(() => loadConfig(z.object(redisFields(anyUrl)), { REDIS_URL: url }));
    expect(problem).toMatch(/^REDIS_URL: Expected a URL like/);
    expect(problem).not.toContain('hunter2');
  }
  expect(loadConfig(z.object(redisFields(anyUrl)), { REDIS_URL: 'rediss://:pw@host:6380/2' }).REDIS_URL).toBe(
    'rediss://:pw@host:6380/2',
  );
});

test('the common variables have the documented defaults', () => {
  expect(loadConfig(z.object({ ...commonFields, ...redisFields(anyUrl) }), {})).toEqual({
    BIND_HOST: '127.0.0.1',
    LOG_LEVEL: 'info',
    SHUTDOWN_TIMEOUT_MS: 10_000,
    NODE_ENV: 'development',
    REDIS_URL: 'redis://127.0.0.1:6379',
    KEY_PREFIX: 'syncline',
    SHARDS: 1,
  });
});

test.each(['{a}', 'a b', 'a:b', 'x'.repeat(65)])('the key prefix %s is refused', (prefix) => {
  expect(problemsOf(() => loadConfig(z.object(redisFields(anyUrl)), { KEY_PREFIX: prefix }))).toHaveLength(1);
});

import { ConfigurationError, dedupWindows, loadConfig } from '@syncline/runtime';
import { consoleConfig } from '../src/config';

function problemsOf(env: Record<string, string>): string {
  try {
    loadConfig(consoleConfig, env);
  } catch (error) {
    if (error instanceof ConfigurationError) return error.problems.join('\n');
    throw error;
  }
  return '';
}

test('a token is all that must be set', () => {
  expect(loadConfig(consoleConfig, { CONSOLE_TOKEN: 'abc' })).toMatchObject({
    CONSOLE_TOKEN: 'abc',
    CONSOLE_PORT: 8_082,
    BIND_HOST: '127.0.0.1',
    KEY_PREFIX: 'syncline',
    SHARDS: 1,
  });
});

test.each([{}, { CONSOLE_TOKEN: '' }, { CONSOLE_TOKEN: '  ' }])('%j lacks a token', (env: Record<string, string>) => {
  expect(problemsOf(env)).toContain('CONSOLE_TOKEN');
});

test.each(['a b', 'naïve', 'tab\tbed', 'line\nbroken', '秘密'])(
  '%j cannot travel as a bearer token, and is not shown',
  (token) => {
    const problems = problemsOf({ CONSOLE_TOKEN: token });
    expect(problems).toContain('CONSOLE_TOKEN: Expected visible ASCII');
    expect(problems).not.toContain(token);
  },
);

test('everything wrong is reported at once', () => {
  const problems = problemsOf({ CONSOLE_PORT: '99999', SHARDS: 'many', LOG_LEVEL: 'loud' });
  for (const variable of ['CONSOLE_PORT', 'CONSOLE_TOKEN', 'SHARDS', 'LOG_LEVEL']) expect(problems).toContain(variable);
});

test('in production the store must be named', () => {
  expect(problemsOf({ NODE_ENV: 'production', CONSOLE_TOKEN: 'abc' })).toContain('REDIS_URL');
});

test('each source has its own dedup window', () => {
  const config = loadConfig(consoleConfig, {
    CONSOLE_TOKEN: 'abc',
    DEDUP_WINDOW_VIOLET_MS: '60001',
    DEDUP_WINDOW_PROPEXO_MS: '60002',
    DEDUP_WINDOW_SYNCTEC_MS: '60003',
    DEDUP_WINDOW_STANDARD_MS: '60004',
  });
  expect(['violet', 'propexo', 'synctec', 'standard'].map(dedupWindows(config))).toEqual([60_001, 60_002, 60_003, 60_004]);
});

import { ConfigurationError, dedupWindows, loadConfig } from '@syncline/runtime';
import { ingressConfig, openSources } from '../src/config';

function problemsOf(env: Record<string, string>): readonly string[] {
  try {
    loadConfig(ingressConfig, env);
    return [];
  } catch (error) {
    if (error instanceof ConfigurationError) return error.problems;
    throw error;
  }
}

test('one secret is enough to start, with the defaults of the contract', () => {
  const config = loadConfig(ingressConfig, { VIOLET_APP_SECRET: 's' });
  expect(config).toMatchObject({
    INGRESS_PORT: 8080,
    BODY_LIMIT_BYTES: 5_242_880,
    ACCEPT_TIMEOUT_MS: 8_000,
    ACCEPT_TRY_TIMEOUT_MS: 1_500,
    ACCEPT_WAIT_REPLICAS: 0,
    STORE_MAX_BYTES: 0,
    BIND_HOST: '127.0.0.1',
  });
  const hours = ['violet', 'propexo', 'synctec', 'standard'].map((source) => dedupWindows(config)(source) / 3_600_000);
  expect(hours).toEqual([72, 2.75, 24, 72]);
});

test('only sources with a secret are open, with all their secrets', () => {
  const config = loadConfig(ingressConfig, {
    VIOLET_APP_SECRET: 'old, new,',
    SYNCTEC_WEBHOOK_SECRET: 's',
    VIOLET_SIGNATURE_ENCODING: 'hex',
  });
  expect(openSources(config).map(({ sender, settings }) => [sender.source, settings])).toEqual([
    ['violet', { secrets: ['old', 'new'], signatureEncoding: 'hex' }],
    ['synctec', { secrets: ['s'] }],
  ]);
});

test('all four sources can be open', () => {
  const config = loadConfig(ingressConfig, {
    VIOLET_APP_SECRET: 'a',
    PROPEXO_WEBHOOK_SECRET: 'b',
    SYNCTEC_WEBHOOK_SECRET: 'c',
    STANDARD_WEBHOOKS_SECRET: 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw',
    STANDARD_MERCHANT_POINTER: '/m',
  });
  expect(openSources(config).map(({ sender }) => sender.source)).toEqual(['violet', 'propexo', 'synctec', 'standard']);
  expect(openSources(config)[3]?.settings).toMatchObject({ merchantPointer: '/m', topicPointer: '/type' });
});

test('no secret at all is refused', () => {
  expect(problemsOf({})).toEqual([expect.stringContaining('VIOLET_APP_SECRET')]);
  expect(problemsOf({ VIOLET_APP_SECRET: ' , ,' })).toHaveLength(1);
});

test('every wrong variable is named at once, and no secret is shown', () => {
  const problems = problemsOf({
    INGRESS_PORT: '99999',
    BODY_LIMIT_BYTES: '5MB',
    ACCEPT_TIMEOUT_MS: '-1',
    VIOLET_SIGNATURE_ENCODING: 'base32',
    STANDARD_WEBHOOKS_SECRET: 'whsec_not base64!',
    STANDARD_TOPIC_POINTER: 'type',
    DEDUP_WINDOW_VIOLET_MS: '1',
  });
  const variables = problems.map((problem) => problem.split(':')[0]);
  expect(variables).toEqual(
    expect.arrayContaining([
      'INGRESS_PORT',
      'BODY_LIMIT_BYTES',
      'ACCEPT_TIMEOUT_MS',
      'VIOLET_SIGNATURE_ENCODING',
      'STANDARD_WEBHOOKS_SECRET',
      'STANDARD_TOPIC_POINTER',
      'DEDUP_WINDOW_VIOLET_MS',
    ]),
  );
  expect(problems.join()).not.toContain('not base64!');
});

test('a time for all tries that is shorter than one try needs no other variable', () => {
  expect(problemsOf({ VIOLET_APP_SECRET: 's', ACCEPT_TIMEOUT_MS: '1000' })).toEqual([]);
});

test('a missing secret is told beside the other problems', () => {
  expect(problemsOf({ INGRESS_PORT: 'abc' })).toEqual([
    expect.stringContaining('INGRESS_PORT'),
    expect.stringContaining('Expected the secret of at least one source'),
  ]);
});

test('a Redis URL that cannot be used is told at the start, and not shown', () => {
  for (const url of ['redis://127.0.0.1:6379/x', 'redis+foo://h', 'redis+sentinel://h:1', 'redis://:pa%@h', 'redis://:pa/ss@h']) {
    const problems = problemsOf({ VIOLET_APP_SECRET: 's', REDIS_URL: url });
    expect(problems).toEqual([expect.stringMatching(/^REDIS_URL: Expected/)]);
    expect(problems.join()).not.toContain(url);
  }
});

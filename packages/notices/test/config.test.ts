import { inspect } from 'node:util';
import fs from 'node:fs';
import path from 'node:path';
import { temporaryFolder } from '@syncline/testkit';
import { type NoticesConfig, readNotices } from '../src/config';

const SECRET = `whsec_${Buffer.alloc(32, 7).toString('base64')}`;
const env = {
  SLACK_URL: 'https://hooks.slack.com/services/T0/B0/hidden-part',
  HOOK_SECRET: SECRET,
  HOOK_SECRET_OLD: `whsec_${Buffer.alloc(24, 8).toString('base64')}`,
  TOKEN: 'hidden-token',
  EMPTY: ' ',
};

const read = (file: unknown, cwd = '/') => readNotices(typeof file === 'string' ? file : JSON.stringify(file), env, cwd);

function configOf(file: unknown, cwd?: string): NoticesConfig {
  const result = read(file, cwd);
  if ('problems' in result) throw new Error(result.problems.join('\n'));
  return result.config;
}

function problemsOf(file: unknown): readonly string[] {
  const result = read(file);
  return 'problems' in result ? result.problems : [];
}

const webhook = (given: Record<string, unknown> = {}) => ({
  destinations: { hook: { type: 'webhook', url: 'https://hook.example/x', kinds: ['*'], ...given } },
});

test('the example file is one that is taken', () => {
  const text = fs.readFileSync(path.join(__dirname, '../../../deploy/notices.example.json'), 'utf8');
  const names = [...text.matchAll(/"secretFrom": *"(\w+)"/g)].map(([, name = '']) => name);
  const given = Object.fromEntries(names.map((name) => [name, name.includes('URL') ? env.SLACK_URL : SECRET]));
  const result = readNotices(text, given, temporaryFolder());
  expect('problems' in result ? result.problems : []).toEqual([]);
});

test('a destination of each type is read, with what is not said by default', () => {
  const cwd = temporaryFolder();
  const { destinations, allowPrivateHosts } = configOf(
    {
      allowPrivateHosts: ['LocalHost'],
      destinations: {
        chat: { type: 'slack', url: { secretFrom: 'SLACK_URL' }, kinds: ['sync.*'] },
        hook: {
          type: 'webhook',
          url: 'http://localhost:9999/x',
          secrets: [{ secretFrom: 'HOOK_SECRET' }, { secretFrom: 'HOOK_SECRET_OLD' }],
          headers: { Authorization: { secretFrom: 'TOKEN' }, 'X-Team': 'catalogue' },
          kinds: ['*'],
          sources: ['violet'],
          merchants: ['10042'],
          rate: { perSecond: 0.5 },
          concurrency: 2,
        },
        log: { type: 'file', path: 'events.csv', format: 'csv', kinds: ['product.synced'] },
      },
    },
    cwd,
  );
  expect([...allowPrivateHosts]).toEqual(['localhost']);
  expect(destinations.get('chat')).toMatchObject({
    name: 'chat',
    kinds: ['sync.*'],
    pace: { perSecond: 1, burst: 5, concurrency: 10 },
  });
  expect(destinations.get('hook')).toMatchObject({
    sources: ['violet'],
    merchants: ['10042'],
    contentType: 'application/json',
    isJson: true,
    pace: { perSecond: 0.5, burst: 1, concurrency: 2 },
  });
  expect(destinations.get('log')).toMatchObject({ log: { path: path.join(cwd, 'events.csv'), byteOrderMark: false } });
});

test('a secret is shown by nothing that shows the configuration', () => {
  const config = configOf({
    destinations: {
      chat: { type: 'slack', url: { secretFrom: 'SLACK_URL' }, kinds: ['*'] },
      ...webhook({ secrets: [{ secretFrom: 'HOOK_SECRET' }], headers: { authorization: { secretFrom: 'TOKEN' } } }).destinations,
    },
  });
  const shown = [
    inspect(config, { depth: 10, showHidden: true }),
    JSON.stringify([...config.destinations]),
    [...config.destinations.values()].map(({ type, ...rest }) => `${type} ${JSON.stringify(rest)} ${inspect(rest)}`).join(),
  ];
  for (const text of shown) {
    for (const secret of ['hidden-part', 'hidden-token', SECRET.slice(6)]) expect(text).not.toContain(secret);
  }
});

test('everything that is wrong is told at once, each with its place', () => {
  const problems = problemsOf({
    allowPrivateHosts: [],
    colour: 'red',
    destinations: {
      'Bad Name': { type: 'slack', url: { secretFrom: 'SLACK_URL' }, kinds: ['*'] },
      chat: { type: 'slack', url: 'https://hooks.slack.com/services/T0/B0/in-the-file', kinds: [] },
      fax: { type: 'fax' },
      hook: {
        type: 'webhook',
        url: 'http://hook.example/',
        kinds: ['a*b'],
        secrets: [{ secretFrom: 'ABSENT' }, { secretFrom: 'TOKEN' }],
        headers: { 'webhook-id': 'x', 'bad header': 'x', 'x-a': 'a\nb' },
        template: '{"x":"{{{data.x}}}"}',
        rate: { perSecond: 0 },
      },
      log: { type: 'file', path: '/nowhere/at/all.log', format: 'csv', kinds: ['*'] },
    },
  });
  expect([...problems].sort()).toEqual([
    expect.stringMatching(/^destinations\.Bad Name: .*lower-case letters/),
    expect.stringMatching(/^destinations\.chat\.kinds: /),
    expect.stringMatching(/^destinations\.chat\.url: expected a secret as \{"secretFrom"/),
    expect.stringMatching(/^destinations\.fax\.type: expected the type slack, webhook or file/),
    expect.stringMatching(/^destinations\.hook\.headers\.bad header: /),
    expect.stringMatching(/^destinations\.hook\.headers\.webhook-id: expected a header that Syncline does not set itself/),
    expect.stringMatching(/^destinations\.hook\.headers\.x-a: /),
    expect.stringMatching(/^destinations\.hook\.kinds\.0: expected a kind of notices/),
    expect.stringMatching(/^destinations\.hook\.rate\.perSecond: /),
    expect.stringMatching(/^destinations\.hook\.secrets\.0: expected a value in the variable ABSENT, got none\. Set ABSENT/),
    expect.stringMatching(/^destinations\.hook\.secrets\.1: expected whsec_/),
    expect.stringMatching(/^destinations\.hook\.template: expected a template without values without escaping/),
    expect.stringMatching(/^destinations\.hook\.url: expected https/),
    expect.stringMatching(/^destinations\.log\.path: expected a file in a folder that exists/),
    expect.stringMatching(/^the file: expected no field colour/),
  ]);
  expect(problems.join('\n')).not.toMatch(/in-the-file|hidden/);
});

test.each([
  ['{', /^expected a JSON file/],
  ['[]', /^the file: expected/],
  ['null', /^the file: expected/],
  ['{}', /^destinations: expected/],
  [webhook({ url: { secretFrom: 'EMPTY' } }), /^destinations\.hook\.url: expected a value in the variable EMPTY/],
  [webhook({ url: { secretFrom: 'NO SUCH' } }), /^destinations\.hook\.url/],
  [webhook({ url: { secretFrom: 'HOOK_SECRET', also: 1 } }), /^destinations\.hook\.url/],
  [webhook({ url: { secretFrom: 'TOKEN' } }), /^destinations\.hook\.url: expected a URL/],
  [webhook({ url: 'https://user:pass@hook.example/' }), /^destinations\.hook\.url: expected a URL without a password/],
  [webhook({ url: 'https://10.0.0.1/' }), /^destinations\.hook\.url: expected a public address, got 10\.0\.0\.1/],
  [webhook({ url: 'https://[::1]/' }), /^destinations\.hook\.url: expected a public address/],
  [webhook({ url: 'ftp://hook.example/' }), /^destinations\.hook\.url: expected https/],
  [webhook({ url: 'http://localhost/' }), /^destinations\.hook\.url: expected https/],
  [webhook({ contentType: 'text/plain' }), /^destinations\.hook\.template: expected a template for text\/plain/],
  [webhook({ contentType: 'text/plain\r\nx: y' }), /^destinations\.hook\.contentType/],
  [webhook({ template: '{{' }), /^destinations\.hook\.template: expected a mustache template/],
  [webhook({ template: ['{}'] }), /^destinations\.hook\.template: expected a text, or an object of JSON/],
  [webhook({ template: { a: ['{{{data.x}}}'] } }), /^destinations\.hook\.template: expected a template without values/],
  [webhook({ secret: 'in the file' }), /^destinations\.hook: expected no field secret/],
  [
    {
      destinations: {
        log: { type: 'file', path: '/tmp/x', format: 'ndjson', columns: [{ header: 'a', value: 'b' }], kinds: ['*'] },
      },
    },
    /^destinations\.log\.columns: expected columns with the format csv only/,
  ],
])('%j is refused', (file, problem) => {
  const problems = problemsOf(file);
  expect(problems).toHaveLength(1);
  expect(problems[0]).toMatch(problem);
});

import fs from 'node:fs';
import path from 'node:path';
import { ConfigurationError, createRegistry } from '@syncline/runtime';
import { temporaryFolder } from '@syncline/testkit';
import { loadNotices } from '../src/notices';

const folder = temporaryFolder();

function load(file: string | undefined, env: Record<string, string> = {}) {
  const registry = createRegistry();
  return { registry, notices: loadNotices(file, env, folder, registry) };
}

function problemsOf(file: string, env: Record<string, string> = {}): readonly string[] {
  try {
    load(file, env);
  } catch (error) {
    if (error instanceof ConfigurationError) return error.problems;
    throw error;
  }
  return [];
}

test('without NOTICES_FILE nobody is told, and what waits from before is still taken', () => {
  const { notices } = load(undefined);
  expect(notices.destinations).toBe(0);
  expect(notices.handler.topics).toEqual(['syncline.delivery']);
});

test('a destination is counted from the start, so that its first failure is a rise', async () => {
  fs.writeFileSync(
    path.join(folder, 'good.json'),
    JSON.stringify({ destinations: { hook: { type: 'webhook', url: 'https://hook.example/', kinds: ['*'] } } }),
  );
  const { registry, notices } = load('good.json');
  expect(notices.destinations).toBe(1);
  const metrics = await registry.metrics();
  for (const outcome of ['delivered', 'failed', 'refused', 'deferred']) {
    expect(metrics).toContain(`syncline_notice_deliveries_total{destination="hook",outcome="${outcome}"} 0`);
  }
});

test.each(['absent.json', '.'])('the file %s is refused with what to do', (file) => {
  expect(problemsOf(file)).toEqual([
    expect.stringMatching(/^NOTICES_FILE: expected a readable file, got none\. Correct the path, .*: \//),
  ]);
});

test('everything that is wrong in the file is told at once, without a secret', () => {
  fs.writeFileSync(
    path.join(folder, 'bad.json'),
    JSON.stringify({
      destinations: {
        chat: { type: 'slack', url: { secretFrom: 'CHAT_URL' }, kinds: [] },
        hook: { type: 'webhook', url: { secretFrom: 'HOOK_URL' }, kinds: ['*'] },
      },
    }),
  );
  const problems = problemsOf('bad.json', { CHAT_URL: 'hidden, and no URL' });
  expect(problems).toEqual([
    'NOTICES_FILE: destinations.chat.url: expected a URL such as https://example.com/hook, got none',
    expect.stringMatching(/^NOTICES_FILE: destinations\.chat\.kinds: /),
    'NOTICES_FILE: destinations.hook.url: expected a value in the variable HOOK_URL, got none. Set HOOK_URL',
  ]);
});

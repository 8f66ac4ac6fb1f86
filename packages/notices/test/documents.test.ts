import fs from 'node:fs';
import path from 'node:path';
import { noticeKinds } from '@syncline/catalog';
import { readNotices } from '../src/config';
import { undeliverable } from '../src/undeliverable';

const read = (file: string): string => fs.readFileSync(path.join(__dirname, '../../../docs', file), 'utf8');

/** The words in the first column of the table whose header begins with this. */
function firstColumn(page: string, header: string): string[] {
  const table = page.slice(page.indexOf(`| ${header} |`)).split('\n\n')[0] ?? '';
  return [...table.matchAll(/^\| `([^`]+)`/gm)].map(([, word = '']) => word);
}

test('docs/notices.md tells of every kind of notice, and of no other', () => {
  expect(firstColumn(read('notices.md'), 'kind').sort()).toEqual([...noticeKinds].sort());
});

test('docs/errors.md tells of every reason for which a delivery is a dead letter, and of no other', () => {
  const page = read('errors.md');
  const section = page.slice(page.indexOf('## Reasons of deliveries'));
  expect(firstColumn(section, 'reason').sort()).toEqual(Object.values(undeliverable).sort());
});

test.each(['notices.md', 'recipes.md'])('every configuration in docs/%s is one that is taken', (file) => {
  const blocks = [...read(file).matchAll(/^```json\n(.*?)^```/gms)].map(([, text = '']) => text);
  const configurations = blocks.filter((text) => text.includes('"destinations"'));
  expect(configurations.length).toBeGreaterThan(0);
  for (const text of configurations) {
    const names = [...text.matchAll(/"secretFrom": "(\w+)"/g)].map(([, name = '']) => name);
    const secret = `whsec_${Buffer.alloc(32, 1).toString('base64')}`;
    const env = Object.fromEntries(names.map((name) => [name, name.includes('URL') ? 'https://hook.example/x' : secret]));
    const result = readNotices(text.replace('/var/lib/syncline', '/tmp'), env, '/tmp');
    expect('problems' in result ? result.problems : []).toEqual([]);
  }
});

import fs from 'node:fs';
import path from 'node:path';
import { repositoryRoot } from '@syncline/runtime';
import { benchmarks } from '../src/benchmarks';
import { withResults } from '../src/report';

const run = {
  benchmark: { name: 'drain', description: 'What is measured.' },
  findings: { tables: [], budgets: [] },
  how: 'How.',
};
const document =
  '# A\n<!-- results:drain -->\nold\n<!-- /results:drain -->\nbetween\n<!-- results:memory -->\nkept\n<!-- /results:memory -->\n';

it("replaces a benchmark's former results and leaves those of the others", () => {
  const written = withResults(document, [run]);
  expect(written).not.toContain('old');
  expect(written).toMatch(/<!-- results:drain -->\n\nWhat is measured\.\n\nHow\.\n/);
  expect(written).toContain('<!-- /results:drain -->\nbetween\n<!-- results:memory -->\nkept\n');
});

it('writes the same document when it writes the same results again', () => {
  const once = withResults(document, [run]);
  expect(withResults(once, [run])).toBe(once);
});

it('refuses a document without a place for the results', () => {
  expect(() => withResults('# A', [run])).toThrow('Expected <!-- results:drain -->');
});

it.each(benchmarks.map(({ name }) => name))('finds a place for the results of %s in docs/performance.md', (name) => {
  const performance = fs.readFileSync(path.join(repositoryRoot, 'docs', 'performance.md'), 'utf8');
  expect(() => withResults(performance, [{ ...run, benchmark: { name, description: '' } }])).not.toThrow();
});

import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { repositoryRoot } from '@syncline/runtime';
import { temporaryFolder } from '@syncline/testkit';

// promtool comes with the distribution's package `prometheus`. Without it these tests are skipped.
const promtool = (process.env.PATH ?? '')
  .split(path.delimiter)
  .map((folder) => path.join(folder, 'promtool'))
  .find((file) => fs.existsSync(file));
const withPromtool = promtool === undefined ? describe.skip : describe;

const pathOf = (...parts: string[]): string => path.join(repositoryRoot, ...parts);

/** Runs promtool; throws with what it printed when it is not content. */
function runPromtool(...args: string[]): string {
  return execFileSync(promtool ?? '', args, { encoding: 'utf8', cwd: repositoryRoot, stdio: 'pipe' });
}

/** The queries of docs/operations.md: each `promql` block holds one. */
const queries = [...fs.readFileSync(pathOf('docs', 'operations.md'), 'utf8').matchAll(/```promql\n(.*?)```/gs)].map(
  ([, query = '']) => query.trim(),
);

test('docs/operations.md asks for the success rate, and for the time to a ready catalogue, in PromQL', () => {
  expect(queries).toHaveLength(3);
  expect(queries.filter((query) => query.includes('syncline_syncs_total'))).toHaveLength(2);
  expect(queries.filter((query) => query.includes('syncline_time_to_ready_seconds_bucket'))).toHaveLength(1);
});

withPromtool("with promtool, where the distribution's package prometheus is installed,", () => {
  test('every alert fires when it must, and only then', () => {
    expect(runPromtool('check', 'rules', 'deploy/alerts.yml')).toContain('SUCCESS');
    expect(runPromtool('test', 'rules', 'deploy/alerts.test.yml')).toContain('SUCCESS');
  });

  test('the queries of docs/operations.md answer what it says that they do', () => {
    const series = (labels: string, values: string) => ({ series: `syncline_syncs_total{source="violet",${labels}}`, values });
    const bucket = (le: string, values: string) => ({
      series: `syncline_time_to_ready_seconds_bucket{source="violet",le="${le}",instance="a"}`,
      values,
    });
    const expected = [
      // Of 4 + 1 syncs of Shopify's on two workers four completed, of 2 of Wix's one.
      [
        { labels: '{source="violet",track="product",platform="shopify"}', value: 0.8 },
        { labels: '{source="violet",track="product",platform="wix"}', value: 0.5 },
      ],
      [
        { labels: '{source="violet",platform="shopify"}', value: 0.2 },
        { labels: '{source="violet",platform="wix"}', value: 0.5 },
      ],
      [{ labels: '{source="violet"}', value: 60 }],
    ];
    const file = path.join(temporaryFolder(), 'queries.yml');
    const test = {
      interval: '1h',
      input_series: [
        series('track="product",outcome="completed",platform="shopify",instance="a"', '0 3x30'),
        series('track="product",outcome="completed",platform="shopify",instance="b"', '0 1x30'),
        series('track="product",outcome="failed",platform="shopify",instance="a"', '0 1x30'),
        series('track="product",outcome="completed",platform="wix",instance="a"', '0 1x30'),
        series('track="product",outcome="failed",platform="wix",instance="b"', '0 1x30'),
        bucket('30', '0 0x30'),
        bucket('60', '0 9x30'),
        bucket('+Inf', '0 10x30'),
      ],
      promql_expr_test: queries.map((expr, index) => ({ expr, eval_time: '20h', exp_samples: expected[index] })),
    };
    // JSON is YAML.
    fs.writeFileSync(file, JSON.stringify({ rule_files: [], evaluation_interval: '1h', tests: [test] }));
    expect(runPromtool('test', 'rules', file)).toContain('SUCCESS');
  });
});

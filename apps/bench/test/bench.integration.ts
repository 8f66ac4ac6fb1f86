import { execFile } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { promisify } from 'node:util';
import { repositoryRoot } from '@syncline/runtime';
import { temporaryFolder } from '@syncline/testkit';
import { benchmarks } from '../src/benchmarks';

interface Results {
  readonly benchmarks: readonly {
    readonly name: string;
    readonly tables: readonly {
      readonly rows: readonly { readonly figures: Readonly<Record<string, { readonly values: number[] }>> }[];
    }[];
    readonly budgets: readonly { readonly met: boolean }[];
  }[];
}

const folder = temporaryFolder();

async function bench(name: string): Promise<Results> {
  const json = path.join(folder, `${name}.json`);
  const args = ['--only', name, '--scale', '0.0005', '--repetitions', '1', '--appendfsync', 'always', '--json', json];
  await promisify(execFile)(process.execPath, [path.join(repositoryRoot, 'apps', 'bench', 'dist', 'main.js'), ...args]);
  return JSON.parse(fs.readFileSync(json, 'utf8')) as Results;
}

/** The others start dozens of processes each: `npm run bench -- --scale 0.001` runs them all. */
const quick = benchmarks.map(({ name }) => name).filter((name) => name === 'memory');

it.each(quick)('the benchmark %s does its work and gives every figure', async (name) => {
  const results = await bench(name);
  expect(results.benchmarks.map((benchmark) => benchmark.name)).toEqual([name]);
  const [benchmark] = results.benchmarks;
  const values = (benchmark?.tables ?? []).flatMap(({ rows }) =>
    rows.flatMap(({ figures }) => Object.values(figures).flatMap((figure) => figure.values)),
  );
  expect(values.length).toBeGreaterThan(0);
  expect(values.filter((value) => !Number.isFinite(value))).toEqual([]);
  expect(benchmark?.budgets.length).toBeGreaterThan(0);
});

import type { Benchmark, Findings } from './benchmark';
import { rendered } from './render';

/** A benchmark that has run, and how. */
export interface Run {
  readonly benchmark: Pick<Benchmark, 'name' | 'description'>;
  readonly findings: Findings;
  /** The command, the environment and the time of the run, in one line. */
  readonly how: string;
}

/**
 * The document with the results of these benchmarks in the place of their former ones, between `<!-- results:name -->` and
 * `<!-- /results:name -->`. Those of other benchmarks stay. Throws a RangeError when a benchmark has no such place.
 */
export function withResults(document: string, runs: readonly Run[]): string {
  return runs.reduce((text, { benchmark, findings, how }) => {
    const begin = `<!-- results:${benchmark.name} -->`;
    const end = `<!-- /results:${benchmark.name} -->`;
    const from = text.indexOf(begin);
    const to = text.indexOf(end);
    if (from < 0 || to < from)
      throw new RangeError(`Expected ${begin} and ${end} in the document, got none. Add them where the results are to stand.`);
    return `${text.slice(0, from + begin.length)}\n\n${benchmark.description}\n\n${how}\n\n${rendered(findings)}\n\n${text.slice(to)}`;
  }, document);
}

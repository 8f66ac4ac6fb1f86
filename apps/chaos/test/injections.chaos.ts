import { injections } from '../src/injections';
import { injectionSettings, isCaught } from '../src/program';
import { reportOf } from '../src/report';
import { isClean, runChaos } from '../src/run';

/** The quickest; `npm run chaos -- --prove` runs all, and a commit without a fence takes a lease that passes to show itself. */
const quick = ['early-dedup'] as const;

test.each(quick.map((name) => [injections[name].what, name] as const))('the checker catches it when %s', async (_what, name) => {
  const result = await runChaos(injectionSettings(name, 1), { signal: new AbortController().signal, progress: () => {} });
  if (!isCaught(name, result)) throw new Error(`Not caught:\n${reportOf(result)}`);
  expect(isClean(result)).toBe(false);
  expect(reportOf(result)).toContain(`npm run chaos -- --inject ${name} --seed 1`);
});

import { injections } from '../src/injections';
import { injectionSettings, isCaught } from '../src/program';
import { reportOf } from '../src/report';
import { isClean, runChaos } from '../src/run';

/** A commit without a fence takes a lease that passes to show itself: `npm run chaos -- --prove` runs it as well. */
const quick = ['late-idle', 'dropped-arm', 'early-dedup'] as const;

test.each(quick.map((name) => [injections[name].what, name] as const))(
  'the checker catches it when %s',
  async (_what, name) => {
    const result = await runChaos(injectionSettings(name, 1), { signal: new AbortController().signal, progress: () => {} });
    if (!isCaught(name, result)) throw new Error(`Not caught:\n${reportOf(result)}`);
    expect(isClean(result)).toBe(false);
    expect(reportOf(result)).toContain(`npm run chaos -- --inject ${name} --seed 1`);
  },
  240_000,
);

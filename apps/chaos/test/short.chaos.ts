import { faultKinds } from '../src/faults';
import { reportOf } from '../src/report';
import { isClean, runChaos } from '../src/run';

test('a product whose processes are killed and frozen, whose Redis is killed and whose connections fail keeps every promise', async () => {
  const result = await runChaos(
    {
      seed: 7,
      seconds: 20,
      leastEvents: 100,
      merchants: 12,
      rate: 30,
      topology: 'single',
      waitReplicas: 0,
      // A stall outlasts a lease, and this run.
      faults: faultKinds.filter((kind) => kind !== 'worker-stall'),
      patienceSeconds: 25,
      injection: undefined,
    },
    { signal: new AbortController().signal, progress: () => {} },
  );
  if (!isClean(result)) throw new Error(reportOf(result));
  expect([...result.faults.values()].reduce((sum, count) => sum + count, 0)).toBeGreaterThan(5);
  expect(result.traffic.acknowledged).toBeGreaterThanOrEqual(100);
  expect(result.verdict.committed).toBeGreaterThanOrEqual(result.traffic.acknowledged);
}, 240_000);

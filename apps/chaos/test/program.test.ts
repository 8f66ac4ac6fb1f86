import { randomOf } from '@syncline/runtime';
import type { FaultKind } from '../src/faults';
import { faultKinds } from '../src/faults';
import { createTally } from '../src/metrics';
import { runProgram } from '../src/program';
import { reportOf } from '../src/report';
import { brokenPromises, type ChaosResult, isClean } from '../src/run';

async function run(...args: string[]): Promise<{ exitCode: number; output: string }> {
  let output = '';
  const write = (text: string): void => void (output += text);
  const exitCode = await runProgram(args, {
    signal: new AbortController().signal,
    write,
    writeError: write,
    progress: () => {},
  });
  return { exitCode, output };
}

function resultOf(differences: Partial<ChaosResult> = {}, settings: Partial<ChaosResult['settings']> = {}): ChaosResult {
  return {
    settings: {
      seed: 7,
      seconds: 60,
      leastEvents: 0,
      merchants: 24,
      rate: 40,
      topology: 'single',
      waitReplicas: 0,
      faults: ['worker-kill', 'redis-kill'],
      patienceSeconds: 30,
      injection: undefined,
      ...settings,
    },
    traffic: { events: 3, acknowledged: 2, deliveries: 4, resent: 1, repeated: 0, answers: new Map([['202', 2]]) },
    faults: new Map<FaultKind, number>([['worker-kill', 2]]),
    failovers: 0,
    aofChecked: 0,
    aofRepaired: 0,
    retries: 0,
    rescued: 0,
    fenced: 0,
    invariantViolations: 0,
    ownEnds: [],
    verdict: { violations: [], committed: 2, dead: 0, crashed: 0, reminders: 0 },
    drainSeconds: 1,
    keptIn: undefined,
    ...differences,
  };
}

const forgotten: ChaosResult['verdict'] = {
  violations: [{ kind: 'lost', merchantId: '1', detail: 'a was acknowledged, and is nowhere', forgotten: true }],
  committed: 0,
  dead: 0,
  crashed: 0,
  reminders: 0,
};

test('--help tells of every flag, fault, defect and exit code', async () => {
  const { exitCode, output } = await run('--help');
  expect(exitCode).toBe(0);
  for (const word of ['--seed', '--seconds', '--topology', '--wait-replicas', '--faults', '--inject', '--prove', 'Exit code'])
    expect(output).toContain(word);
  for (const kind of faultKinds) expect(output).toContain(`  ${kind} `);
});

test.each([
  ['--seconds', '601'],
  ['--seconds', '0'],
  ['--topology', 'ring'],
  ['--faults', 'worker-kill,meteor'],
  ['--inject', 'typo'],
  ['--wait-replicas', '1'],
  ['--unknown', ''],
])('%s %s is wrong usage, and nothing is run', async (...args) => {
  expect((await run(...args)).exitCode).toBe(2);
});

test('a run is clean only without violations, counted or found, and without a process that ended by itself', () => {
  expect(isClean(resultOf())).toBe(true);
  expect(isClean(resultOf({ verdict: forgotten }))).toBe(false);
  expect(isClean(resultOf({ invariantViolations: 1 }))).toBe(false);
  expect(isClean(resultOf({ ownEnds: ['worker-1: failed'] }))).toBe(false);
});

test('events that a failover forgot are excused only where no replica had to hold them, and are told either way', () => {
  const failover = resultOf({ verdict: forgotten }, { topology: 'sentinel' });
  expect(brokenPromises(failover)).toEqual([]);
  expect(reportOf(failover)).toContain('1 acknowledged events lost, because they had not reached the replica that took over');
  const waited = resultOf({ verdict: forgotten }, { topology: 'cluster', waitReplicas: 1 });
  expect(isClean(waited)).toBe(false);
  expect(reportOf(waited)).toContain('lost 1, reordered 0');
  const stuck = { ...forgotten, violations: [{ kind: 'stuck', merchantId: '1', detail: 'a waits' } as const] };
  expect(isClean(resultOf({ verdict: stuck }, { topology: 'sentinel' }))).toBe(false);
});

test('a report tells the faults by kind and the command that repeats the run', () => {
  const report = reportOf(resultOf());
  expect(report).toContain('2: worker-kill 2');
  expect(report).toContain(
    'npm run chaos -- --seed 7 --seconds 60 --merchants 24 --rate 40 --topology single --faults worker-kill,redis-kill',
  );
});

test('counters are summed over series and over the lives of a process', () => {
  const tally = createTally();
  tally.read('worker-1.1', 'a_total{x="1"} 2\na_total{x="2"} 3\nb_total 1\na_seconds 9\n');
  tally.read('worker-1.1', 'a_total{x="1"} 4\na_total{x="2"} 3\n');
  tally.read('worker-1.2', 'a_total 1\n');
  expect([tally.sum('a_total'), tally.sum('c_total')]).toEqual([8, 0]);
});

test('the same key makes the same choices, another key others', () => {
  const choices = (...key: (string | number)[]): number[] => {
    const random = randomOf(...key);
    return Array.from({ length: 20 }, () => random.integer(0, 1_000));
  };
  expect(choices(1, 'faults')).toEqual(choices(1, 'faults'));
  expect(choices(1, 'faults')).not.toEqual(choices(2, 'faults'));
});

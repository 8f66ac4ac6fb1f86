import type { ViolationKind } from './checker';
import { brokenPromises, type ChaosResult, isClean } from './run';

const SHOWN_MAX = 10;
const kinds: readonly ViolationKind[] = ['lost', 'reordered', 'duplicated', 'stuck'];

/** What a run was and found, for people; ends with the command that repeats it. */
export function reportOf(result: ChaosResult): string {
  const { settings, traffic, verdict } = result;
  const faults = [...result.faults].map(([kind, count]) => `${kind} ${count}`).join(', ');
  const total = [...result.faults.values()].reduce((sum, count) => sum + count, 0);
  const answers = [...traffic.answers]
    .sort(([a], [b]) => a.localeCompare(b))
    .map(([status, count]) => `${status === 'none' ? 'no answer' : status} ${count}`);
  const failover = settings.topology === 'single' ? '' : ` · ${result.failovers} failovers`;
  const rows: [string, string][] = [
    [
      'events',
      `${traffic.events} sent, ${traffic.acknowledged} acknowledged, ${verdict.committed} committed (${verdict.reminders} reminders)`,
    ],
    [
      'deliveries',
      `${traffic.deliveries}: ${traffic.resent} resent, ${traffic.repeated} repeated on purpose · ${answers.join(', ')}`,
    ],
    ['faults', `${total}${failover}${faults === '' ? '' : `: ${faults}`}`],
    ['append-only file', `${result.aofChecked} checks before a restart, ${result.aofRepaired} with an end cut off`],
    ['retries', `${result.retries} · dead letters ${verdict.dead}, of them ${verdict.crashed} by crashes`],
    ['rescued', `${result.rescued} lanes · fenced commits ${result.fenced}`],
    ['drained', `${result.drainSeconds.toFixed(1)} s after the last fault`],
  ];
  const lines = rows.map(([name, text]) => `  ${name.padEnd(17)} ${text}`);
  return [`Chaos: seed ${settings.seed}, ${settings.seconds} s, ${settings.topology}`, ...lines, ...findings(result), ''].join(
    '\n',
  );
}

function findings(result: ChaosResult): string[] {
  const broken = brokenPromises(result);
  const forgotten = result.verdict.violations.length - broken.length;
  const counts = kinds.map((kind) => `${kind} ${broken.filter((violation) => violation.kind === kind).length}`);
  const lines = [
    `  ${'violations'.padEnd(17)} ${counts.join(', ')} · counted by the workers ${result.invariantViolations} · processes that ended by themselves ${result.ownEnds.length}`,
  ];
  if (result.settings.topology !== 'single') lines.push(`  ${'failover'.padEnd(17)} ${forgottenText(result, forgotten)}`);
  for (const { kind, merchantId, detail } of broken.slice(0, SHOWN_MAX))
    lines.push(`    ${kind}: violet:${merchantId}: ${detail}`);
  if (broken.length > SHOWN_MAX) lines.push(`    and ${broken.length - SHOWN_MAX} more`);
  for (const end of result.ownEnds.slice(0, SHOWN_MAX)) lines.push(`    ended by itself: ${end}`);
  if (result.keptIn !== undefined) lines.push(`  Logs and data are kept in ${result.keptIn} until the next run.`);
  lines.push(`  ${isClean(result) ? 'Every promise was kept.' : 'PROMISES WERE BROKEN.'} Repeat with: ${commandOf(result)}`);
  return lines;
}

function forgottenText({ settings, verdict }: ChaosResult, excused: number): string {
  if (settings.waitReplicas > 0) {
    const lost = verdict.violations.filter(({ forgotten }) => forgotten).length;
    return `${lost} acknowledged events lost, with ${settings.waitReplicas} replica holding each before its acknowledgement`;
  }
  return `${excused} acknowledged events lost, because they had not reached the replica that took over; with --wait-replicas 1 there must be none`;
}

/** The command that makes the same choices again. */
function commandOf({ settings }: ChaosResult): string {
  const { seed, seconds, merchants, rate, topology, waitReplicas, faults, injection } = settings;
  if (injection) return `npm run chaos -- --inject ${injection} --seed ${seed}`;
  const parts = [`--seed ${seed} --seconds ${seconds} --merchants ${merchants} --rate ${rate} --topology ${topology}`];
  if (waitReplicas > 0) parts.push(`--wait-replicas ${waitReplicas}`);
  parts.push(`--faults ${faults.length === 0 ? 'none' : faults.join(',')}`);
  return `npm run chaos -- ${parts.join(' ')}`;
}

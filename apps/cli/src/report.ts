import type { Merchant, Track } from './console-client';

const SHOWN_DIFFERENCES = 20;

/** The merchant's standing as lines for people. */
export function merchantSummary(merchant: Merchant): string {
  const { lane, offers, collections, tracks } = merchant;
  const catalog = merchant.catalogReady ? `ready since ${merchant.catalogReadyAt ?? '?'}` : 'not ready';
  const stale = merchant.catalogStaleSince === null ? '' : `, stale since ${merchant.catalogStaleSince}`;
  const next = lane.nextAttemptAt === null ? '' : `, next attempt at ${lane.nextAttemptAt}`;
  return [
    ['connection', merchant.connection],
    ['catalogue', catalog + stale],
    ['product sync', trackSummary(tracks.product)],
    ['collection sync', trackSummary(tracks.collection)],
    ['offers', String(offers.count)],
    ['collections', String(collections.count)],
    ['lane', `${lane.state}, ${counted(lane.depth, 'event')} waiting${next}`],
  ]
    .map(([name = '', value = '']) => `  ${name.padEnd(16)}${value}`)
    .join('\n');
}

function trackSummary(track: Track): string {
  if (track.runs === 0) return track.state;
  const counts = track.total === null ? '' : ` · ${track.synced ?? '?'} of ${track.total}`;
  const took = track.durationMs === null ? '' : ` · took ${seconds(track.durationMs)}`;
  return `${track.state} · ${counted(track.runs, 'run')}, ${track.completed} completed, ${track.failed} failed${counts}${took}`;
}

/** The verdict: that all is as expected, or what differs. */
export function verdict(differences: readonly string[]): string {
  if (differences.length === 0) return 'As expected: state, entities and history match what was sent.';
  const more = differences.length > SHOWN_DIFFERENCES ? [`  … and ${differences.length - SHOWN_DIFFERENCES} more`] : [];
  return [
    'Not as expected (or something else sent events for this merchant meanwhile):',
    ...differences.slice(0, SHOWN_DIFFERENCES).map((difference) => `  ${difference}`),
    ...more,
  ].join('\n');
}

/** `1 event`, `2 events`. */
export function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`;
}

/** A duration in milliseconds as seconds with a decimal. */
export function seconds(ms: number): string {
  return `${(ms / 1_000).toFixed(1)} s`;
}

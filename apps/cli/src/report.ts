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
  if (track.runs === 0 && track.completed + track.failed === 0) return track.state;
  const counts = track.total === null ? '' : ` · ${track.synced ?? '?'} of ${track.total}`;
  const took = track.durationMs === null ? '' : ` · took ${seconds(track.durationMs)}`;
  return `${track.state} · ${track.runs === 0 ? '' : `${counted(track.runs, 'run')}, `}${track.completed} completed, ${track.failed} failed${counts}${took}`;
}

/** What a run of one merchant or of many came to, as it is found merchant by merchant; it keeps as much of that as it shows. */
export class Verdict {
  readonly #merchants: number;
  readonly #shown: string[] = [];
  #found = 0;
  #checked = 0;
  #different = 0;

  constructor(merchants: number) {
    this.#merchants = merchants;
  }

  /** A merchant was checked. */
  add(merchantId: string, differences: readonly string[]): void {
    this.#checked += 1;
    if (differences.length > 0) this.#different += 1;
    this.#found += differences.length;
    for (const difference of differences.slice(0, SHOWN_DIFFERENCES - this.#shown.length)) {
      this.#shown.push(this.#merchants === 1 ? difference : `${merchantId}: ${difference}`);
    }
  }

  get isAsExpected(): boolean {
    return this.#different === 0 && this.#checked === this.#merchants;
  }

  /** That all is as expected, or what differs. */
  text(): string {
    const all = this.#merchants === 1 ? '' : ` of ${counted(this.#merchants, 'merchant')}`;
    if (this.isAsExpected) return `As expected: state, entities and history${all} match what was sent.`;
    const which = this.#merchants === 1 ? '' : `: ${this.#different}${all}`;
    const more = this.#found > this.#shown.length ? [`  … and ${this.#found - this.#shown.length} more`] : [];
    return [
      `Not as expected${which} (or something else sent events for ${this.#merchants === 1 ? 'this merchant' : 'them'} meanwhile):`,
      ...this.#shown.map((difference) => `  ${difference}`),
      ...more,
    ].join('\n');
  }
}

/** `1 event`, `2 events`. */
export function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`;
}

/** A short duration in milliseconds. */
export function milliseconds(ms: number | undefined): string {
  return ms === undefined ? '–' : `${ms.toFixed(ms < 100 ? 1 : 0)} ms`;
}

/** A duration in milliseconds as seconds with a decimal. */
export function seconds(ms: number): string {
  return `${(ms / 1_000).toFixed(1)} s`;
}

import type { Figure } from './figure';

/** One line of a table: what was measured, and its figures by column. */
export interface Row {
  readonly name: string;
  readonly figures: Readonly<Record<string, Figure>>;
}

export interface Table {
  readonly title: string;
  readonly rows: readonly Row[];
}

/** A figure beside what it should be; the median is compared. */
export interface Budget {
  readonly what: string;
  readonly figure: Figure;
  readonly limit: { readonly atLeast: number } | { readonly atMost: number };
}

/** What a benchmark found. */
export interface Findings {
  readonly tables: readonly Table[];
  readonly budgets: readonly Budget[];
}

export const persistences = ['always', 'everysec'] as const;
/** How often Redis brings its append-only file to disk. */
export type Persistence = (typeof persistences)[number];

export interface BenchmarkSettings {
  readonly repetitions: number;
  /** Share of the full sizes and durations, above 0. */
  readonly scale: number;
  readonly persistences: readonly Persistence[];
  /** How long the soak of `rest` takes at scale 1. */
  readonly soakMinutes: number;
  /** Told what has just been measured. */
  readonly say: (line: string) => void;
}

/** A named set of measurements. Rejects when the work was not done as asked: a figure of wrong work is worse than none. */
export interface Benchmark {
  readonly name: string;
  /** One sentence: what is measured, and how. */
  readonly description: string;
  /** False when it runs only if it is named. */
  readonly byDefault: boolean;
  run(settings: BenchmarkSettings): Promise<Findings>;
}

/** A full-scale number of events, connections or lanes at this scale: whole, and at least `least`. */
export function scaled(full: number, { scale }: Pick<BenchmarkSettings, 'scale'>, least = 1): number {
  return Math.max(least, Math.round(full * scale));
}

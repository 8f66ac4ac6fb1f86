/** `times` is a ratio, `share` one that is shown in percent. */
export type Unit = 'per second' | 'ms' | 'µs' | 'bytes' | 'times' | 'share';

/** What was measured, once for each repetition, in order. */
export interface Figure {
  readonly unit: Unit;
  readonly values: readonly number[];
}

/** The middle value, or the mean of the two in the middle. Throws a RangeError without values. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const upper = sorted[Math.floor(sorted.length / 2)];
  const lower = sorted[Math.floor((sorted.length - 1) / 2)];
  if (upper === undefined || lower === undefined) throw new RangeError('Expected at least one value, got none');
  return (lower + upper) / 2;
}

/** The smallest value that at least this share of the values does not exceed; `share` above 0, at most 1. Throws a RangeError without values. */
export function percentile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  const value = sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)];
  if (value === undefined) throw new RangeError('Expected at least one value, got none');
  return value;
}

/**
 * One figure over another, repetition by repetition: what was measured side by side is compared, so that a machine that is slower for a
 * while does not count for one of them alone. Throws a RangeError when they have different numbers of repetitions.
 */
export function ratio(figure: Figure, base: Figure): Figure {
  if (figure.values.length !== base.values.length) {
    throw new RangeError(`Expected as many repetitions, got ${figure.values.length} beside ${base.values.length}`);
  }
  return { unit: 'times', values: figure.values.map((value, index) => value / (base.values[index] ?? Number.NaN)) };
}

/** The figure that each of the measurements holds, as one. */
export function figureOf<Measured>(unit: Unit, measured: readonly Measured[], value: (one: Measured) => number): Figure {
  return { unit, values: measured.map(value) };
}

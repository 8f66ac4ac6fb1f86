import { figureOf, median, percentile, ratio } from '../src/figure';

describe('median', () => {
  it('is the middle of an odd number of values, whatever their order', () => {
    expect(median([9, 1, 5])).toBe(5);
  });

  it('is the mean of the two in the middle of an even number of values', () => {
    expect(median([4, 100, 1, 2])).toBe(3);
  });

  it('sorts by size, not as text', () => {
    expect(median([10, 9, 100])).toBe(10);
  });

  it('leaves the values in their order', () => {
    const values = [3, 1, 2];
    median(values);
    expect(values).toEqual([3, 1, 2]);
  });

  it('refuses to be taken of nothing', () => {
    expect(() => median([])).toThrow(RangeError);
  });
});

describe('percentile', () => {
  const hundred = Array.from({ length: 100 }, (_, index) => 100 - index);

  it.each([
    [0.5, 50],
    [0.99, 99],
    [1, 100],
    [0.001, 1],
  ])('of share %d is the smallest value that so many values do not exceed', (share, expected) => {
    expect(percentile(hundred, share)).toBe(expected);
  });

  it('of a single value is that value', () => {
    expect(percentile([7], 0.99)).toBe(7);
  });

  it('refuses to be taken of nothing', () => {
    expect(() => percentile([], 0.5)).toThrow(RangeError);
  });
});

describe('ratio', () => {
  it('compares repetition by repetition, so that a slow moment of the machine counts for both', () => {
    const fast = figureOf('per second', [100, 10], (value) => value);
    const slow = figureOf('per second', [50, 5], (value) => value);
    expect(ratio(fast, slow)).toEqual({ unit: 'times', values: [2, 2] });
  });

  it('refuses figures of different numbers of repetitions', () => {
    expect(() => ratio({ unit: 'ms', values: [1, 2] }, { unit: 'ms', values: [1] })).toThrow(RangeError);
  });
});

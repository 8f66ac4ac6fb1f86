import { Latencies } from '../src/latencies';

test('quantiles are right to two parts in a hundred, whatever was added', () => {
  const latencies = new Latencies();
  for (let ms = 1; ms <= 1_000; ms += 1) latencies.add(ms);
  for (const [share, ms] of [
    [0, 1],
    [0.5, 500],
    [0.99, 990],
    [1, 1_000],
  ] as const) {
    const got = latencies.quantile(share) ?? 0;
    expect(got).toBeGreaterThanOrEqual(ms);
    expect(got).toBeLessThanOrEqual(ms * 1.021);
  }
});

test('nothing has no quantile; nothing, and more than an hour, can be added', () => {
  const latencies = new Latencies();
  expect(latencies.quantile(0.5)).toBeUndefined();
  latencies.add(0);
  expect(latencies.quantile(0.5)).toBeLessThan(0.02);
  latencies.add(5_000_000);
  expect(latencies.quantile(1)).toBeGreaterThan(1_000_000);
});

import fc from 'fast-check';
import { defaultRetryPolicy, retryDelayMs } from '../src';

const policies = fc.record({
  maxAttempts: fc.integer({ min: 1, max: 1_000 }),
  baseMs: fc.integer({ min: 0, max: 10_000 }),
  factor: fc.double({ min: 1, max: 10, noNaN: true }),
  capMs: fc.integer({ min: 10_000, max: 1_000_000 }),
  jitter: fc.double({ min: 0, max: 1, noNaN: true }),
});

test('a delay is never negative, never above the cap, and a whole number of milliseconds', () => {
  fc.assert(
    fc.property(
      policies,
      fc.integer({ min: 1, max: 2_000 }),
      fc.double({ min: 0, max: 0.999999, noNaN: true }),
      (policy, attempt, drawn) => {
        const delay = retryDelayMs(policy, attempt, () => drawn);
        expect(Number.isSafeInteger(delay)).toBe(true);
        expect(delay).toBeGreaterThanOrEqual(0);
        expect(delay).toBeLessThanOrEqual(policy.capMs);
      },
    ),
  );
});

test('without jitter the delay grows by the factor until the cap', () => {
  const policy = { ...defaultRetryPolicy, jitter: 0 };
  const delays = Array.from({ length: 12 }, (_, index) => retryDelayMs(policy, index + 1, () => 0.5));
  expect(delays).toEqual([1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 64_000, 128_000, 256_000, 300_000, 300_000, 300_000]);
});

test('full jitter draws from nothing to the whole delay', () => {
  expect(retryDelayMs(defaultRetryPolicy, 3, () => 0)).toBe(0);
  expect(retryDelayMs(defaultRetryPolicy, 3, () => 0.5)).toBe(2_000);
});

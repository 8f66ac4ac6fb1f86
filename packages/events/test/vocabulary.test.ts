import { failureOf, laneOf, parseLane, PermanentError, RetryAfterError } from '../src';

test('a lane is named by source and merchant, and a merchant id may hold colons', () => {
  expect(parseLane(laneOf('violet', '10042'))).toEqual({ source: 'violet', merchantId: '10042' });
  expect(parseLane(laneOf('synctec', 'shop:eu:1'))).toEqual({ source: 'synctec', merchantId: 'shop:eu:1' });
  expect(() => parseLane('no-source')).toThrow('Expected a lane as source:merchantId');
});

test('an error is read by its fields, so that errors of another module system count', () => {
  expect(failureOf(new PermanentError('gone', { reason: 'invalid' }))).toMatchObject({ permanent: true, reason: 'invalid' });
  expect(failureOf({ code: 'PERMANENT', message: 'gone' })).toMatchObject({
    permanent: true,
    reason: 'permanent',
    message: 'gone',
  });
  expect(failureOf(new RetryAfterError('later', 5_000))).toMatchObject({
    permanent: false,
    retryAfterMs: 5_000,
    reason: 'exhausted',
  });
  expect(failureOf({ message: 'later', retryAfterMs: 7 })).toMatchObject({ retryAfterMs: 7, counts: true });
});

test('whatever is thrown is a failure with a text', () => {
  for (const thrown of [undefined, null, 'text', 42, Symbol('s'), {}, []]) {
    const failure = failureOf(thrown);
    expect(typeof failure.message).toBe('string');
    expect(failure.permanent).toBe(false);
  }
});

test('a delay that is no finite number of milliseconds is left to the retry policy', () => {
  for (const retryAfterMs of [-1, Number.NaN, Number.POSITIVE_INFINITY, '5']) {
    expect(failureOf({ message: 'later', retryAfterMs }).retryAfterMs).toBeUndefined();
  }
});

test('a failure keeps no more of message and stack than a record may hold', () => {
  const failure = failureOf(new Error('x'.repeat(10_000)));
  expect(failure.message).toHaveLength(1_000);
  expect(failure.stack?.length).toBeLessThanOrEqual(4_000);
});

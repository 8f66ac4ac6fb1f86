import * as fc from 'fast-check';
import { randomOf } from '../src/random';

const keys = fc.array(fc.oneof(fc.string(), fc.integer()), { minLength: 1, maxLength: 4 });

test('the same key gives the same choices, and a longer key others', () => {
  fc.assert(
    fc.property(keys, (key) => {
      const choices = (...of: readonly (string | number)[]) => {
        const random = randomOf(...of);
        return Array.from({ length: 8 }, () => random.next());
      };
      expect(choices(...key)).toEqual(choices(...key));
      expect(choices(...key, 'more')).not.toEqual(choices(...key));
    }),
  );
});

test('an integer lies between its bounds, both included, and a share in [0, 1)', () => {
  fc.assert(
    fc.property(keys, fc.integer({ min: -50, max: 50 }), fc.nat(20), (key, min, span) => {
      const random = randomOf(...key);
      const drawn = Array.from({ length: 200 }, () => random.integer(min, min + span));
      expect(Math.min(...drawn)).toBeGreaterThanOrEqual(min);
      expect(Math.max(...drawn)).toBeLessThanOrEqual(min + span);
      const share = random.next();
      expect(share >= 0 && share < 1).toBe(true);
    }),
  );
  const random = randomOf('both ends');
  expect(new Set(Array.from({ length: 200 }, () => random.integer(1, 3)))).toEqual(new Set([1, 2, 3]));
});

test('a choice is one of the items, and undefined of none', () => {
  const random = randomOf(1);
  expect(['a', 'b']).toContain(random.pick(['a', 'b']));
  expect(random.pick([])).toBeUndefined();
  expect(random.chance(0)).toBe(false);
  expect(random.chance(1)).toBe(true);
});

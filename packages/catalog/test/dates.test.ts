import { isoOf, parseDate } from '../src/dates';

const at = Date.UTC(2025, 3, 8, 16, 21, 52);

describe('parseDate', () => {
  it.each([
    ['2025-04-08T16:21:52+0000', at],
    ['2025-04-08T16:21:52+00:00', at],
    ['2025-04-08T16:21:52Z', at],
    ['2025-04-08t16:21:52z', at],
    ['2025-04-08T16:21:52-00', at],
    ['2025-04-08T18:21:52+0200', at],
    ['2025-04-08T18:21:52+02', at],
    ['2025-04-08T10:51:52-05:30', at],
    ['2025-04-08T16:21:52.289+0000', at + 289],
    ['2025-04-08T16:21:52.5Z', at + 500],
    ['2025-04-08T16:21:52,123456789Z', at + 123],
    ['2025-04-08 16:21:52', at],
    ['2025-04-08T16:21:52', at],
    ['2025-04-08T16:21Z', Date.UTC(2025, 3, 8, 16, 21)],
    ['2025-04-08', Date.UTC(2025, 3, 8)],
    ['2024-02-29T00:00:00Z', Date.UTC(2024, 1, 29)],
    ['1969-12-31T23:59:59Z', -1_000],
  ])('reads %s, without an offset as UTC', (text, expected) => {
    expect(parseDate(text)).toBe(expected);
  });

  it.each([
    [
      '',
      'soon',
      '2025',
      '2025-04',
      '08.04.2025',
      'Tue Apr 08 2025',
      '2025-04-08T',
      '2025-04-08T16',
      '2025-04-08T16:21:52+',
      ' 2025-04-08',
    ],
    [
      '2025-02-29',
      '2025-04-31',
      '2025-13-01',
      '2025-00-10',
      '2025-01-00',
      '2025-04-08T24:00:00Z',
      '2025-04-08T16:60:00Z',
      '2025-04-08T16:21:61Z',
    ],
    [
      '2025-04-08T16:21:52+2400',
      '2025-04-08T16:21:52+0060',
      '2025-04-08T16:21:52.1234567890Z',
      '0050-01-01T00:00:00Z',
      '+002025-04-08',
    ],
    [undefined, null, 1_744_129_312_000, Number.NaN, true, {}, [], ['2025-04-08'], new Date(at)],
  ])('finds no date in anything else, nor in days and times that do not exist', (...values) => {
    for (const value of values) expect([value, parseDate(value)]).toEqual([value, undefined]);
  });

  it('reads back what isoOf writes', () => {
    expect(parseDate(isoOf(at + 7))).toBe(at + 7);
  });
});

import { isMet, rendered, shown, shownFigure } from '../src/render';

describe('a shown figure', () => {
  it('is the median with the least and the greatest of its repetitions', () => {
    expect(shownFigure({ unit: 'per second', values: [3_000, 1_000, 2_000] })).toBe('2,000/s (1,000/s – 3,000/s)');
  });

  it('is the value alone when it was measured once', () => {
    expect(shownFigure({ unit: 'ms', values: [4.25] })).toBe('4.3 ms');
  });

  it.each([
    [0.456, 'times', '0.46 ×'],
    [17.04, 'times', '17.0 ×'],
    [0.0123, 'share', '1.23 %'],
    [23.71, 'bytes', '23.7 B'],
    [1_430, 'bytes', '1,430 B'],
    [52_428_800, 'bytes', '50.0 MiB'],
    [47.6, 'µs', '48 µs'],
  ] as const)('writes %d in %s as %s', (value, unit, text) => {
    expect(shown(value, unit)).toBe(text);
  });
});

describe('a budget', () => {
  const figure = { unit: 'times', values: [14, 15, 40] } as const;

  it('is met when the median reaches a lower limit', () => {
    expect(isMet({ what: '', figure, limit: { atLeast: 15 } })).toBe(true);
    expect(isMet({ what: '', figure, limit: { atLeast: 15.1 } })).toBe(false);
  });

  it('is met when the median does not exceed an upper limit', () => {
    expect(isMet({ what: '', figure, limit: { atMost: 15 } })).toBe(true);
    expect(isMet({ what: '', figure, limit: { atMost: 14.9 } })).toBe(false);
  });
});

it('renders tables with every column of any row, and each budget with its verdict', () => {
  const findings = {
    tables: [
      {
        title: 'Rates',
        rows: [
          { name: 'one', figures: { rate: { unit: 'per second', values: [1_234] } } },
          { name: 'two', figures: { share: { unit: 'share', values: [0.5] } } },
        ],
      },
    ],
    budgets: [{ what: 'two beside one', figure: { unit: 'times', values: [2] }, limit: { atLeast: 3 } }],
  } as const;
  expect(rendered(findings)).toBe(
    [
      '**Rates**',
      '',
      '|     |    rate |   share |',
      '|-----|--------:|--------:|',
      '| one | 1,234/s |         |',
      '| two |         | 50.00 % |',
      '',
      '**Budgets**',
      '',
      '|                |   budget | measured |         |',
      '|----------------|---------:|---------:|--------:|',
      '| two beside one | ≥ 3.00 × |   2.00 × | not met |',
    ].join('\n'),
  );
});

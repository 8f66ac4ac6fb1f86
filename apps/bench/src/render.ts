import type { Budget, Findings, Table } from './benchmark';
import { type Figure, median, type Unit } from './figure';

const MIB = 2 ** 20;

/** A value for people, with its unit. */
export function shown(value: number, unit: Unit): string {
  switch (unit) {
    case 'per second':
      return `${grouped(value)}/s`;
    case 'ms':
      return `${value < 10 ? value.toFixed(1) : value.toFixed(0)} ms`;
    case 'µs':
      return `${value < 10 ? value.toFixed(1) : value.toFixed(0)} µs`;
    case 'bytes':
      if (value >= 10 * MIB) return `${(value / MIB).toFixed(1)} MiB`;
      return `${value < 100 ? value.toFixed(1) : grouped(value)} B`;
    case 'times':
      return `${value < 10 ? value.toFixed(2) : value.toFixed(1)} ×`;
    case 'share':
      return `${(value * 100).toFixed(2)} %`;
  }
}

/** The median, and least and greatest in brackets where there were several repetitions. */
export function shownFigure({ unit, values }: Figure): string {
  const middle = shown(median(values), unit);
  return values.length === 1 ? middle : `${middle} (${shown(Math.min(...values), unit)} – ${shown(Math.max(...values), unit)})`;
}

export function isMet({ figure, limit }: Budget): boolean {
  const value = median(figure.values);
  return 'atLeast' in limit ? value >= limit.atLeast : value <= limit.atMost;
}

/** Tables and budgets as Markdown, which a terminal shows well enough: the columns are padded. */
export function rendered({ tables, budgets }: Findings): string {
  const blocks = tables.map((table) => `**${table.title}**\n\n${grid(cellsOf(table))}`);
  if (budgets.length > 0) {
    const lines = budgets.map((budget) => [
      budget.what,
      limitOf(budget),
      shownFigure(budget.figure),
      isMet(budget) ? 'met' : 'not met',
    ]);
    blocks.push(`**Budgets**\n\n${grid([['', 'budget', 'measured', ''], ...lines])}`);
  }
  return blocks.join('\n\n');
}

function limitOf({ figure, limit }: Budget): string {
  return 'atLeast' in limit ? `≥ ${shown(limit.atLeast, figure.unit)}` : `≤ ${shown(limit.atMost, figure.unit)}`;
}

function cellsOf({ rows }: Table): string[][] {
  const columns = [...new Set(rows.flatMap(({ figures }) => Object.keys(figures)))];
  return [
    ['', ...columns],
    ...rows.map(({ name, figures }) => [
      name,
      ...columns.map((column) => {
        const figure = figures[column];
        return figure === undefined ? '' : shownFigure(figure);
      }),
    ]),
  ];
}

function grid(cells: readonly (readonly string[])[]): string {
  const [head = []] = cells;
  const widths = head.map((_, column) => Math.max(3, ...cells.map((line) => (line[column] ?? '').length)));
  const lineOf = (line: readonly string[]): string =>
    `| ${widths.map((width, column) => (column === 0 ? (line[column] ?? '').padEnd(width) : (line[column] ?? '').padStart(width))).join(' | ')} |`;
  const rule = `|${widths.map((width, column) => (column === 0 ? '-'.repeat(width + 2) : `${'-'.repeat(width + 1)}:`)).join('|')}|`;
  return [lineOf(head), rule, ...cells.slice(1).map(lineOf)].join('\n');
}

/** A whole number with its thousands apart. */
export function grouped(value: number): string {
  return Math.round(value).toLocaleString('en-US');
}

import { fork } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import path from 'node:path';
import { temporaryFolder } from '@syncline/testkit';
import { EventLog, type EventLogSettings } from '../src/event-log';
import type { Told } from '../src/notice';

let folder: string;
let file: string;
beforeEach(() => {
  folder = temporaryFolder();
  file = path.join(folder, 'log');
});

const columns = [
  { header: 'Time', value: 'timestamp' },
  { header: 'Product', value: 'data.product.title' },
  { header: 'Stock', value: 'data.stock' },
  { header: 'Id', value: 'id' },
];

const logOf = (given: Partial<EventLogSettings> = {}): EventLog =>
  new EventLog({ path: file, format: 'csv', columns, byteOrderMark: false, ...given });

const told = (title: unknown, id = 'd-1', data: Record<string, unknown> = {}): Told => ({
  id,
  type: 'product.synced',
  timestamp: '2026-01-01T00:00:00.000Z',
  source: 'synctec',
  merchantId: 'store-b',
  data: { product: { title }, ...data },
});

const { signal } = new AbortController();
const read = (): string => fs.readFileSync(file, 'utf8');

test('a CSV file begins with its header, and has a line for each notice', async () => {
  const log = logOf();
  await log.append(told('Shoe, "red"', 'd-1', { stock: -3 }), signal);
  await logOf().append(told(null, 'd-2'), signal);
  expect(read()).toBe('Time,Product,Stock,Id\n2026-01-01T00:00:00.000Z,"Shoe, ""red""",-3,d-1\n2026-01-01T00:00:00.000Z,,,d-2\n');
  expect(fs.readdirSync(folder)).toEqual(['log']);
});

test('a CSV file begins with a byte order mark where that is asked for, also for those that come later', async () => {
  await logOf({ byteOrderMark: true }).append(told('a'), signal);
  await logOf({ byteOrderMark: true }).append(told('b'), signal);
  expect(read().match(/\uFEFF/g)).toHaveLength(1);
  expect(read().startsWith('\uFEFFTime,')).toBe(true);
});

test.each(['=1+1', '+1', '-1', '@SUM(A1)', '\t=1', '\r=1', '\n=1', ' =1', '＝1', '=HYPERLINK("http://evil.example","x")'])(
  'the text %j is no formula in a spreadsheet',
  async (title) => {
    await logOf().append(told(title), signal);
    const [, row = ''] = read().trimEnd().split('\n');
    expect(row).toMatch(/^[^,]*,"?'[^\t\r\n]/);
  },
);

test('a value never makes a second line', async () => {
  await logOf().append(told('a\nb\r\nc\u2028d'), signal);
  await logOf({ path: `${file}.ndjson`, format: 'ndjson' }).append(told('a\nb\r\nc'), signal);
  expect(read().trimEnd().split('\n')).toEqual(['Time,Product,Stock,Id', '2026-01-01T00:00:00.000Z,a b c d,,d-1']);
  expect(fs.readFileSync(`${file}.ndjson`, 'utf8').trimEnd().split('\n')).toHaveLength(1);
});

test('a line of NDJSON is the notice with the id of its delivery', async () => {
  await logOf({ format: 'ndjson' }).append(told('Shoe'), signal);
  expect(JSON.parse(read())).toEqual(told('Shoe'));
});

test('a path that leads nowhere, or to what objects inherit, is an empty cell', async () => {
  const settings = {
    columns: ['data.toString', 'data.product.title.length', 'nothing'].map((value) => ({ header: value, value })),
  };
  await logOf(settings).append(told('Shoe'), signal);
  expect(read().split('\n')[1]).toBe(',,');
});

test('a line that was cut short by a crash stays apart from the next', async () => {
  const log = logOf({ format: 'ndjson' });
  await log.append(told('a'), signal);
  fs.appendFileSync(file, '{"id":"torn","da');
  await log.append(told('b'), signal);
  const lines = read().trimEnd().split('\n');
  expect(lines).toHaveLength(3);
  expect(JSON.parse(lines[2] ?? '')).toEqual(told('b'));
});

test.each([
  ['another header', 'Other,Columns\n1,2\n'],
  ['an empty file', ''],
])('a CSV file with %s is left as it is, and can be appended to once it is moved away', async (_what, content) => {
  fs.writeFileSync(file, content);
  const log = logOf();
  await expect(log.append(told('a'), signal)).rejects.toThrow(/move the file away/);
  expect(read()).toBe(content);
  fs.renameSync(file, `${file}.1`);
  await log.append(told('a'), signal);
  expect(read().split('\n')[0]).toBe('Time,Product,Stock,Id');
});

test('nothing is appended once the signal has fired, and the lines behind it are', async () => {
  const log = logOf({ format: 'ndjson' });
  const cut = log.append(told('a', 'd-1'), AbortSignal.abort());
  const next = log.append(told('b', 'd-2'), signal);
  await expect(cut).rejects.toThrow();
  await next;
  expect(read().trimEnd().split('\n')).toHaveLength(1);
});

test('a folder that is gone fails without an end of the log', async () => {
  const log = logOf({ path: path.join(folder, 'sub', 'log') });
  await expect(log.append(told('a'), signal)).rejects.toThrow('ENOENT');
  fs.mkdirSync(path.join(folder, 'sub'));
  await log.append(told('a'), signal);
});

test('many workers that begin at once write one header and every line whole', async () => {
  const compiled = path.join(__dirname, '../dist/event-log.js');
  if (!fs.existsSync(compiled)) throw new Error(`Expected ${compiled}, got nothing. Build first: npm run build`);
  const program = path.join(folder, 'append.cjs');
  fs.writeFileSync(
    program,
    `const { EventLog } = require(${JSON.stringify(compiled)});
     const log = new EventLog({ path: ${JSON.stringify(file)}, format: 'csv', columns: ${JSON.stringify(columns)}, byteOrderMark: false });
     const told = (id) => ({ id, type: 't', timestamp: 'now', source: 's', merchantId: 'm', data: { product: { title: 'x'.repeat(9000) } } });
     process.once('message', async () => {
       const { signal } = new AbortController();
       await Promise.all(Array.from({ length: 15 }, (_, index) => log.append(told(process.argv[2] + '-' + index), signal)));
       process.disconnect();
     });
     process.send('ready');`,
  );
  const children = ['a', 'b', 'c'].map((name) => fork(program, [name]));
  await Promise.all(children.map((child) => once(child, 'message')));
  const exits = children.map((child) => once(child, 'exit'));
  for (const child of children) child.send('go');
  expect((await Promise.all(exits)).map(([code]: unknown[]) => code)).toEqual([0, 0, 0]);
  const [header, ...rows] = read()
    .trimEnd()
    .split('\n')
    .filter((line) => line !== '');
  expect(header).toBe('Time,Product,Stock,Id');
  const line = new RegExp(`^now,x{9000},,[abc]-\\d+$`);
  expect(rows.filter((row) => !line.test(row))).toEqual([]);
  expect(new Set(rows.map((row) => row.split(',').at(-1))).size).toBe(45);
  expect(rows).toHaveLength(45);
});

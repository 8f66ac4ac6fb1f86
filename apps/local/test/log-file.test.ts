import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { createBackoff } from '../src/backoff';
import { createLogFile } from '../src/log-file';
import { readableLogLine } from '../src/log-line';

test('a log file never grows beyond its limit, and one earlier file is kept', () => {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'syncline-log-'));
  const file = path.join(folder, 'deep', 'app.log');
  const log = createLogFile(file, 100);
  for (let line = 0; line < 50; line++) log.write(`line ${line} ${'x'.repeat(10)}`);
  log.write('y'.repeat(500));
  expect(fs.readdirSync(path.dirname(file)).sort()).toEqual(['app.log', 'app.log.1']);
  for (const name of ['app.log', 'app.log.1'])
    expect(fs.statSync(path.join(path.dirname(file), name)).size).toBeLessThanOrEqual(100);
  fs.rmSync(folder, { recursive: true });
});

test('warnings and errors are shown with their details and cause, lower levels only when asked', () => {
  const line = (level: string) =>
    JSON.stringify({
      level,
      time: 't',
      process: 'worker',
      msg: 'turn failed',
      lane: 'violet:1',
      n: 2,
      err: { message: 'no route', stack: 's' },
    });
  expect(readableLogLine(line('warn'), false)).toBe('WARN turn failed: no route lane=violet:1 n=2');
  expect(readableLogLine(line('info'), false)).toBeUndefined();
  expect(readableLogLine(line('info'), true)).toBe('INFO turn failed: no route lane=violet:1 n=2');
});

test.each(['plain words', '{not json', '{"a":1}', 'null', '[1]'])(
  'the line %s, which is no log record, is shown as it is',
  (line) => {
    expect(readableLogLine(line, false)).toBe(line);
  },
);

test('a blank line is not shown', () => {
  expect(readableLogLine('  ', true)).toBeUndefined();
});

test('delays between restarts double up to ten seconds, and start over after a process has run for a while', () => {
  let now = 0;
  const backoff = createBackoff(() => now);
  backoff.started();
  expect(Array.from({ length: 8 }, () => backoff.nextMs())).toEqual([250, 500, 1_000, 2_000, 4_000, 8_000, 10_000, 10_000]);
  backoff.started();
  now += 30_000;
  expect(backoff.nextMs()).toBe(250);
});

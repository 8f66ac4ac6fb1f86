import { setMaxListeners } from 'node:events';
import { exitCodes, runProgram } from './program';

/** One Ctrl-C can arrive twice: from the terminal and passed on by the parent. */
const SAME_SIGNAL_MS = 1_000;
const LINE_EVERY_MS = 10_000;

const stopping = new AbortController();
setMaxListeners(0, stopping.signal);
process.stdout.on('error', () => {});
process.stderr.on('error', () => {});
let stoppedAt: number | undefined;
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.on(signal, () => {
    if (stoppedAt !== undefined && performance.now() - stoppedAt > SAME_SIGNAL_MS) process.exit(exitCodes.interrupted);
    stoppedAt ??= performance.now();
    stopping.abort();
  });
}

let shownAt = Number.NEGATIVE_INFINITY;
function progress(line: string): void {
  if (process.stdout.isTTY) {
    process.stdout.write(`\r\u001B[K${line.slice(0, (process.stdout.columns || 80) - 1)}`);
  } else if (performance.now() - shownAt >= LINE_EVERY_MS) {
    shownAt = performance.now();
    process.stdout.write(`${line}\n`);
  }
}
const clearLine = process.stdout.isTTY ? '\r\u001B[K' : '';

void runProgram(process.argv.slice(2), {
  signal: stopping.signal,
  write: (text) => void process.stdout.write(clearLine + text),
  writeError: (text) => void process.stderr.write(clearLine + text),
  progress,
}).then((exitCode) => {
  process.exitCode = exitCode;
});

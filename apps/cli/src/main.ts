import { setMaxListeners } from 'node:events';
import { systemClock } from './clock';
import { exitCodes, runProgram } from './program';

/** One Ctrl-C can arrive twice: from the terminal and passed on by the parent. */
const SAME_SIGNAL_MS = 1_000;

const stopping = new AbortController();
// Every request and pause under way listens for the stop.
setMaxListeners(0, stopping.signal);
// Whoever read the output may be gone; the run goes on without.
process.stdout.on('error', () => {});
process.stderr.on('error', () => {});
let stoppedAt: number | undefined;
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.on(signal, () => {
    if (stoppedAt !== undefined && systemClock.now() - stoppedAt > SAME_SIGNAL_MS) process.exit(exitCodes.interrupted);
    stoppedAt ??= systemClock.now();
    stopping.abort();
  });
}

const surroundings = { env: process.env, output: process.stdout, clock: systemClock, signal: stopping.signal };
void runProgram(process.argv.slice(2), surroundings, process.stderr).then((exitCode) => {
  process.exitCode = exitCode;
});

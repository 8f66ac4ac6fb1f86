// Runs one command as a step of a script: shows that it is under way, keeps what it prints, and says in one line how it went.
import { spawn } from 'node:child_process';

const SPINNER = ['⠋', '⠙', '⠹', '⠸', '⠼', '⠴', '⠦', '⠧', '⠇', '⠏'];
const REPORT_EVERY_MS = 10_000;
const TAIL_LINES = 25;

export const seconds = (ms) => `${(ms / 1000).toFixed(1)} s`;

/**
 * Resolves with `{ status, output, ms }` when the command has ended. While it runs, `doing` is shown with the time passed: as a moving
 * line on a terminal, as a plain line now and then otherwise. A signal to this process ends the command and then the process.
 */
export function runStep(doing, command, args, { cwd, env = process.env } = {}) {
  return new Promise((resolve) => {
    const startedAt = performance.now();
    const progress = showProgress(doing, startedAt);
    const child = spawn(command, args, { cwd, env, stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (output += chunk));

    const signals = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129 };
    const listeners = Object.entries(signals).map(([signal, status]) => {
      const listener = () => {
        child.kill('SIGTERM');
        child.once('close', () => process.exit(status));
      };
      process.once(signal, listener);
      return [signal, listener];
    });
    const finish = (status, text) => {
      progress.stop();
      for (const [signal, listener] of listeners) process.off(signal, listener);
      resolve({ status, output: text, ms: performance.now() - startedAt });
    };
    child.once('error', (error) => finish(1, error.message));
    child.once('close', (code) => finish(code ?? 1, output));
  });
}

/** The end of a command's output, indented, for the message about its failure. */
export function tailOf(output) {
  const lines = output.trimEnd().split('\n').slice(-TAIL_LINES);
  return lines.map((line) => `    ${line}`).join('\n');
}

function showProgress(doing, startedAt) {
  if (process.stdout.isTTY) {
    let frame = 0;
    const draw = () =>
      process.stdout.write(`\r\x1b[K${SPINNER[frame++ % SPINNER.length]} ${doing} ${seconds(performance.now() - startedAt)}`);
    draw();
    const timer = setInterval(draw, 100);
    return {
      stop: () => {
        clearInterval(timer);
        process.stdout.write('\r\x1b[K');
      },
    };
  }
  console.log(`${doing} …`);
  const timer = setInterval(() => console.log(`${doing} … ${seconds(performance.now() - startedAt)}`), REPORT_EVERY_MS);
  return { stop: () => clearInterval(timer) };
}

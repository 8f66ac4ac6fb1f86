import { ConfigurationError, dataDirectory, type Environment, exitCodes } from '@syncline/runtime';
import { Supervisor, type SupervisorSettings } from './supervisor';

/** One Ctrl-C can arrive twice: from the terminal, and passed on by npm. */
const SAME_SIGNAL_MS = 1_000;

/**
 * Runs the whole product until SIGINT, SIGTERM or SIGHUP, then stops it in order and exits with 0; a second Ctrl-C hurries. Exits with 78 when the
 * configuration is wrong and 1 when it cannot start otherwise, after printing why, with nothing left running.
 */
export function runLocal(env: Environment, adapt?: SupervisorSettings['adapt']): void {
  process.stdout.on('error', () => {});
  process.stderr.on('error', () => {});
  let exitCode: number | undefined;
  let signalledAt = Number.NEGATIVE_INFINITY;

  const say = (line: string): void => void process.stdout.write(`${line}\n`);
  const finish = (code: number): void => {
    if (exitCode !== undefined) return;
    exitCode = code;
    supervisor.stop().then(
      () => process.exit(code),
      (error: unknown) => {
        complain(error);
        process.exit(exitCodes.failure);
      },
    );
  };
  const supervisor = new Supervisor({
    env,
    dataDirectory: dataDirectory(env),
    say,
    ...(adapt === undefined ? {} : { adapt }),
    onConfigurationError: () => finish(exitCodes.configuration),
  });
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(signal, () => {
      if (exitCode === undefined) {
        signalledAt = performance.now();
        say(`\n${signal}: stopping ingress, worker, console, then Redis`);
        finish(0);
      } else if (signal === 'SIGINT' && performance.now() - signalledAt > SAME_SIGNAL_MS) {
        supervisor.hurry();
      }
    });
  }
  process.on('uncaughtException', (error) => {
    complain(error);
    finish(exitCodes.failure);
  });
  supervisor.start().catch((error: unknown) => {
    if (exitCode !== undefined) return;
    complain(error);
    finish(error instanceof ConfigurationError ? exitCodes.configuration : exitCodes.failure);
  });
}

function complain(error: unknown): void {
  const lines =
    error instanceof ConfigurationError
      ? error.problems
      : [error instanceof Error && error.name === 'Error' ? error.message : String(error)];
  process.stderr.write(`Syncline cannot start:\n${lines.map((line) => `  ${line}\n`).join('')}`);
}

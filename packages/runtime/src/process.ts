import { ConfigurationError, type Environment, type LogLevel, logLevels } from './config';
import { withDevelopmentSecrets } from './development';
import { createLogger, type Logger } from './log';

/** What a process is given to start with: the only reading of `process.env`, with development secrets filled in. */
export interface ProcessContext {
  readonly env: Environment;
  readonly log: Logger;
}

/** A process at work. `stop` finishes what is under way and closes everything. */
export interface RunningProcess {
  stop(): Promise<void>;
}

export const exitCodes = {
  /** Starting it again cannot help before the configuration changes (EX_CONFIG of sysexits.h). */
  configuration: 78,
  failure: 1,
} as const;

/** Sent to a parent that holds an IPC channel, once the process has started. */
export interface StartedMessage {
  readonly type: 'started';
}

const SHUTDOWN_TIMEOUT_MS = 10_000;
/** One Ctrl-C can arrive twice: from the terminal and passed on by the parent. */
const SAME_SIGNAL_MS = 1_000;

/**
 * Runs an app: starts it, and stops it once at SIGTERM, SIGINT, SIGHUP or when the parent with an IPC channel is gone. Exits with 0 after
 * a clean stop, 78 after printing all problems of a ConfigurationError, and 1 after any other failure or when SHUTDOWN_TIMEOUT_MS is over.
 */
export function runProcess(name: string, start: (context: ProcessContext) => Promise<RunningProcess>): void {
  // Whoever read our output may be gone; that must not stop us halfway.
  process.stdout.on('error', () => {});
  process.stderr.on('error', () => {});

  const log = createLogger({ name, level: levelOf(process.env.LOG_LEVEL) });
  const shutdownTimeoutMs = Number(process.env.SHUTDOWN_TIMEOUT_MS) || SHUTDOWN_TIMEOUT_MS;
  let stopRequestedAt: number | undefined;

  const fail = (error: unknown): void => {
    if (error instanceof ConfigurationError) {
      process.stderr.write(`${name} cannot start:\n${error.problems.map((problem) => `  ${problem}\n`).join('')}`, () =>
        process.exit(exitCodes.configuration),
      );
      return;
    }
    log.fatal({ err: error }, 'failed');
    process.exit(exitCodes.failure);
  };
  process.on('uncaughtException', fail);
  process.on('unhandledRejection', fail);

  const started = (async () => {
    const { env, filled, file } = withDevelopmentSecrets(process.env);
    if (filled.length > 0) log.info({ variables: filled, file }, 'using development secrets');
    return start({ env, log });
  })();

  const stop = async (reason: string): Promise<void> => {
    if (stopRequestedAt !== undefined) {
      if (reason === 'SIGINT' && Date.now() - stopRequestedAt > SAME_SIGNAL_MS) process.exit(exitCodes.failure);
      return;
    }
    stopRequestedAt = Date.now();
    log.info({ reason }, 'stopping');
    setTimeout(() => {
      log.error({ shutdownTimeoutMs }, 'could not stop in time');
      process.exit(exitCodes.failure);
    }, shutdownTimeoutMs);
    await (await started).stop();
    log.info('stopped');
    process.exit(0);
  };
  const stopFor = (reason: string) => () => {
    stop(reason).catch(fail);
  };
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.on(signal, stopFor(signal));
  if (process.channel !== undefined) process.once('disconnect', stopFor('parent gone'));

  started.then(() => process.send?.({ type: 'started' } satisfies StartedMessage, undefined, undefined, () => {}), fail);
}

function levelOf(word: string | undefined): LogLevel {
  return logLevels.find((level) => level === word) ?? 'info';
}

import { type Logger, pino, stdSerializers, stdTimeFunctions } from 'pino';
import type { LogLevel } from './config';

export type { Logger };

/** A logger of JSON lines on standard output: time as ISO 8601, level as a word, `process` as the name. Errors belong under `err`. */
export function createLogger({ name, level }: { name: string; level: LogLevel }): Logger {
  return pino(
    {
      level,
      base: { process: name },
      timestamp: stdTimeFunctions.isoTime,
      // A failed command of a Redis client carries its arguments, a password among them.
      serializers: {
        err: (error: Error) => {
          const { command: _command, ...shown } = stdSerializers.err(error) as unknown as Record<string, unknown>;
          return shown;
        },
      },
      formatters: { level: (label) => ({ level: label }) },
      redact: {
        paths: ['authorization', 'headers.authorization', 'req.headers.authorization', 'token', 'secret', 'secrets', 'password'],
        censor: '[hidden]',
      },
    },
    // Pino's own destination tries for ever to write what is left at exit once the reader is gone, and so keeps the process alive.
    { write: (line) => void process.stdout.write(line) },
  );
}

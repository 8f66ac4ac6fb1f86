import { execFile } from 'node:child_process';

export interface CommandResult {
  /** 0 when the command succeeded; undefined when it could not run or was killed. */
  readonly status: number | undefined;
  /** Standard output, then standard error. */
  readonly output: string;
}

export interface CommandOptions {
  readonly cwd?: string;
  readonly env?: NodeJS.ProcessEnv;
  /** Written to standard input, which is then closed. */
  readonly input?: string;
  /** The name under which the program sees itself. */
  readonly argv0?: string;
}

const OUTPUT_MAX_BYTES = 64 * 1024 * 1024;

/** Runs a command to its end. Never rejects: a command that cannot run has no status and its reason as output. */
export function runCommand(
  command: string,
  args: readonly string[],
  { input = '', ...options }: CommandOptions = {},
): Promise<CommandResult> {
  return new Promise((resolve) => {
    // execFile hands all options on to spawn, argv0 too.
    const child = execFile(
      command,
      args,
      { ...options, maxBuffer: OUTPUT_MAX_BYTES, encoding: 'utf8' },
      (error, stdout, stderr) => {
        const status = error === null ? 0 : typeof error.code === 'number' ? error.code : undefined;
        resolve({ status, output: stdout + stderr || (error?.message ?? '') });
      },
    );
    child.stdin?.on('error', () => {});
    child.stdin?.end(input);
  });
}

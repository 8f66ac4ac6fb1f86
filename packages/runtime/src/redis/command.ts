import { spawn } from 'node:child_process';

export interface CommandResult {
  /** 0 when the command succeeded; undefined when it could not run or was killed. */
  readonly status: number | undefined;
  /** Standard output and standard error, as they came. */
  readonly output: string;
}

export interface CommandOptions {
  readonly cwd?: string;
  readonly env?: NodeJS.ProcessEnv;
  /** Written to standard input, which is then closed. */
  readonly input?: string;
  /** The name under which the program sees itself. */
  readonly argv0?: string;
  /** Ends the command. */
  readonly signal?: AbortSignal | undefined;
}

/** Runs a command to its end. Never rejects: a command that cannot run has no status and its reason as output. */
export function runCommand(
  command: string,
  args: readonly string[],
  { input = '', ...options }: CommandOptions = {},
): Promise<CommandResult> {
  return new Promise((resolve) => {
    const child = spawn(command, args, options);
    let output = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream.on('data', (chunk: Buffer) => {
        output += chunk.toString();
      });
    }
    child.once('error', (error) => resolve({ status: undefined, output: error.message }));
    child.once('close', (code) => resolve({ status: code ?? undefined, output }));
    child.stdin.on('error', () => {});
    child.stdin.end(input);
  });
}

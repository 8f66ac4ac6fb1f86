/** What the guard is told at its start, as JSON in its first argument. */
export interface GuardOrder {
  readonly binary: string;
  readonly args: readonly string[];
  /** Names the server's process while it runs; the guard removes it afterwards. */
  readonly stateFile: string;
  readonly port: number;
  /** How long the server stays up for apps that outlive the supervisor, in milliseconds. */
  readonly appGraceMs: number;
  /** How long the server may take to stop before it is killed, in milliseconds. */
  readonly stopTimeoutMs: number;
}

export interface ServerState {
  readonly guardPid: number;
  readonly pid: number;
  readonly port: number;
}

export type ToGuard = { readonly type: 'stop' } | { readonly type: 'appStarted' | 'appEnded'; readonly pid: number };

export type FromGuard =
  | { readonly type: 'running'; readonly pid: number }
  /** The server has ended; `output` is the end of what it printed. */
  | { readonly type: 'ended'; readonly code: number | null; readonly signal: string | null; readonly output: string };

import { type ChildProcess, spawn } from 'node:child_process';
import path from 'node:path';

export type ToKeeper = { readonly type: 'keep' | 'release'; readonly pid: number };

/**
 * Sees to it that processes do not outlive this one, also when this one is killed and they are frozen: a process that is stopped
 * notices nothing by itself.
 */
export interface Keeper {
  keep(pid: number): void;
  /** The process has ended: its id may be given to another. */
  release(pid: number): void;
  /** Ends what is still kept, and the keeper. Idempotent. */
  stop(): Promise<void>;
}

/** The same file whether this module runs compiled or from source. */
const script = path.join(path.dirname(require.resolve('@syncline/testkit/package.json')), 'dist', 'keeper-process.js');

/** Starts the process that keeps others. */
export function startKeeper(): Keeper {
  const { NODE_EXTRA_CA_CERTS: _certificates, ...env } = process.env;
  // In a group of its own: a terminal's Ctrl-C must not end it before the processes that it keeps.
  const child: ChildProcess = spawn(process.execPath, [script], {
    detached: true,
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    env,
  });
  child.on('error', () => {});
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  child.unref();
  child.channel?.unref();
  const tell = (message: ToKeeper): void => {
    if (child.connected) child.send(message, undefined, undefined, () => {});
  };
  return {
    keep: (pid) => tell({ type: 'keep', pid }),
    release: (pid) => tell({ type: 'release', pid }),
    stop: async () => {
      if (child.connected) {
        child.ref();
        child.disconnect();
      }
      await ended;
    },
  };
}

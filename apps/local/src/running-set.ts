import { randomUUID } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { beginningOf, ConfigurationError } from '@syncline/runtime';

/** What other commands find the running set by: `running.json` in the data folder, there while everything runs. */
export interface RunningSet {
  readonly pid: number;
  readonly ingressUrl: string;
  readonly workerUrl: string;
  readonly consoleUrl: string;
}

const lockFileIn = (dataDirectory: string): string => path.join(dataDirectory, 'supervisor.lock');
const runningFileIn = (dataDirectory: string): string => path.join(dataDirectory, 'running.json');

/** Makes this process the only supervisor of a data folder. Throws a ConfigurationError when another one is alive. */
export function claimDataDirectory(dataDirectory: string): void {
  fs.mkdirSync(dataDirectory, { recursive: true, mode: 0o700 });
  const lockFile = lockFileIn(dataDirectory);
  const draft = `${lockFile}.${randomUUID()}`;
  fs.writeFileSync(draft, `${process.pid} ${beginningOf(process.pid)}`);
  try {
    while (!link(draft, lockFile)) {
      const owner = ownerOf(lockFile);
      if (owner !== undefined && owner.pid !== process.pid && runs(owner)) throw alreadyRunning(dataDirectory, owner.pid);
      removeStale(lockFile, owner);
    }
  } finally {
    fs.rmSync(draft, { force: true });
  }
  fs.rmSync(runningFileIn(dataDirectory), { force: true });
}

export function announceRunningSet(dataDirectory: string, set: Omit<RunningSet, 'pid'>): void {
  const file = runningFileIn(dataDirectory);
  const draft = `${file}.${process.pid}`;
  fs.writeFileSync(draft, `${JSON.stringify({ pid: process.pid, ...set } satisfies RunningSet, null, 2)}\n`);
  fs.renameSync(draft, file);
}

export function readRunningSet(dataDirectory: string): RunningSet | undefined {
  try {
    return JSON.parse(fs.readFileSync(runningFileIn(dataDirectory), 'utf8')) as RunningSet;
  } catch {
    return undefined;
  }
}

/** Gives the data folder up, if it is ours. */
export function releaseDataDirectory(dataDirectory: string): void {
  if (ownerOf(lockFileIn(dataDirectory))?.pid !== process.pid) return;
  fs.rmSync(runningFileIn(dataDirectory), { force: true });
  fs.rmSync(lockFileIn(dataDirectory), { force: true });
}

function link(draft: string, lockFile: string): boolean {
  try {
    fs.linkSync(draft, lockFile);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}

/** Of two that find the same stale lock, one moves it away; who then moves a fresh one by mistake puts it back. */
function removeStale(lockFile: string, owner: Owner | undefined): void {
  const aside = `${lockFile}.${randomUUID()}`;
  try {
    fs.renameSync(lockFile, aside);
    if (ownerOf(aside)?.pid !== owner?.pid) link(aside, lockFile);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  } finally {
    fs.rmSync(aside, { force: true });
  }
}

interface Owner {
  readonly pid: number;
  readonly beginning: string;
}

function ownerOf(lockFile: string): Owner | undefined {
  try {
    const [pid, beginning = ''] = fs.readFileSync(lockFile, 'utf8').split(' ');
    return Number(pid) > 0 ? { pid: Number(pid), beginning } : undefined;
  } catch {
    return undefined;
  }
}

/** Process ids are used again: a stale lock may name a process that has nothing to do with us. */
function runs({ pid, beginning }: Owner): boolean {
  return beginningOf(pid) === beginning;
}

function alreadyRunning(dataDirectory: string, owner: number): ConfigurationError {
  const set = readRunningSet(dataDirectory);
  const where = set === undefined ? 'it is still starting' : `ingress ${set.ingressUrl}, console ${set.consoleUrl}`;
  return new ConfigurationError([
    `Syncline is already running from this folder (process ${owner}; ${where}). Use that one, or stop it with: kill ${owner}. For a second set beside it, set SYNCLINE_DATA_DIR, INGRESS_PORT, WORKER_PORT and CONSOLE_PORT.`,
  ]);
}

import { randomUUID } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { ConfigurationError, isAlive } from '@syncline/runtime';

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
  fs.writeFileSync(draft, String(process.pid));
  try {
    while (!link(draft, lockFile)) {
      const owner = ownerOf(lockFile);
      if (owner !== undefined && owner !== process.pid && isSupervisor(owner)) throw alreadyRunning(dataDirectory, owner);
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
  if (ownerOf(lockFileIn(dataDirectory)) !== process.pid) return;
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
function removeStale(lockFile: string, owner: number | undefined): void {
  const aside = `${lockFile}.${randomUUID()}`;
  try {
    fs.renameSync(lockFile, aside);
    if (ownerOf(aside) !== owner) link(aside, lockFile);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  } finally {
    fs.rmSync(aside, { force: true });
  }
}

function ownerOf(lockFile: string): number | undefined {
  try {
    return Number(fs.readFileSync(lockFile, 'utf8')) || undefined;
  } catch {
    return undefined;
  }
}

/** Process ids are used again: a stale lock may name a process that has nothing to do with us. */
function isSupervisor(pid: number): boolean {
  if (!isAlive(pid)) return false;
  try {
    return /node|start|local|supervise/.test(fs.readFileSync(`/proc/${pid}/cmdline`, 'utf8'));
  } catch {
    return true;
  }
}

function alreadyRunning(dataDirectory: string, owner: number): ConfigurationError {
  const set = readRunningSet(dataDirectory);
  const where = set === undefined ? 'it is still starting' : `ingress ${set.ingressUrl}, console ${set.consoleUrl}`;
  return new ConfigurationError([
    `Syncline is already running from this folder (process ${owner}; ${where}). Use that one, or stop it with: kill ${owner}. For a second set beside it, set SYNCLINE_DATA_DIR, INGRESS_PORT, WORKER_PORT and CONSOLE_PORT.`,
  ]);
}

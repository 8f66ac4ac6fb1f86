import { execFileSync } from 'node:child_process';
import fs from 'node:fs';

/** True while a process with this id exists. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
  return !isZombie(pid);
}

/** A process that has ended but whose parent has not asked about it still answers signal 0. */
function isZombie(pid: number): boolean {
  try {
    return /^\d+ \(.*\) Z/s.test(fs.readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return false;
  }
}

/** When a process began, in a form to compare: process ids are used again. Undefined when it is gone. */
export function beginningOf(pid: number): string | undefined {
  if (!isAlive(pid)) return undefined;
  try {
    if (fs.existsSync('/proc/self/stat')) {
      // The program's name, in parentheses, may hold anything; the start is the 20th field behind it, in ticks since boot.
      const boot = fs.readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
      const fields = fs
        .readFileSync(`/proc/${pid}/stat`, 'utf8')
        .replace(/^.*\) /s, '')
        .split(' ');
      return `${boot}.${fields[19]}`;
    }
    return execFileSync('ps', ['-o', 'lstart=', '-p', String(pid)], { encoding: 'utf8' })
      .trim()
      .replaceAll(/\s+/g, '-');
  } catch {
    return undefined;
  }
}

/** The command line of a process; undefined when it is gone. */
export function commandOf(pid: number): string | undefined {
  if (!isAlive(pid)) return undefined;
  try {
    if (fs.existsSync('/proc/self/cmdline')) return fs.readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ');
    return execFileSync('ps', ['-o', 'command=', '-p', String(pid)], { encoding: 'utf8' });
  } catch {
    return undefined;
  }
}

/** Asks a process that is not our child to end, and kills it when it has not within `timeoutMs`. */
export async function endProcess(pid: number, timeoutMs: number): Promise<void> {
  const gone = () => !isAlive(pid);
  sendSignal(pid, 'SIGTERM');
  sendSignal(pid, 'SIGCONT');
  if (await waitUntil(gone, { timeoutMs, intervalMs: 20 })) return;
  sendSignal(pid, 'SIGKILL');
  await waitUntil(gone, { timeoutMs, intervalMs: 20 });
}

/** Sends a signal; a process that is gone is no error. */
export function sendSignal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch {
    // It ended meanwhile.
  }
}

/** Asks again and again until the answer is yes; false when `timeoutMs` is over first. */
export async function waitUntil(
  condition: () => boolean | Promise<boolean>,
  { timeoutMs, intervalMs }: { timeoutMs: number; intervalMs: number },
): Promise<boolean> {
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    if (await condition()) return true;
    if (performance.now() >= deadline) return false;
    await new Promise((resolve) => {
      setTimeout(resolve, intervalMs);
    });
  }
}

// Under npm, a command must not outlive it: npm that is killed cannot pass a signal on.
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';

const CHECK_EVERY_MS = 250;

/** Sends SIGTERM to this process once npm, or the shell that npm started it through, is gone. Without npm it does nothing. */
export function stopWithParent(env = process.env) {
  if (env.npm_lifecycle_event === undefined) return;
  const parent = process.ppid;
  const grandparent = /(^|\/)-?(ba|da|z|k|a)?sh$/.test(nameOf(parent)) ? parentOf(parent) : undefined;
  const timer = setInterval(() => {
    if (process.ppid === parent && (grandparent === undefined || parentOf(parent) === grandparent)) return;
    clearInterval(timer);
    process.kill(process.pid, 'SIGTERM');
  }, CHECK_EVERY_MS);
  timer.unref();
}

const hasProc = fs.existsSync('/proc/self/stat');

function nameOf(pid) {
  return (hasProc ? statOf(pid)?.[1] : ask('comm=', pid)) ?? '';
}

function parentOf(pid) {
  const text = hasProc ? statOf(pid)?.[2] : ask('ppid=', pid);
  return text === undefined ? undefined : Number(text);
}

function statOf(pid) {
  try {
    return /^\d+ \((.*)\) \S (\d+)/s.exec(fs.readFileSync(`/proc/${pid}/stat`, 'utf8')) ?? undefined;
  } catch {
    return undefined;
  }
}

function ask(column, pid) {
  try {
    return execFileSync('ps', ['-o', column, '-p', String(pid)], { encoding: 'utf8' }).trim();
  } catch {
    return undefined;
  }
}

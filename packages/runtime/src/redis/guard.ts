import { spawn } from 'node:child_process';
import fs from 'node:fs';
import type { FromGuard, GuardOrder, ServerState, ToGuard } from './guard-protocol';
import { isAlive, sendSignal, waitUntil } from './process-control';

// Runs one Redis server in a process group of its own, so that a terminal's signals do not reach it. Should the supervisor be killed,
// its apps stop by themselves: the server stops after them.

const order = JSON.parse(process.argv[2] ?? '') as GuardOrder;
const apps = new Set<number>();
let stopping = false;
let output = '';

fs.writeFileSync(order.stateFile, '', { flag: 'wx' });
const server = spawn(order.binary, order.args, { stdio: ['ignore', 'pipe', 'pipe'] });
if (server.pid !== undefined) {
  fs.writeFileSync(
    order.stateFile,
    JSON.stringify({ guardPid: process.pid, pid: server.pid, port: order.port } satisfies ServerState),
  );
  tell({ type: 'running', pid: server.pid });
}
for (const stream of [server.stdout, server.stderr]) {
  stream.on('data', (chunk: Buffer) => {
    output = (output + chunk.toString()).slice(-2_000);
  });
}
server.once('error', (error) => end(null, null, error.message));
server.once('close', (code, signal) => end(code, signal, output));

process.on('message', (message: ToGuard) => {
  if (message.type === 'stop') stop();
  else if (message.type === 'appStarted') apps.add(message.pid);
  else apps.delete(message.pid);
});
process.once('disconnect', () => {
  waitUntil(() => ![...apps].some(isAlive), { timeoutMs: order.appGraceMs, intervalMs: 50 }).then((allGone) => {
    if (!allGone) for (const pid of apps) sendSignal(pid, 'SIGKILL');
    stop();
  }, stop);
});
process.once('SIGTERM', stop);
process.on('SIGINT', () => {});
process.on('SIGHUP', () => {});

function stop(): void {
  if (stopping) return;
  stopping = true;
  server.kill('SIGTERM');
  server.kill('SIGCONT');
  setTimeout(() => server.kill('SIGKILL'), order.stopTimeoutMs);
}

function end(code: number | null, signal: string | null, lastOutput: string): void {
  fs.rmSync(order.stateFile, { force: true });
  tell({ type: 'ended', code, signal, output: lastOutput }, () => process.exit(0));
}

function tell(message: FromGuard, done: () => void = () => {}): void {
  if (process.connected) process.send?.(message, undefined, undefined, done);
  else done();
}

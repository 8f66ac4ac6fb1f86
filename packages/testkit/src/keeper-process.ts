import { isAlive, sendSignal } from '@syncline/runtime';
import type { ToKeeper } from './keeper';

// Outlives the process that started it by a moment: ends, whatever state they are in, the processes that were entrusted to it.

const kept = new Set<number>();

process.on('message', ({ type, pid }: ToKeeper) => {
  if (type === 'keep') kept.add(pid);
  else kept.delete(pid);
});
process.once('disconnect', () => {
  for (const pid of kept) if (isAlive(pid)) sendSignal(pid, 'SIGKILL');
  process.exit(0);
});
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => {});

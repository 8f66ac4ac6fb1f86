// A process of the engine that a test can kill or freeze. It runs what was built.
//   node child.cjs accept-and-die <url> <prefix> <request as JSON>   ends itself between the append and the arming
//   node child.cjs work <url> <prefix> <ms a handler takes> <shards>  says "decided <event id>" when a handler begins; an event of the
//                                                                    topic POISON ends the process after a third of that time
const { createAcceptor, createTurnWorker } = require('../dist/index.js');

const [, , role, redisUrl, prefix, argument, shards = '1'] = process.argv;
const log = { debug() {}, info() {}, warn() {}, error: (fields, message) => console.error(message, fields) };

if (role === 'accept-and-die') {
  const acceptor = createAcceptor({
    redisUrl,
    prefix,
    shards: 1,
    acceptTimeoutMs: 8_000,
    tryTimeoutMs: 1_500,
    dedupWindowMs: () => 3_600_000,
    waitReplicas: 0,
    log,
    onMismatch: (error) => {
      throw error;
    },
  });
  acceptor.start();
  // The answer comes in the turn of the event loop before the one in which BullMQ is told.
  void acceptor.accept(JSON.parse(argument)).then(() => process.kill(process.pid, 'SIGKILL'));
} else {
  const observer = {
    attempted() {},
    committed() {},
    retried() {},
    fenced: () => console.log('fenced'),
    rescued() {},
    violated() {},
  };
  const worker = createTurnWorker({
    redisUrl,
    prefix,
    shards: Number(shards),
    decider: {
      plan: (event) => ({
        external: false,
        reads: [],
        run: async (unit) => {
          if (event.topic === 'POISON') setTimeout(() => process.kill(process.pid, 'SIGKILL'), Number(argument) / 3);
          console.log(`decided ${event.eventId}`);
          unit.put('offers', event.eventId, { by: process.pid });
          await new Promise((resolve) => setTimeout(resolve, Number(argument)));
          return 'processed';
        },
      }),
    },
    retry: { maxAttempts: 12, baseMs: 20, factor: 2, capMs: 100, jitter: 1 },
    failurePolicy: () => 'park',
    handlerTimeoutMs: 5_000,
    turnMaxEvents: 100,
    turnMaxBytes: 512 * 1024,
    historyMaxItems: 10_000,
    historyMaxAgeMs: 3_600_000,
    concurrency: 20,
    observer,
    log,
  });
  void worker.start().then(() => console.log('working'));
}

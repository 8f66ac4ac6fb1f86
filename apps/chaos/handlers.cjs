// The handlers of a chaos run. What becomes of an event is written in the event itself; each event that is processed is entered in
// its merchant's ledger, whose chain depends on every entry and their order. Loss, repetition and reordering can then be seen in the
// state alone.
const { createHash } = require('node:crypto');

const LEDGER_ID = 'ledger';
const REMINDER_TOPIC = 'CHAOS_REMINDER';

const chained = (chain, eventId) =>
  createHash('sha256').update(chain).update('\n').update(eventId).digest('base64url').slice(0, 22);

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

async function enter(event, merchant) {
  const ledger = (await merchant.offers.get(LEDGER_ID)) ?? { count: 0, lastSeq: 0, chain: '' };
  merchant.offers.put({
    id: LEDGER_ID,
    date_last_modified: '2026-01-01T00:00:00Z',
    count: ledger.count + 1,
    lastSeq: event.seq,
    chain: chained(ledger.chain, event.eventId),
  });
}

const reads = () => [{ collection: 'offers', id: LEDGER_ID }];

exports.handlers = [
  {
    source: 'violet',
    topics: ['ORDER_UPDATED'],
    reads,
    async handle(event, merchant, { attempt }) {
      const { failures, fatal, slowMs, hangMs, reminderMs } = event.payload.chaos;
      if (fatal) throw Object.assign(new Error('This event is never to succeed'), { code: 'PERMANENT' });
      await enter(event, merchant);
      if (reminderMs >= 0) merchant.after(reminderMs, event.eventId, { topic: REMINDER_TOPIC, payload: { of: event.eventId } });
      if (attempt === 1 && hangMs > 0) await pause(hangMs);
      if (slowMs > 0) await pause(slowMs);
      // Late, so that effects asked for before a failure must not happen.
      if (attempt <= failures) throw new Error(`Attempt ${attempt} of this event is to fail`);
    },
  },
  { source: 'violet', topics: [REMINDER_TOPIC], reads, handle: enter },
];

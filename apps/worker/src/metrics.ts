import { isInternalTopic, laneStates } from '@syncline/events';
import { type Inspector, type Overview, type TurnObserver, violations } from '@syncline/lanes';
import { Counter, Gauge, Histogram, type Registry } from 'prom-client';

const SECOND_MS = 1_000;

/** Registers what a worker counts, and gives the observer that counts it. */
export function createTurnMetrics(registry: Registry): TurnObserver {
  const registers = [registry];
  const events = new Counter({
    name: 'syncline_events_total',
    help: 'Events committed, by what they came to.',
    labelNames: ['source', 'topic', 'outcome'],
    registers,
  });
  const attempts = new Histogram({
    name: 'syncline_attempt_seconds',
    help: 'Seconds that one run of the handlers of an event took.',
    labelNames: ['source', 'result'],
    buckets: [0.0005, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 2.5, 5, 10],
    registers,
  });
  const retries = new Counter({
    name: 'syncline_retries_total',
    help: 'Failed attempts after which the event is attempted again.',
    labelNames: ['source', 'topic'],
    registers,
  });
  const latency = new Histogram({
    name: 'syncline_receipt_to_commit_seconds',
    help: 'Seconds from the receipt of a delivery to the commit of its event.',
    buckets: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3_600],
    registers,
  });
  const fencedCommits = new Counter({
    name: 'syncline_fenced_commits_total',
    help: 'Commits refused because the turn no longer owned its lane.',
    registers,
  });
  const rescuedLanes = new Counter({
    name: 'syncline_rescued_lanes_total',
    help: 'Lanes given a new turn because theirs was lost, by what was lost.',
    labelNames: ['cause'],
    registers,
  });
  const violated = new Counter({
    name: 'syncline_invariant_violations_total',
    help: 'Broken promises of the engine. Must stay 0.',
    labelNames: ['kind'],
    registers,
  });
  const lastReceived = new Gauge({
    name: 'syncline_last_received_timestamp_seconds',
    help: 'When the newest event of a source that this worker has committed was received, in seconds since 1970.',
    labelNames: ['source'],
    registers,
  });
  const newest = new Map<string, number>();
  // A rate needs the zero before the first one.
  for (const cause of ['lease', 'arming']) rescuedLanes.inc({ cause }, 0);
  for (const kind of violations) violated.inc({ kind }, 0);

  const topics = new TopicLabels();
  return {
    attempted: ({ source }, durationMs, result) => attempts.observe({ source, result }, durationMs / SECOND_MS),
    committed: ({ source, topic, receivedAt }, outcome, latencyMs) => {
      if (!isInternalTopic(topic) && receivedAt > (newest.get(source) ?? 0)) {
        newest.set(source, receivedAt);
        lastReceived.set({ source }, receivedAt / SECOND_MS);
      }
      events.inc({ source, topic: topics.label(topic), outcome });
      latency.observe(Math.max(0, latencyMs) / SECOND_MS);
    },
    retried: ({ source, topic }) => retries.inc({ source, topic: topics.label(topic) }),
    fenced: () => fencedCommits.inc(),
    rescued: (cause) => rescuedLanes.inc({ cause }),
    violated: (kind) => violated.inc({ kind }),
  };
}

/** A sender can make up topics; a label must not grow with them. */
class TopicLabels {
  static readonly #most = 200;
  readonly #seen = new Set<string>();

  label(topic: string): string {
    if (this.#seen.has(topic)) return topic;
    if (this.#seen.size >= TopicLabels.#most) return 'other';
    this.#seen.add(topic);
    return topic;
  }
}

/** Registers what the store holds, read once a scrape. While the store cannot be read the gauges keep their last values. */
export function registerStoreGauges(registry: Registry, inspector: Pick<Inspector, 'overview'>): void {
  let reading: Promise<Overview | undefined> | undefined;
  const overview = (): Promise<Overview | undefined> => {
    reading ??= inspector
      .overview()
      .catch(() => undefined)
      .finally(() => {
        reading = undefined;
      });
    return reading;
  };
  const register = (name: string, help: string, set: (gauge: Gauge, from: Overview) => void, labelNames: string[] = []): void => {
    const gauge: Gauge = new Gauge({
      name,
      help,
      labelNames,
      registers: [registry],
      async collect() {
        const current = await overview();
        if (current) set(gauge, current);
      },
    });
  };
  register(
    'syncline_lanes',
    'Lanes by state.',
    (gauge, { lanes }) => {
      for (const state of laneStates) gauge.set({ state }, lanes[state]);
    },
    ['state'],
  );
  register('syncline_waiting_events', 'Events accepted and not committed.', (gauge, { events }) =>
    gauge.set(events.waiting + events.retrying),
  );
  register('syncline_oldest_waiting_seconds', 'Age of the oldest event that a worker is to take.', (gauge, { oldestWaitingMs }) =>
    gauge.set(oldestWaitingMs / SECOND_MS),
  );
  register(
    'syncline_oldest_retrying_seconds',
    'Age of the oldest event that waits for its retry.',
    (gauge, { oldestRetryingMs }) => gauge.set(oldestRetryingMs / SECOND_MS),
  );
  register('syncline_oldest_held_seconds', 'Age of the oldest event in a paused or blocked lane.', (gauge, { oldestHeldMs }) =>
    gauge.set(oldestHeldMs / SECOND_MS),
  );
  register('syncline_dead_letters', 'Dead letters kept.', (gauge, { deadLetters }) => gauge.set(deadLetters));
}

import { Counter, Gauge, Histogram, type Registry } from 'prom-client';
import { type RefusalCode, refusals } from './refusals';

/** What a delivery came to, as the metrics and the log call it. */
export type DeliveryOutcome = 'accepted' | 'duplicate' | 'quarantined' | 'aborted' | RefusalCode;

export interface IngressMetrics {
  readonly deliveries: Counter<'source' | 'outcome'>;
  /** Seconds from a verified delivery to its being durable, or given up. */
  readonly acceptSeconds: Histogram;
}

/** The label of deliveries to a source that is not open: a path must not become a label. */
export const UNKNOWN_SOURCE = 'unknown';

/** Registers the metrics of an ingress. `waiting` is read at each scrape. */
export function createMetrics(registry: Registry, sources: Iterable<string>, waiting: () => number): IngressMetrics {
  const registers = [registry];
  const deliveries = new Counter({
    name: 'syncline_deliveries_total',
    help: 'Deliveries answered, by source and outcome.',
    labelNames: ['source', 'outcome'],
    registers,
  });
  // A rate needs the zero before the first one.
  for (const source of sources) {
    for (const outcome of ['accepted', 'duplicate', 'quarantined', 'aborted', ...Object.keys(refusals)]) {
      if (outcome !== 'not_found' && outcome !== 'unknown_source') deliveries.inc({ source, outcome }, 0);
    }
  }
  const acceptSeconds = new Histogram({
    name: 'syncline_accept_seconds',
    help: 'Seconds from a verified delivery to its event being durable, or given up.',
    buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10],
    registers,
  });
  registry.registerMetric(
    new Gauge({
      name: 'syncline_deliveries_waiting',
      help: 'Deliveries that are waiting for the store now.',
      registers: [],
      collect() {
        this.set(waiting());
      },
    }),
  );
  return { deliveries, acceptSeconds };
}

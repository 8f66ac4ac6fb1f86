import type { NoticeData, Notifier, NoticeSubject } from '@syncline/catalog';
import { fitsPattern } from '@syncline/events';
import type { NoticesConfig, Subscription } from './config';
import { DELIVERY_TOPIC, type DeliveryPayload } from './notice';

/** Largest JSON of a notice's data that is delivered whole; of what is larger only short values are. */
const DATA_MAX_LENGTH = 64 * 1024;
const SHORT_MAX_LENGTH = 1_000;

/**
 * Appends one delivery for each destination that a notice is for, to the lane of that destination beside the merchant's: in the same step as
 * what the notice tells of, and in order for each merchant and destination. Throws a TypeError when the data is no JSON.
 */
export function createNotifier({ destinations }: Pick<NoticesConfig, 'destinations'>): Notifier {
  const subscriptions: readonly Subscription[] = [...destinations.values()];
  return (unit, subject, kind, data) => {
    const told = subscriptions.filter((subscription) => isFor(subscription, subject, kind));
    if (told.length === 0) return;
    const { source, merchantId, at } = subject;
    const notice = { kind, source, merchantId, at, data: deliverable(data, kind) };
    for (const { name } of told) {
      const payload: DeliveryPayload = { destination: name, notice };
      unit.append({ topic: DELIVERY_TOPIC, payload }, { sideLane: name });
    }
  };
}

function isFor({ kinds, sources, merchants }: Subscription, { source, merchantId }: NoticeSubject, kind: string): boolean {
  return (
    kinds.some((pattern) => fitsPattern(pattern, kind)) &&
    (sources === undefined || sources.includes(source)) &&
    (merchants === undefined || merchants.includes(merchantId))
  );
}

/** A notice is short, and kept once for each destination: a product of megabytes is for the catalogue. */
function deliverable(data: NoticeData, kind: string): NoticeData {
  let json: string;
  try {
    json = JSON.stringify(data);
  } catch (cause) {
    throw new TypeError(`Expected the data of a notice ${kind} to be JSON, got what is none`, { cause });
  }
  return json.length <= DATA_MAX_LENGTH ? data : { ...shortened(data), truncated: true };
}

function shortened(data: object): Record<string, unknown> {
  const short: [string, unknown][] = [];
  let room = DATA_MAX_LENGTH;
  for (const [name, value] of Object.entries(data) as [string, unknown][]) {
    const kept = typeof value === 'string' ? value.slice(0, SHORT_MAX_LENGTH) : value;
    const json = JSON.stringify(kept) ?? '';
    const piece = json.length <= SHORT_MAX_LENGTH * 6 ? kept : isPlain(value) ? shortened(value) : null;
    room -= name.length + (JSON.stringify(piece) ?? '').length;
    if (room < 0) break;
    short.push([name, piece]);
  }
  return Object.fromEntries(short);
}

function isPlain(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

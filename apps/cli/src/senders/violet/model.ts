import type { Before, Body, Expectation, MerchantModel, PlannedEvent } from '../simulated-sender';
import { begin, end, tracksBefore } from '../track-model';

interface HeldEntity {
  /** In epoch milliseconds; older than everything of this run where it is from before. */
  readonly date: number;
  /** Undefined where it stays as it was. */
  readonly event: PlannedEvent | undefined;
  readonly isRemoved: boolean;
}

const PROCESSED = ['processed'];
const SUPERSEDED = ['superseded'];
const LONG_AGO = Number.NEGATIVE_INFINITY;

/** What Violet's events lead to. The dates of what was there before are older than those of the run. */
export function violetModel(before: Before): MerchantModel {
  const { merchant } = before;
  let connection = merchant?.connection ?? 'unknown';
  let catalogReady = merchant?.catalogReady ?? false;
  let mustReconnect = connection === 'disconnected';
  const latest = { merchantEvent: LONG_AGO, connect: LONG_AGO, disconnect: LONG_AGO, completed: LONG_AGO };
  const ended = { product: LONG_AGO, collection: LONG_AGO };
  const tracks = tracksBefore(before);
  const heldBefore = (ids: readonly number[]): Map<number | string, HeldEntity> =>
    new Map(ids.map((id) => [id, { date: LONG_AGO, event: undefined, isRemoved: false }]));
  const offers = heldBefore(before.offerIds);
  const collections = heldBefore(before.collectionIds);

  function change(entities: Map<number | string, HeldEntity>, event: PlannedEvent, isRemoved: boolean): readonly string[] {
    const held = entities.get(event.entityId);
    if (held !== undefined && event.date < held.date) return SUPERSEDED;
    entities.set(event.entityId, { date: event.date, event, isRemoved });
    return PROCESSED;
  }

  function sync(name: 'product' | 'collection', what: string, event: PlannedEvent): readonly string[] {
    const { date } = event;
    const sent = event.body();
    if (what === 'STARTED') {
      if (date < ended[name]) return SUPERSEDED;
      begin(tracks[name], countsIn(name, sent));
      return PROCESSED;
    }
    ended[name] = Math.max(ended[name], date);
    if (what === 'FAILED') {
      end(tracks[name], 'failed', countsIn(name, sent), String(sent.status));
      return PROCESSED;
    }
    end(tracks[name], 'completed', countsIn(name, sent), null);
    if (name === 'product') {
      latest.completed = Math.max(latest.completed, date);
      if (!mustReconnect && date >= latest.disconnect) catalogReady = true;
    }
    return PROCESSED;
  }

  function merchantEvent(what: string, { date }: PlannedEvent): readonly string[] {
    const isLate = date < latest.merchantEvent;
    if (isLate && (what !== 'DISCONNECTED' || date <= latest.disconnect)) return SUPERSEDED;
    if (isLate) {
      // It tells of a time before the connection that stands, but readiness must be newer than it.
      latest.disconnect = date;
      if (latest.connect < date) mustReconnect = true;
      if (mustReconnect || latest.completed < date) catalogReady = false;
      return PROCESSED;
    }
    latest.merchantEvent = Math.max(latest.merchantEvent, date);
    switch (what) {
      case 'CONNECTED':
      case 'ENABLED':
        connection = 'connected';
        mustReconnect = false;
        latest.connect = Math.max(latest.connect, date);
        break;
      case 'DISABLED':
        connection = 'disabled';
        break;
      case 'DISCONNECTED':
        connection = 'disconnected';
        mustReconnect = true;
        catalogReady = false;
        latest.disconnect = Math.max(latest.disconnect, date);
        break;
      default:
        if (connection === 'unknown') connection = 'connected';
    }
    return PROCESSED;
  }

  return {
    foldKey: ({ topic, entityId }) =>
      /^(OFFER|COLLECTION)_(?!SYNC_)/.test(topic) ? `${topic.split('_')[0]} ${entityId}` : undefined,
    apply(event) {
      const [, family, what = ''] = /^(PRODUCT_SYNC|COLLECTION_SYNC|MERCHANT|OFFER|COLLECTION)_(\w+)$/.exec(event.topic) ?? [];
      switch (family) {
        case 'PRODUCT_SYNC':
          return sync('product', what, event);
        case 'COLLECTION_SYNC':
          return sync('collection', what, event);
        case 'MERCHANT':
          return merchantEvent(what, event);
        case 'OFFER':
          return change(offers, event, what === 'REMOVED');
        case 'COLLECTION':
          return change(collections, event, what === 'REMOVED');
        default:
          throw new RangeError(`Expected a topic that the model knows, got ${event.topic}`);
      }
    },
    expected: (): Expectation => ({
      connection,
      catalogReady,
      tracks,
      offers: remaining(offers),
      collections: remaining(collections),
    }),
  };
}

function remaining(entities: ReadonlyMap<number | string, HeldEntity>): Map<number, PlannedEvent | undefined> {
  const held = [...entities].filter(([, { isRemoved }]) => !isRemoved);
  return new Map(held.map(([id, { event }]) => [Number(id), event]));
}

function countsIn(name: 'product' | 'collection', body: Body): { total: number | null; synced: number | null } {
  const count = (value: unknown): number | null => (typeof value === 'number' ? value : null);
  return { total: count(body[`total_${name}s`]), synced: count(body[`total_${name}s_synced`]) };
}

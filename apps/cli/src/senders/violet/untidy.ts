import { numbersTo, type PlannedEvent, single } from '../simulated-sender';
import type { VioletScenario } from './scenario';
import { collectionEvents, collectionSyncEvent, merchantEvent, offerEvents, productSyncEvent } from './steps';

/**
 * Everything that a sender's retries, restarts and operators can bring about, legal or not. What comes late has an older date than what
 * came before it.
 */
export const untidy: VioletScenario = {
  name: 'untidy',
  summary: 'ends without starts, two starts, late and stale events, resends, a sync that never ends, events after a disconnect',
  isDated: true,
  plan({ payloads, present, wanted }) {
    const numbers = present.offers.length > 0 ? present.offers : numbersTo(Math.max(1, wanted.offers));
    const collections = present.collections.length > 0 ? present.collections : numbersTo(wanted.collections);
    const counts = { total: numbers.length, synced: numbers.length };
    const none = { total: numbers.length, synced: 0 };
    const [second, third, last] = [payloads.later(1), payloads.later(2), payloads.later(3)];
    const offers = offerEvents(second, 'OFFER_UPDATED', numbers);
    const completed = productSyncEvent(third, 2, 'COMPLETED', counts);
    const atOnce = (name: string, events: readonly PlannedEvent[]) => (events.length > 0 ? [{ name, events }] : []);
    return [
      single(merchantEvent(payloads, 'MERCHANT_CONNECTED')),
      single(productSyncEvent(payloads, 1, 'COMPLETED', counts)),
      single(productSyncEvent(second, 1, 'STARTED', none)),
      single(productSyncEvent(second, 2, 'STARTED', none)),
      { name: 'offers', events: offers },
      { name: 'stale offers', events: offerEvents(payloads, 'OFFER_ADDED', numbers.slice(0, 5)) },
      { name: 'stale removals', events: offerEvents(payloads, 'OFFER_REMOVED', numbers.slice(0, 2)) },
      single(completed),
      single(productSyncEvent(third, 2, 'FAILED', { total: numbers.length, synced: 0 })),
      single(productSyncEvent(payloads, 3, 'STARTED', none)),
      { name: 'resends', events: [{ copyOf: completed }, ...offers.slice(0, 3).map((offer) => ({ copyOf: offer }))] },
      single(collectionSyncEvent(third, 'STARTED')),
      ...atOnce('collections', collectionEvents(third, 'COLLECTION_CREATED', collections)),
      single(merchantEvent(last, 'MERCHANT_DISCONNECTED')),
      ...atOnce('removals', offerEvents(last, 'OFFER_REMOVED', numbers.slice(0, 1))),
      ...atOnce('updates after the disconnect', offerEvents(last, 'OFFER_UPDATED', numbers.slice(1))),
      single(productSyncEvent(last, 4, 'COMPLETED', counts)),
      single(merchantEvent(second, 'MERCHANT_CONNECTED')),
    ];
  },
};

import { numbersTo, single } from '../simulated-sender';
import type { VioletScenario } from './scenario';
import { collectionSync, merchantEvent, offerEvents, productSync } from './steps';

export const reEnable: VioletScenario = {
  name: 're-enable',
  summary: 'a merchant is disabled and enabled again, then its whole catalogue is synced anew',
  plan({ payloads, present, wanted }) {
    const offers = present.offers.length > 0 ? present.offers : numbersTo(wanted.offers);
    const collections = present.collections.length > 0 ? present.collections : numbersTo(wanted.collections);
    const [enabled, synced] = [payloads.later(1), payloads.later(2)];
    return [
      single(merchantEvent(payloads, 'MERCHANT_DISABLED', 'The currency of the store changed')),
      single(merchantEvent(enabled, 'MERCHANT_ENABLED', 'The currency of the store is supported')),
      ...productSync(synced, 1, offerEvents(synced, 'OFFER_UPDATED', offers), {
        total: offers.length,
        synced: offers.length,
      }),
      ...(collections.length > 0 ? collectionSync(synced, 'COLLECTION_UPDATED', collections) : []),
    ];
  },
};

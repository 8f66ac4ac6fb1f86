import type { Scenario } from './scenario';
import { collectionSync, merchantEvent, numbersTo, offerEvents, productSync, single } from './steps';

export const reEnable: Scenario = {
  name: 're-enable',
  summary: 'a merchant is disabled and enabled again, then its whole catalogue is synced anew',
  plan({ payloads, present, wanted }) {
    const offers = present.offers.length > 0 ? present.offers : numbersTo(wanted.offers);
    const collections = present.collections.length > 0 ? present.collections : numbersTo(wanted.collections);
    return [
      single(merchantEvent(payloads, 'MERCHANT_DISABLED', 'The currency of the store changed')),
      single(merchantEvent(payloads, 'MERCHANT_ENABLED', 'The currency of the store is supported')),
      ...productSync(payloads, 1, offerEvents(payloads, 'OFFER_UPDATED', offers), {
        total: offers.length,
        synced: offers.length,
      }),
      ...(collections.length > 0 ? collectionSync(payloads, 'COLLECTION_UPDATED', collections) : []),
    ];
  },
};

import type { Scenario } from './scenario';
import { collectionSync, merchantEvent, numbersTo, offerEvents, productSync, single } from './steps';

export const onboarding: Scenario = {
  name: 'onboarding',
  summary: 'a merchant connects, its whole catalogue arrives as a burst, its collections follow, it is complete',
  plan({ payloads, wanted }) {
    const offers = offerEvents(payloads, 'OFFER_ADDED', numbersTo(wanted.offers));
    return [
      single(merchantEvent(payloads, 'MERCHANT_CONNECTED')),
      ...productSync(payloads, 1, offers, { total: wanted.offers, synced: wanted.offers }),
      ...collectionSync(payloads, 'COLLECTION_CREATED', numbersTo(wanted.collections)),
      single(merchantEvent(payloads, 'MERCHANT_COMPLETE')),
    ];
  },
};

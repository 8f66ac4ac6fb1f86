import { numbersTo, single } from '../simulated-sender';
import type { VioletScenario } from './scenario';
import { collectionSync, merchantEvent, offerEvents, productSync } from './steps';

export const onboarding: VioletScenario = {
  name: 'onboarding',
  summary: 'a merchant connects, its whole catalogue arrives as a burst, its collections follow, it is complete',
  plan({ payloads, wanted }) {
    const [products, collections, complete] = [payloads.later(1), payloads.later(2), payloads.later(3)];
    const offers = offerEvents(products, 'OFFER_ADDED', numbersTo(wanted.offers));
    return [
      single(merchantEvent(payloads, 'MERCHANT_CONNECTED')),
      ...productSync(products, 1, offers, { total: wanted.offers, synced: wanted.offers }),
      ...collectionSync(collections, 'COLLECTION_CREATED', numbersTo(wanted.collections)),
      single(merchantEvent(complete, 'MERCHANT_COMPLETE')),
    ];
  },
};

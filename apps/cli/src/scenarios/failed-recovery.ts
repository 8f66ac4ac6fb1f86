import type { Scenario } from './scenario';
import { numbersTo, offerEvents, productSync } from './steps';

export const failedRecovery: Scenario = {
  name: 'failed-recovery',
  summary: 'a product sync fails part of the way, the next one brings everything and completes',
  plan({ payloads, present, wanted }) {
    const isKnown = present.offers.length > 0;
    const offers = offerEvents(
      payloads,
      isKnown ? 'OFFER_UPDATED' : 'OFFER_ADDED',
      isKnown ? present.offers : numbersTo(wanted.offers),
    );
    const total = offers.length;
    const reached = Math.floor(total / 3);
    return [
      ...productSync(payloads, 1, offers.slice(0, reached), { total, synced: reached }, 'FAILED'),
      ...productSync(payloads, 2, offers, { total, synced: total }),
    ];
  },
};

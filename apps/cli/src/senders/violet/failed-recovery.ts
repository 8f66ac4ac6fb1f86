import { numbersTo } from '../simulated-sender';
import type { VioletScenario } from './scenario';
import { offerEvents, productSync } from './steps';

export const failedRecovery: VioletScenario = {
  name: 'failed-recovery',
  summary: 'a product sync fails part of the way, the next one brings everything and completes',
  plan({ payloads, present, wanted }) {
    const isKnown = present.offers.length > 0;
    const topic = isKnown ? 'OFFER_UPDATED' : 'OFFER_ADDED';
    const numbers = isKnown ? present.offers : numbersTo(wanted.offers);
    const total = numbers.length;
    const reached = Math.floor(total / 3);
    const second = payloads.later(1);
    return [
      ...productSync(payloads, 1, offerEvents(payloads, topic, numbers.slice(0, reached)), { total, synced: reached }, 'FAILED'),
      ...productSync(second, 2, offerEvents(second, topic, numbers), { total, synced: total }),
    ];
  },
};

import { randomOf } from '@syncline/runtime';
import { numbersTo } from '../simulated-sender';
import { ENTITIES_MAX } from './payloads';
import type { VioletScenario } from './scenario';
import { offerEvents, productSync } from './steps';

const REMOVED_SHARE = 0.02;
const ADDED_SHARE = 0.02;
const UPDATED_SHARE = 0.2;

export const scheduled: VioletScenario = {
  name: 'scheduled',
  summary: 'a later daily sync: some offers change, a few leave, a few are new',
  plan({ payloads, present, wanted, seed }) {
    const before = present.offers.length > 0 ? present.offers : numbersTo(wanted.offers);
    const shuffled = shuffle(before, seed);
    const removed = shuffled.slice(0, before.length > 1 ? Math.ceil(before.length * REMOVED_SHARE) : 0);
    const updated = shuffled.slice(removed.length, removed.length + Math.ceil(before.length * UPDATED_SHARE));
    const last = before.at(-1) ?? 0;
    const added = numbersTo(Math.ceil(before.length * ADDED_SHARE))
      .map((number) => last + number)
      .filter((number) => number <= ENTITIES_MAX);
    const total = before.length - removed.length + added.length;
    const changes = [
      ...offerEvents(payloads, 'OFFER_UPDATED', updated),
      ...offerEvents(payloads, 'OFFER_REMOVED', removed),
      ...offerEvents(payloads, 'OFFER_ADDED', added),
    ];
    return productSync(payloads, 1, changes, { total, synced: total });
  },
};

function shuffle(numbers: readonly number[], seed: number): number[] {
  const random = randomOf('scheduled', seed, numbers.length, numbers.at(-1) ?? 0);
  return numbers
    .map((number) => ({ number, rank: random.integer(0, 2 ** 31) }))
    .sort((left, right) => left.rank - right.rank)
    .map(({ number }) => number);
}

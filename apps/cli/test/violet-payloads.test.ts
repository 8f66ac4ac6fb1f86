import { type Body, eventIn, type Phase } from '../src/senders';
import { violetScenarios as scenarios } from '../src/senders/violet';
import {
  createPayloads,
  ENTITIES_MAX,
  entityIdOf,
  entityNumberOf,
  MERCHANT_ID_MAX,
  violetDate,
} from '../src/senders/violet/payloads';
import { violetEventNames, violetSchema } from './violet-schemas';

const NOW = Date.UTC(2026, 2, 4, 5, 6, 7, 890);

const offer = violetSchema('catalog', 'Offer');
const collection = violetSchema('catalog', 'Collection');
const merchant = violetSchema('merchant', 'Merchant');
const sync = violetSchema('operations', 'ShopifyProductSync');

function schemaOf(topic: string) {
  if (topic.includes('_SYNC_')) return sync;
  if (topic.startsWith('OFFER_')) return offer;
  return topic.startsWith('COLLECTION_') ? collection : merchant;
}

const presents = {
  'a merchant with nothing': { offers: [], collections: [] },
  'a merchant with a catalogue': { offers: [1, 2, 3, 5, 8, 13, 21, 34], collections: [1, 2] },
};

function phasesOf(name: string, present: { offers: number[]; collections: number[] }, seed = 1): Phase[] {
  const scenario = scenarios.find((candidate) => candidate.name === name);
  const payloads = createPayloads({ merchantId: 10_042, seed, now: NOW });
  return scenario?.plan({ payloads, present, wanted: { offers: 60, collections: 5 }, seed }) ?? [];
}

describe.each(scenarios.map(({ name }) => name))('%s', (name) => {
  test.each(Object.entries(presents))('for %s sends only bodies that Violet could send, with known topics', (_name, present) => {
    const topics = violetEventNames();
    for (const { events } of phasesOf(name, present)) {
      for (const event of events.map(eventIn)) {
        expect(topics).toContain(event.topic);
        const validate = schemaOf(event.topic);
        expect({ valid: validate(event.body()), topic: event.topic, errors: validate.errors }).toEqual({
          valid: true,
          topic: event.topic,
          errors: null,
        });
      }
    }
  });

  test('names the merchant in every body', () => {
    for (const { events } of phasesOf(name, presents['a merchant with a catalogue'])) {
      for (const event of events.map(eventIn)) {
        const body = event.body();
        expect(event.topic.startsWith('MERCHANT_') ? body.id : body.merchant_id).toBe(10_042);
      }
    }
  });
});

test('the schemas refuse a property that the sender does not have, a missing one and a wrong one', () => {
  const body = createPayloads({ merchantId: 1, seed: 1, now: NOW }).offer(1);
  expect(offer(body)).toBe(true);
  expect(offer({ ...body, surprise: 1 })).toBe(false);
  expect(offer({ ...body, name: undefined })).toBe(false);
  expect(offer({ ...body, status: 'GONE' })).toBe(false);
  expect(offer({ ...body, skus: [{}] })).toBe(false);
});

describe('bodies', () => {
  const bodies = (settings: { merchantId?: number; seed?: number; now?: number } = {}): Body[] => {
    const payloads = createPayloads({ merchantId: 10_042, seed: 1, now: NOW, ...settings });
    return [
      payloads.offer(1),
      payloads.offer(1, 'changed'),
      payloads.offer(1, 'removed'),
      payloads.collection(1),
      payloads.merchant('ACTIVE'),
    ];
  };

  test('are the same for the same merchant, seed and time', () => {
    expect(bodies()).toEqual(bodies());
  });

  test('differ with the seed and with the merchant', () => {
    expect(bodies({ seed: 2 })).not.toEqual(bodies());
    expect(bodies({ merchantId: 10_043 })).not.toEqual(bodies());
  });

  test('carry the time of the run as the date of their last change, as Violet writes dates', () => {
    expect(violetDate(NOW)).toBe('2026-03-04T05:06:07+0000');
    for (const body of bodies()) expect(body.date_last_modified).toBe('2026-03-04T05:06:07+0000');
  });

  test('of a changed offer have another price or stock, and the same name and skus', () => {
    const payloads = createPayloads({ merchantId: 10_042, seed: 1, now: NOW });
    for (let number = 1; number <= 50; number += 1) {
      const [original, changed] = [payloads.offer(number), payloads.offer(number, 'changed')];
      expect(changed).not.toEqual(original);
      expect(changed.name).toBe(original.name);
      expect((changed.skus as unknown[]).length).toBe((original.skus as unknown[]).length);
    }
  });

  test('have ids that are safe integers and differ, up to the largest merchant and offer', () => {
    const payloads = createPayloads({ merchantId: MERCHANT_ID_MAX, seed: 1, now: NOW });
    const skuIds = [ENTITIES_MAX - 1, ENTITIES_MAX].flatMap((number) =>
      (payloads.offer(number).skus as { id: number }[]).map(({ id }) => id),
    );
    for (const id of skuIds) expect(Number.isSafeInteger(id)).toBe(true);
    expect(new Set(skuIds).size).toBe(skuIds.length);
  });
});

describe('entity ids', () => {
  test('lead back to the number that they were made from', () => {
    for (const number of [1, 2, ENTITIES_MAX]) expect(entityNumberOf(10_042, entityIdOf(10_042, number))).toBe(number);
  });

  test('of another merchant, and ids that no run made, have no number', () => {
    expect(entityNumberOf(10_042, entityIdOf(10_043, 1))).toBeUndefined();
    for (const id of [0, -1, 1.5, 248_519, Number.NaN, entityIdOf(10_042, 0), entityIdOf(10_042, ENTITIES_MAX + 1)]) {
      expect(entityNumberOf(10_042, id)).toBeUndefined();
    }
  });
});

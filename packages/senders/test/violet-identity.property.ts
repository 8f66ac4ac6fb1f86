import * as fc from 'fast-check';
import { violet, violetTopics } from '../src';

const settings = { secrets: ['secret'] };
const topics = fc.constantFrom(...violetTopics, 'OFFER_CREATED', 'SOMETHING_NEW');

function deliveryOf(topic: string, body: Uint8Array | string) {
  return { headers: { 'x-violet-topic': topic, 'x-violet-event-id': '1' }, body: Buffer.from(body) };
}

test('any bytes are identified without a throw, and unreadable ones give a reason', () => {
  fc.assert(
    fc.property(
      topics,
      fc.oneof(fc.uint8Array({ maxLength: 200 }), fc.string({ unit: 'binary', maxLength: 200 })),
      (topic, body) => {
        const identity = violet.identify(deliveryOf(topic, body), settings);
        expect(identity.eventId).toBe('1');
        if (identity.kind === 'unreadable') expect(identity.message).not.toBe('');
      },
    ),
  );
});

test('any text as signature is judged without a throw', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 100 }), fc.uint8Array({ maxLength: 50 }), (hmac, body) => {
      expect(violet.verify({ headers: { 'x-violet-hmac': hmac }, body: Buffer.from(body) }, settings, 0)).toBe(false);
    }),
  );
});

test('any body that is signed verifies, and with one bit changed it does not', () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 1, maxLength: 200 }), fc.nat(), (bytes, position) => {
      const body = Buffer.from(bytes);
      const headers = { 'x-violet-hmac': violet.sign({ eventId: '1', topic: 'T', body }, settings)['X-Violet-Hmac'] };
      expect(violet.verify({ headers, body }, settings, 0)).toBe(true);
      const at = position % body.length;
      body.writeUInt8(body.readUInt8(at) ^ 1, at);
      expect(violet.verify({ headers, body }, settings, 0)).toBe(false);
    }),
  );
});

test('any JSON object with a merchant is read as JSON.parse reads it', () => {
  fc.assert(
    fc.property(
      fc.dictionary(fc.string(), fc.jsonValue({ maxDepth: 5 })),
      fc.integer(),
      fc.integer({ min: 0, max: 4 }),
      (rest, id, spaces) => {
        const body = JSON.stringify({ ...rest, merchant_id: id }, null, spaces);
        expect(violet.identify(deliveryOf('OFFER_ADDED', body), settings)).toMatchObject({
          kind: 'event',
          merchantId: String(id),
        });
      },
    ),
  );
});

import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import type { Handler } from '../src/index';
import { MerchantLane, T0, violetDate } from './merchant-lane';

/** What the example's sender offers, as far as it is tried here. */
interface ExampleSender {
  readonly source: string;
  verify(delivery: object, settings: object, nowMs: number): boolean;
  identify(delivery: object, settings: object): object;
  sign(message: object, settings: object): Record<string, string>;
}

const root = path.resolve(__dirname, '..', '..', '..');
const page = fs.readFileSync(path.join(root, 'docs', 'adding-a-sender.md'), 'utf8');

const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'adding-a-sender-'));
afterAll(() => fs.rmSync(folder, { recursive: true }));

/** Runs the page's code for a file as if it were there, and gives what that file exports. */
function exportsOf(file: string): Record<string, unknown> {
  const code = [...page.matchAll(/```ts\n\/\/ (\S+)\n([\s\S]*?)```/g)].find(([, name]) => name === file)?.[2];
  if (code === undefined) throw new Error(`Expected the code of ${file} in docs/adding-a-sender.md, got none`);
  const place = path.join(root, path.dirname(file));
  const placed = code.replace(
    /from '([^']+)'/g,
    (_, name: string) => `from ${JSON.stringify(name.startsWith('.') ? path.join(place, name) : require.resolve(name))}`,
  );
  const copy = path.join(folder, file.replaceAll('/', '-'));
  fs.writeFileSync(copy, placed);
  return require(copy) as Record<string, unknown>;
}

const acme = exportsOf('packages/senders/src/acme.ts').acme as ExampleSender;
const acmeHandlers = exportsOf('packages/catalog/src/acme.ts').acmeHandlers as Handler[];

const settings = { secrets: ['new', 'old'] };
const event = { type: 'catalog.synced', shop_id: 'shop-7', items: 120, failed_items: 2, at: violetDate(T0) };

function deliveryOf(body: object | string, secrets = ['old']): { headers: Record<string, string>; body: Buffer } {
  const bytes = Buffer.from(typeof body === 'string' ? body : JSON.stringify(body));
  return { headers: acme.sign({ topic: '', eventId: 'evt_81', body: bytes }, { secrets }), body: bytes };
}

describe('the sender that the page adds', () => {
  it('takes what is signed with any of its secrets, and nothing else', () => {
    const delivery = deliveryOf(event);
    expect(acme.verify(delivery, settings, T0)).toBe(true);
    expect(acme.verify(deliveryOf(event, ['another']), settings, T0)).toBe(false);
    expect(acme.verify({ ...delivery, body: Buffer.from(JSON.stringify({ ...event, items: 121 })) }, settings, T0)).toBe(false);
    for (const written of ['', 'ff', delivery.headers['acme-signature']?.slice(1), undefined]) {
      expect(acme.verify({ ...delivery, headers: { 'acme-signature': written } }, settings, T0)).toBe(false);
    }
  });

  it('finds the event, its topic and its merchant', () => {
    expect(acme.identify(deliveryOf(event), settings)).toMatchObject({
      kind: 'event',
      eventId: 'evt_81',
      topic: 'catalog.synced',
      merchantId: 'shop-7',
    });
    expect(acme.identify({ ...deliveryOf(event), headers: {} }, settings)).toMatchObject({
      eventId: expect.stringMatching(/^derived-/),
    });
  });

  it.each([
    ['no JSON', 'unparseable'],
    [{ shop_id: 'shop-7' }, 'topic_missing'],
    [{ ...event, shop_id: {} }, 'merchant_invalid'],
  ])('calls unreadable what it cannot read: %j', (body, reason) => {
    expect(acme.identify(deliveryOf(body), settings)).toMatchObject({ kind: 'unreadable', reason });
  });
});

describe('the meaning that the page gives its events', () => {
  it.each([
    [event, 120, 118],
    [{ ...event, items: 'many' }, null, null],
    [{}, null, null],
  ])('is a completed product sync: %j', async (body, total, synced) => {
    const lane = new MerchantLane(acmeHandlers);
    await lane.apply('catalog.synced', body, { source: acme.source });
    expect(lane.status()).toMatchObject({ catalogReady: true, tracks: { product: { state: 'synced', runs: 1, total, synced } } });
  });
});

import { randomOf } from '@syncline/runtime';
import type { Body } from '../simulated-sender';

/** Entities of one merchant that a run can name: their ids are made of the merchant's id and these numbers, from 1. */
export const ENTITIES_MAX = 100_000;

/** Violet's ids of merchants are 32-bit integers. */
export const MERCHANT_ID_MAX = 2 ** 31 - 1;

/** `changed`: a later state of the same offer, with another price and stock. `removed`: as it stands when it leaves the catalogue. */
export type OfferState = 'original' | 'changed' | 'removed';

/** Makes the bodies of one run. The same merchant, seed and time give the same bodies. */
export interface Payloads {
  readonly merchantId: number;
  /** When what they tell of happened, in epoch milliseconds. */
  readonly date: number;
  /** The bodies of so many steps of the run later. */
  later(steps: number): Payloads;
  merchant(status: 'ACTIVE' | 'DISABLED'): Body;
  offer(number: number, state?: OfferState): Body;
  collection(number: number): Body;
  productSync(run: number, status: SyncStatus, counts: { total: number; synced: number }): Body;
  collectionSync(run: number, status: SyncStatus): Body;
}

export type SyncStatus = 'IN_PROGRESS' | 'COMPLETED' | 'FAILED';

export interface PayloadSettings {
  readonly merchantId: number;
  readonly seed: number;
  /** The time of it all in epoch milliseconds: every entity was last modified then. */
  readonly now: number;
  /** What lies between two steps of the run, in milliseconds; none unless given. */
  readonly stepMs?: number;
}

const DAY_MS = 86_400_000;
const ID_SPACE = 1_000_000;

const adjectives = [
  'Air',
  'Court',
  'Harbour',
  'Alpine',
  'Studio',
  'Linen',
  'Merino',
  'Canvas',
  'Trail',
  'Classic',
  'Northern',
  'Daily',
] as const;
const products = [
  { noun: 'Runner', category: 'Footwear > Running', prices: [6_999, 14_999] },
  { noun: 'Sneaker', category: 'Footwear > Lifestyle', prices: [5_499, 12_999] },
  { noun: 'Hoodie', category: 'Apparel > Sweatshirts', prices: [3_999, 8_999] },
  { noun: 'T-Shirt', category: 'Apparel > Tops', prices: [1_499, 3_999] },
  { noun: 'Jacket', category: 'Apparel > Outerwear', prices: [8_999, 24_999] },
  { noun: 'Backpack', category: 'Accessories > Bags', prices: [4_499, 15_999] },
] as const;
const colours = ['Black', 'Sand', 'Indigo', 'Moss', 'Crème', 'Rust'] as const;
const vendors = ['Fjord & Field', 'Halden', 'Ostra', 'Kite Works', 'Møller'] as const;
const sizes = ['Small', 'Medium', 'Large'] as const;
const collectionNames = [
  'New Arrivals',
  'Summer Sale',
  'Best Sellers',
  'Back to School',
  'Gifts under $50',
  'Rain Ready',
  'Made to Last',
] as const;

/** The id of a merchant's offer or collection; every id made from it stays a safe integer. */
export function entityIdOf(merchantId: number, number: number): number {
  return merchantId * ID_SPACE + number;
}

/** The number that an entity id was made from; undefined for an id that no run of this merchant made. */
export function entityNumberOf(merchantId: number, entityId: number): number | undefined {
  const number = entityId - merchantId * ID_SPACE;
  return Number.isInteger(number) && number >= 1 && number <= ENTITIES_MAX ? number : undefined;
}

export function createPayloads(settings: PayloadSettings): Payloads {
  const { merchantId, seed, now, stepMs = 0 } = settings;
  const store = randomOf('merchant', seed, merchantId);
  const name = `${store.pick(adjectives)} ${store.pick(['Goods', 'Supply', 'Outfitters', 'Mercantile'])}`;
  const handle = handleOf(name);
  const createdAt = now - store.integer(200, 900) * DAY_MS;

  return {
    merchantId,
    date: now,
    later: (steps) => createPayloads({ ...settings, now: now + steps * stepMs }),
    merchant: (status) => ({
      id: merchantId,
      merchant_name: name,
      email: `owner-${merchantId}@example.com`,
      user_id: merchantId + 50_000,
      platform: 'SHOPIFY',
      platform_plan: 'basic',
      store_url: `https://${handle}.myshopify.com`,
      status,
      default_currency: 'USD',
      default_country_code: 'US',
      default_language_code: 'en',
      commission_rate: 15,
      date_created: violetDate(createdAt),
      date_last_modified: violetDate(now),
      external_id: String(60_000_000_000 + merchantId),
      distribution_type: 'PRIVATE',
      category: 'APPAREL_AND_ACCESSORIES',
      connection_status: 'CONNECTED',
    }),
    offer: (number, state = 'original') => offerOf({ merchantId, seed, now, seller: name, handle }, number, state),
    collection: (number) => {
      const random = randomOf('collection', seed, merchantId, number);
      const collectionName = `${random.pick(collectionNames)} ${number}`;
      return {
        id: entityIdOf(merchantId, number),
        external_id: String(30_000_000_000_000 + number),
        merchant_id: merchantId,
        name: collectionName,
        handle: handleOf(collectionName),
        description: `<p>${collectionName}, chosen by ${name}.</p>`,
        status: 'ACTIVE',
        type: random.pick(['CUSTOM', 'AUTOMATED']),
        media: {
          source_url: `https://cdn.shopify.com/s/files/1/${merchantId}/collections/${handleOf(collectionName)}.jpg`,
          alt: collectionName,
          height: 800,
          width: 1_200,
          date_created: violetDate(createdAt),
        },
        date_created: violetDate(now - random.integer(1, 180) * DAY_MS),
        date_last_modified: violetDate(now),
      };
    },
    productSync: (run, status, { total, synced }) => ({
      id: syncIdOf(merchantId, run),
      merchant_id: merchantId,
      status,
      abort: false,
      total_products: total,
      total_products_synced: synced,
      resync_required: status === 'FAILED',
      date_last_synced: violetDate(now),
      taxonomy_synced: status === 'COMPLETED',
      webhooks_created: true,
      app_id: null,
    }),
    collectionSync: (run, status) => ({
      id: syncIdOf(merchantId, run) + 1,
      merchant_id: merchantId,
      status,
      date_last_synced: violetDate(now),
    }),
  };
}

/** A date as Violet writes it: whole seconds, the offset without a colon. */
export function violetDate(epochMs: number): string {
  return `${new Date(epochMs).toISOString().slice(0, 19)}+0000`;
}

function offerOf(
  { merchantId, seed, now, seller, handle }: PayloadSettings & { seller: string; handle: string },
  number: number,
  state: OfferState,
): Body {
  const random = randomOf('offer', seed, merchantId, number);
  const product = random.pick<(typeof products)[number]>(products);
  const colour = random.pick(colours);
  const name = `${random.pick(adjectives)} ${product.noun} ${colour}`;
  const vendor = random.pick(vendors);
  const retailPrice = roundPrice(random.integer(product.prices[0], product.prices[1]));
  const createdAt = now - random.integer(30, 700) * DAY_MS;
  const count = random.integer(1, sizes.length);
  const change = randomOf('change', seed, merchantId, number, now);
  const salePrice = state === 'changed' ? roundPrice(Math.round((retailPrice * change.integer(60, 95)) / 100)) : retailPrice;

  const id = entityIdOf(merchantId, number);
  const childId = (index: number): number => id * 4 + index;
  const removed = state === 'removed';
  const externalId = String(8_000_000_000_000 + number);
  const dates = { date_created: violetDate(createdAt), date_last_modified: violetDate(now) };
  const image = `https://cdn.shopify.com/s/files/1/${merchantId}/products/${handleOf(name)}.jpg`;
  const media = {
    id: childId(0),
    album_id: id,
    external_id: `3${externalId}`,
    url: image,
    source_url: image,
    type: 'IMAGE',
    display_order: 1,
    primary: true,
    alt_text: `${name}, seen from the side`,
  };

  return {
    id,
    external_id: externalId,
    external_url: `https://${handle}.myshopify.com/products/${handleOf(name)}`,
    name,
    description: `<p>${name} by ${vendor}. Made for every day, in ${colour.toLowerCase()}.</p>`,
    source: 'SHOPIFY',
    seller,
    vendor,
    merchant_id: merchantId,
    available: !removed,
    visible: !removed,
    min_price: salePrice,
    max_price: salePrice,
    currency: 'USD',
    source_category_name: product.category,
    variants: [
      {
        id,
        external_id: `9${externalId}`,
        name: 'Size',
        visual: false,
        values: sizes.slice(0, count).map((size, index) => ({
          id: childId(index),
          external_id: size,
          name: size,
          sku_ids: [childId(index)],
          display_order: index + 1,
        })),
        display_order: 1,
      },
    ],
    skus: sizes.slice(0, count).map((size, index) => {
      const quantity = removed ? 0 : (state === 'changed' ? change : random).integer(0, 60);
      return {
        id: childId(index),
        offer_id: id,
        merchant_id: merchantId,
        external_id: `4${externalId}${index}`,
        name: `${name} - ${size}`,
        in_stock: quantity > 0,
        qty_available: quantity,
        inventory_tracked: true,
        sale_price: salePrice,
        retail_price: retailPrice,
        currency: 'USD',
        taxable: true,
        tax_type: 'APPAREL',
        albums: [],
        variant_values: [{ variant: 'Size', value: size }],
        type: 'PHYSICAL',
        status: quantity > 0 ? 'AVAILABLE' : 'UNAVAILABLE',
        ...dates,
      };
    }),
    albums: [{ id, parent_id: id, type: 'OFFER', name: 'Primary Album', media: [media], primary_media: media }],
    type: 'PHYSICAL',
    status: removed ? 'FOR_DELETION' : 'AVAILABLE',
    publishing_status: removed ? 'NOT_PUBLISHED' : 'PUBLISHED',
    subscription_status: 'NOT_SUBSCRIBED',
    ...dates,
    // The sender spreads this date and may set it in the future: nothing may be ordered by it.
    date_last_consolidated: violetDate(now + randomOf('consolidated', seed, number).integer(-7, 7) * DAY_MS),
    three_d_enabled: false,
    tags: [product.noun.toLowerCase(), colour.toLowerCase()],
  };
}

function syncIdOf(merchantId: number, run: number): number {
  return ((merchantId % 1_000_000) + 1) * 1_000 + run * 2;
}

function roundPrice(cents: number): number {
  return Math.max(100, Math.round(cents / 100) * 100) - 1;
}

function handleOf(name: string): string {
  return name
    .normalize('NFKD')
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, '-')
    .replaceAll(/^-|-$/g, '');
}

import * as z from 'zod';

/**
 * What must hold of Violet's bodies for an event to mean anything; every other field is kept as it comes. Fields are absent or null at
 * will, and enumerated values grow without notice, so nothing else is checked here.
 */
const merchantId = z.union([z.int(), z.string().min(1)], { error: 'expected an integer or a text' });

/** The body of OFFER_ADDED and OFFER_UPDATED. */
export const violetOffer = z.looseObject({ id: z.int(), merchant_id: z.int(), name: z.string() });

/** The body of COLLECTION_CREATED and COLLECTION_UPDATED. */
export const violetCollection = z.looseObject({ id: z.int(), merchant_id: z.int() });

/** The body of a removal, of which only the id is certain. */
export const violetRemoval = z.looseObject({ id: z.int() });

const optionalId = z.int().nullish().catch(null);

/** The body of COLLECTION_OFFERS_UPDATED, of which nothing is certain. */
export const violetMembersChange = z.looseObject({ id: optionalId, collection_id: optionalId });

/** The body of PRODUCT_SYNC_* and COLLECTION_SYNC_*. */
export const violetSync = z.looseObject({ merchant_id: merchantId });

/** The body of MERCHANT_*: its id is the merchant's. */
export const violetMerchant = z.looseObject({ id: merchantId });

export type VioletOffer = z.infer<typeof violetOffer>;
export type VioletCollection = z.infer<typeof violetCollection>;
export type VioletSync = z.infer<typeof violetSync>;
export type VioletMerchant = z.infer<typeof violetMerchant>;

/** The platforms that Violet names, in its words; merchants and offers say on which they are. */
export const violetPlatforms = [
  'OTHER',
  'SHOPIFY',
  'MAGENTO',
  'MAGENTO_ONE',
  'WOOCOMMERCE',
  'BIGCOMMERCE',
  'LIGHTSPEED',
  'ECWID',
  'YAAS',
  'SPREECOMMERCE',
  'DEMANDWARE',
  'VOLUSION',
  'PRESTASHOP',
  'THREEDCART',
  'SYLIUS',
  'WIX',
  'CUSTOM',
  'SWELL',
  'MIVA',
  'WEBSPHERE',
  'ORACLECC',
  'SAPCC',
  'SQUARESPACE',
  'SHOPWARE',
  'COMMERCETOOLS',
  'MEDUSA',
  'ABICART',
  'SPRYKER',
  'MYSTORE',
  'CENTRA',
  'XCART',
  'VTEX',
  'KIBO',
  'SALEOR',
  'VENDO',
  'CHORD',
  'DIGITALRIVER',
  'SQUARE',
  'AMAZON',
  'BIGCARTEL',
  'RITHUM',
  'SHOPRENTER',
  'MANUAL',
  'SHOPTET',
  'SHOPLAZZA',
  'CARTPANDA',
] as const;

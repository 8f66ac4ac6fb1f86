import type { DocumentRef } from '@syncline/events';

/**
 * The collections of documents that the catalogue keeps for a merchant. The names are stored data: renaming one loses what it holds.
 *
 * - `merchant`: one document, `status`: see `status.ts`
 * - `offers`, `collections`: the sender's fields as last applied, by the entity's id; the count of documents is the count of entities
 * - `…-removed`: tombstones `{ removedAt, expiresAt }` in epoch milliseconds, by the id of an entity that is gone
 * - `tombstones`: when they expire: see `tombstones.ts`
 * - `…-undated`: `{ receivedAt }` in epoch milliseconds, for each held entity that came without a usable date
 * - `collection-offers`: which offers are in a collection, by the collection's id: see `members.ts`
 * - `receipts`: while a refresh is under way, when the latest change of each entity was received: see `receipts.ts`
 */
export const documentCollections = {
  merchant: 'merchant',
  offers: 'offers',
  offersRemoved: 'offers-removed',
  offersUndated: 'offers-undated',
  collections: 'collections',
  collectionsRemoved: 'collections-removed',
  collectionsUndated: 'collections-undated',
  tombstones: 'tombstones',
  collectionOffers: 'collection-offers',
  receipts: 'receipts',
} as const;

/** The id of the single document in the collection `merchant`. */
export const STATUS_DOCUMENT_ID = 'status';

/** Where a merchant's status document is. */
export const statusRef: DocumentRef = { collection: documentCollections.merchant, id: STATUS_DOCUMENT_ID };

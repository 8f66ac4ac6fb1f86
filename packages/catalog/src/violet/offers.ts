import { entityReads, offerDocuments } from '../entities';
import { defineHandler } from '../handler';
import { violetOffer, violetRemoval } from './schemas';

/** OFFER_CREATED is the name that OFFER_ADDED had before. */
const offerChanged = defineHandler({
  source: 'violet',
  topics: ['OFFER_ADDED', 'OFFER_UPDATED', 'OFFER_CREATED'],
  payload: violetOffer,
  foldKey: ({ payload }) => `offer ${payload.id}`,
  reads: (event) => entityReads(offerDocuments, event.payload.id),
  async handle(event, merchant) {
    return (await merchant.offers.putIfNewer(event.payload)) ? 'processed' : 'superseded';
  },
});

const offerRemoved = defineHandler({
  source: 'violet',
  topics: ['OFFER_REMOVED', 'OFFER_DELETED'],
  payload: violetRemoval,
  foldKey: ({ payload }) => `offer ${payload.id}`,
  reads: (event) => entityReads(offerDocuments, event.payload.id),
  async handle(event, merchant) {
    return (await merchant.offers.removeIfNewer(event.payload)) ? 'processed' : 'superseded';
  },
});

export const offerHandlers = [offerChanged, offerRemoved];

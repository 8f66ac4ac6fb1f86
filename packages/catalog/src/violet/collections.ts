import { collectionDocuments, entityReads } from '../entities';
import { defineHandler } from '../handler';
import { violetCollection, violetRemoval } from './schemas';

const collectionChanged = defineHandler({
  source: 'violet',
  topics: ['COLLECTION_CREATED', 'COLLECTION_UPDATED'],
  payload: violetCollection,
  reads: (event) => entityReads(collectionDocuments, event.payload.id),
  async handle(event, merchant) {
    return (await merchant.collections.putIfNewer(event.payload)) ? 'processed' : 'superseded';
  },
});

const collectionRemoved = defineHandler({
  source: 'violet',
  topics: ['COLLECTION_REMOVED'],
  payload: violetRemoval,
  reads: (event) => entityReads(collectionDocuments, event.payload.id),
  async handle(event, merchant) {
    return (await merchant.collections.removeIfNewer(event.payload)) ? 'processed' : 'superseded';
  },
});

export const collectionHandlers = [collectionChanged, collectionRemoved];

import { collectionDocuments, entityReads } from '../entities';
import { defineHandler, type HandlerEvent } from '../handler';
import { violetCollection, violetMembersChange, violetRemoval } from './schemas';

const collectionChanged = defineHandler({
  source: 'violet',
  topics: ['COLLECTION_CREATED', 'COLLECTION_UPDATED'],
  payload: violetCollection,
  foldKey: ({ payload }) => `collection ${payload.id}`,
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
    if (!(await merchant.collections.removeIfNewer(event.payload))) return 'superseded';
    merchant.members.remove(event.payload.id);
    return 'processed';
  },
});

/** The event's body is not documented: that the members changed is all that it says. */
const membersChanged = defineHandler({
  source: 'violet',
  topics: ['COLLECTION_OFFERS_UPDATED'],
  payload: violetMembersChange,
  async handle(event, merchant) {
    const collectionId = violetCollectionIdOf(event);
    if (collectionId === undefined) return 'superseded';
    await merchant.members.changed(collectionId);
    return 'processed';
  },
});

/** Whose members a COLLECTION_OFFERS_UPDATED is about: the entity's id in its header, else the body's. */
export function violetCollectionIdOf({ headers, payload }: Pick<HandlerEvent, 'headers' | 'payload'>): string | undefined {
  const header = headers['x-violet-entity-id'];
  if (header !== undefined && /^\d+$/.test(header)) return header;
  const body = violetMembersChange.safeParse(payload).data;
  const id = body?.collection_id ?? body?.id;
  return id === undefined || id === null ? undefined : String(id);
}

export const collectionHandlers = [collectionChanged, collectionRemoved, membersChanged];

import type { UnitOfWork } from '@syncline/events';
import { documentCollections } from './documents';

const COLLECTION = documentCollections.receipts;
/** The document that is there while receipts are remembered. */
const KEPT_ID = 'kept';
/** The document that says when the latest change of any entity was received. */
const LATEST_ID = 'latest';

/**
 * When changes of entities were received, remembered for as long as a refresh is under way: what was fetched before an event came must
 * not undo it, and dates of whole seconds do not tell. `name` stands for one entity.
 */
export interface Receipts {
  /** Takes down that the entity was changed by the event being handled, if receipts are remembered now. */
  note(name: string): Promise<void>;
  /** In epoch milliseconds; undefined when no change is remembered. */
  of(name: string): Promise<number | undefined>;
  /** When the latest of all changes was received, in epoch milliseconds; undefined when none is remembered. */
  latest(): Promise<number | undefined>;
  /** Begins to remember. */
  keep(): void;
  /** Ends to remember, and forgets all. */
  forget(): Promise<void>;
}

/** `wanted` is false where no refresh ever runs: nothing is read then. */
export function createReceipts(unit: UnitOfWork, receivedAt: number, wanted: boolean): Receipts {
  const read = async (id: string): Promise<number | undefined> => {
    const at = wanted ? await unit.get(COLLECTION, id) : undefined;
    return typeof at === 'number' ? at : undefined;
  };
  return {
    async note(name) {
      if (!wanted || (await unit.get(COLLECTION, KEPT_ID)) === undefined) return;
      unit.put(COLLECTION, name, receivedAt);
      unit.put(COLLECTION, LATEST_ID, Math.max(receivedAt, (await read(LATEST_ID)) ?? receivedAt));
    },
    of: read,
    latest: () => read(LATEST_ID),
    keep() {
      unit.put(COLLECTION, KEPT_ID, true);
    },
    async forget() {
      for (const id of await unit.ids(COLLECTION)) unit.delete(COLLECTION, id);
    },
  };
}

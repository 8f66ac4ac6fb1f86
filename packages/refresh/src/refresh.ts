import { defineHandler, type Handler, violetCollectionIdOf } from '@syncline/catalog';
import { applyingHandlers, beginningHandlers, wantMembers } from './applying';
import { gapHandler, type GapSettings, GAPS_TOPIC } from './gaps';
import { fetchingHandlers, type FetchingSettings } from './fetching';

export interface RefreshSettings extends Omit<FetchingSettings, 'now'> {
  /** Epoch milliseconds, by a clock that agrees with the one that stamps receipts. */
  readonly now?: () => number;
  /** What looking for gaps needs of the rest; without it nobody looks. */
  readonly gaps?: Pick<GapSettings, 'lookBackMs' | 'isKnown' | 'latestRun' | 'accept'> | undefined;
}

/**
 * Keeps the catalogues of Violet's merchants as the sender has them: the handlers that begin a refresh when the syncs of a merchant have come
 * together, that read the sender's API in a side lane, and that apply what was read in the merchant's own lane. They come after the
 * catalogue's handlers of the same topics. The decider's `refreshes` must be true for `violet` when there is an API.
 *
 * Without an API nothing begins; what another worker left behind is brought to its end, because an event that nobody takes holds up its lane.
 */
export function createRefreshHandlers({ now = Date.now, gaps, ...settings }: RefreshSettings): readonly Handler[] {
  const beginning = settings.api === undefined ? [] : [...beginningHandlers, membersChanged];
  const looking = gaps === undefined ? nobodyLooks : gapHandler({ ...settings, ...gaps, now });
  return [...beginning, ...applyingHandlers({ now }), ...fetchingHandlers({ ...settings, now }), looking];
}

/** Of a worker without credentials. */
const nobodyLooks = defineHandler({ source: 'violet', topics: [GAPS_TOPIC], handle: () => 'superseded' });

/** The catalogue's handler has marked them as out of date. */
const membersChanged = defineHandler({
  name: 'refresh-members-changed',
  source: 'violet',
  topics: ['COLLECTION_OFFERS_UPDATED'],
  async handle(event, merchant) {
    const collectionId = violetCollectionIdOf(event);
    if (collectionId !== undefined) await wantMembers(merchant, collectionId, event.receivedAt);
  },
});

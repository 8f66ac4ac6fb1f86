import { readStatusDocument, type StatusDocument, statusRef, type TrackName, trackNames } from '@syncline/catalog';
import { isSideLane, parseLane } from '@syncline/events';
import type { Inspector, Logger } from '@syncline/lanes';

/** How many merchants of a source are in which trouble on a track. */
export interface TroubleCounts {
  readonly source: string;
  readonly track: TrackName;
  readonly overdue: number;
  readonly failingRepeatedly: number;
  readonly failuresRising: number;
  readonly missing: number;
}

type Trouble = Pick<TroubleCounts, 'overdue' | 'failingRepeatedly' | 'failuresRising' | 'missing'>;

const noTrouble: Trouble = { overdue: 0, failingRepeatedly: 0, failuresRising: 0, missing: 0 };

const PAGE = 200;
/** After each page it rests this many times as long as that took, so that looking costs the store little, however many merchants. */
const REST_FACTOR = 20;
/** Shortest time from the end of a round to the next. */
const ROUND_REST_MS = 10_000;

/**
 * Knows which merchants are in trouble. What the store holds is the truth: it is looked through in rounds, so that the counts are right
 * after a restart and whatever other workers commit. What this worker commits is known at once.
 */
export class MerchantStandings {
  readonly #inspector: Pick<Inspector, 'lanes' | 'documentsOf'>;
  readonly #log: Logger;
  readonly #roundRestMs: number;
  /** Only merchants in trouble, by lane. */
  readonly #troubled = new Map<string, { readonly source: string; readonly tracks: Readonly<Record<TrackName, Trouble>> }>();
  readonly #sources = new Set<string>();
  /** Merchants learned of since the page under way was asked for: what it says of them may be older. */
  #learnedMeanwhile: Set<string> | undefined;
  #roundDone = false;
  #stopped = false;
  #rest: { readonly end: () => void } | undefined;
  #running: Promise<void> | undefined;

  constructor(inspector: Pick<Inspector, 'lanes' | 'documentsOf'>, log: Logger, { roundRestMs = ROUND_REST_MS } = {}) {
    this.#inspector = inspector;
    this.#log = log;
    this.#roundRestMs = roundRestMs;
  }

  /** Takes over a merchant's status. */
  learn(lane: string, status: StatusDocument): void {
    this.#learnedMeanwhile?.add(lane);
    this.#take(lane, status);
  }

  #take(lane: string, status: StatusDocument): void {
    const { source } = parseLane(lane);
    this.#sources.add(source);
    const tracks = { product: troubleOf(status, 'product'), collection: troubleOf(status, 'collection') };
    const isTroubled = Object.values(tracks).some((trouble) => Object.values(trouble).some((count) => count > 0));
    if (isTroubled) this.#troubled.set(lane, { source, tracks });
    else this.#troubled.delete(lane);
  }

  /** One entry for each source and track that occurs; empty until the first round is done. */
  counts(): TroubleCounts[] {
    if (!this.#roundDone) return [];
    const counts = new Map<string, TroubleCounts>();
    for (const source of this.#sources) {
      for (const track of trackNames) counts.set(`${source} ${track}`, { source, track, ...noTrouble });
    }
    for (const { source, tracks } of this.#troubled.values()) {
      for (const track of trackNames) {
        const { overdue, failingRepeatedly, failuresRising, missing } = counts.get(`${source} ${track}`) ?? noTrouble;
        counts.set(`${source} ${track}`, {
          source,
          track,
          overdue: overdue + tracks[track].overdue,
          failingRepeatedly: failingRepeatedly + tracks[track].failingRepeatedly,
          failuresRising: failuresRising + tracks[track].failuresRising,
          missing: missing + tracks[track].missing,
        });
      }
    }
    return [...counts.values()];
  }

  /** Begins to look through the store, until `stop`. Idempotent. */
  start(): void {
    this.#running ??= this.#run();
  }

  /** Resolves when nothing is read any more. Idempotent. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#rest?.end();
    await this.#running;
  }

  async #run(): Promise<void> {
    while (!this.#stopped) {
      const startedAt = performance.now();
      try {
        await this.#round();
      } catch (error) {
        this.#log.debug({ err: error }, 'looking through the merchants failed; it begins anew');
      }
      await this.#restFor(Math.max(this.#roundRestMs, performance.now() - startedAt));
    }
  }

  async #round(): Promise<void> {
    let cursor: string | undefined;
    do {
      const startedAt = performance.now();
      this.#learnedMeanwhile = new Set();
      const page = await this.#inspector.lanes({ limit: PAGE, cursor });
      const lanes = page.items.map(({ lane }) => lane).filter((lane) => !isSideLane(lane));
      const documents = await this.#inspector.documentsOf(lanes.map((lane) => ({ lane, ...statusRef })));
      for (const [index, lane] of lanes.entries()) {
        if (!this.#learnedMeanwhile.has(lane)) this.#takeStored(lane, documents[index]);
      }
      this.#learnedMeanwhile = undefined;
      cursor = page.nextCursor ?? undefined;
      if (cursor !== undefined) await this.#restFor((performance.now() - startedAt) * REST_FACTOR);
    } while (cursor !== undefined && !this.#stopped);
    this.#roundDone ||= !this.#stopped;
  }

  #takeStored(lane: string, document: unknown): void {
    if (document === undefined) return;
    try {
      this.#take(lane, readStatusDocument(document));
    } catch (error) {
      // A newer version wrote it: that version's workers count it.
      this.#log.debug({ err: error, lane }, 'a merchant status cannot be read');
    }
  }

  #restFor(ms: number): Promise<void> {
    if (this.#stopped) return Promise.resolve();
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms);
      timer.unref();
      this.#rest = {
        end: () => {
          clearTimeout(timer);
          resolve();
        },
      };
    });
  }
}

/** A merchant that was disconnected on purpose is in no trouble that somebody should mend. */
function troubleOf({ connection, tracks }: StatusDocument, name: TrackName): Trouble {
  const track = tracks[name];
  const counted = (claim: boolean): number => (claim && connection !== 'disconnected' ? 1 : 0);
  return {
    overdue: counted(track.state === 'overdue'),
    failingRepeatedly: counted(track.failingRepeatedlySince !== null),
    failuresRising: counted(track.failuresRisingSince !== null),
    missing: counted(track.missingSince !== null),
  };
}

import type { RedisClient } from './connection';
import { cursorOf, decodeCursor, InvalidCursorError } from './cursor';
import type { ShardKeys } from './keys';

/** One received event, as the log names it. */
export interface LogPlace {
  readonly shard: number;
  readonly laneNumber: number;
  readonly seq: number;
  /** The stream entry, and how many of its events, newest first, are passed once this one is. */
  readonly entry: string;
  readonly passed: number;
}

/** Walks the shards' logs of accepted events backwards, as one list. */
export class LogWalk {
  readonly #client: RedisClient;
  readonly #shards: readonly ShardKeys[];
  /** For each shard the entry to go on from, and how many of its events are passed. */
  readonly #at: { entry: string; passed: number }[];

  constructor(client: RedisClient, shards: readonly ShardKeys[], cursor: string | undefined) {
    this.#client = client;
    this.#shards = shards;
    this.#at = shards.map(() => ({ entry: '+', passed: 0 }));
    if (cursor === undefined) return;
    const values = decodeCursor(cursor);
    if (values.length !== shards.length * 2) throw new InvalidCursorError();
    this.#at = shards.map((_, shard) => {
      const [entry, passed] = [values[shard * 2], values[shard * 2 + 1]];
      if (typeof entry !== 'string' || !/^(\+|\d{1,16}-\d{1,10})$/.test(entry) || typeof passed !== 'number')
        throw new InvalidCursorError();
      return { entry, passed };
    });
  }

  /** The next places, newest first; the walk moves on only by `pass`. */
  async peek(count: number): Promise<LogPlace[]> {
    const ofShards = await Promise.all(
      this.#shards.map(async (keys, shard) => {
        const at = this.#at[shard];
        if (!at) return [];
        const entries = await this.#client.xrevrange(keys.log, at.entry, '-', 'COUNT', count + 1);
        return entries.flatMap(([entry, fields]) => {
          const events = (fields[1] ?? '').split(',').reverse();
          return events.slice(entry === at.entry ? at.passed : 0).map((event, index): LogPlace => {
            const [laneNumber = 0, seq = 0] = event.split(' ').map(Number);
            return { shard, laneNumber, seq, entry, passed: index + 1 + (entry === at.entry ? at.passed : 0) };
          });
        });
      }),
    );
    // Each shard's list is in order; stable sorting by time merges them.
    return ofShards
      .flat()
      .sort((a, b) => Number.parseInt(b.entry, 10) - Number.parseInt(a.entry, 10))
      .slice(0, count);
  }

  pass({ shard, entry, passed }: LogPlace): void {
    this.#at[shard] = { entry, passed };
  }

  async cursor(): Promise<string | null> {
    const [next] = await this.peek(1);
    return next ? cursorOf(this.#at.flatMap(({ entry, passed }) => [entry, passed])) : null;
  }
}

import { randomBytes } from 'node:crypto';
import type { RedisClient } from './connection';
import { dataSetKey } from './keys';

/** Form of everything stored. Raised when a reader of the previous form could not read the new one. */
const FORMAT = 1;

/** What is fixed when a data set is first used, and compared at every start. */
export interface DataSet {
  readonly shards: number;
  /** Key of the digests of remembered ids. */
  readonly dedupKey: Buffer;
}

/** The configuration does not fit the data: starting would lose the order of events. */
export class DataSetMismatchError extends Error {
  override readonly name = 'DataSetMismatchError';
  readonly code = 'DATA_SET_MISMATCH';
}

/** Reads the data set, or founds it when the store is empty. Rejects with a DataSetMismatchError when it differs from the configuration. */
export async function openDataSet(client: RedisClient, prefix: string, shards: number): Promise<DataSet> {
  const key = dataSetKey(prefix);
  const read = () => client.hmget(key, 'format', 'shards', 'dedup-key');
  let held = await read();
  // Only an empty store is written to: one that is full must still be opened, so that it can drain.
  if (held.includes(null)) {
    await client.hsetnx(key, 'format', FORMAT);
    await client.hsetnx(key, 'shards', shards);
    await client.hsetnx(key, 'dedup-key', randomBytes(16).toString('hex'));
    held = await read();
  }
  const [format, heldShards, dedupKey] = held;
  if (Number(format) !== FORMAT) {
    throw new DataSetMismatchError(
      `Expected stored data of format ${FORMAT}, got ${format}: run the version of Syncline that wrote it.`,
    );
  }
  if (Number(heldShards) !== shards) {
    throw new DataSetMismatchError(
      `Expected SHARDS=${heldShards}, got ${shards}: the shard count is fixed for a data set. Set SHARDS=${heldShards}, or use another KEY_PREFIX.`,
    );
  }
  return { shards, dedupKey: Buffer.from(dedupKey ?? '', 'hex') };
}

/** The key of the digests of remembered ids; undefined while the store holds no data set. Writes nothing. */
export async function readDedupKey(client: RedisClient, prefix: string): Promise<Buffer | undefined> {
  const key = await client.hget(dataSetKey(prefix), 'dedup-key');
  return key === null ? undefined : Buffer.from(key, 'hex');
}

import { InvalidCursorError } from '@syncline/lanes';
import { Refusal } from './errors';

/** Waits for a read of the store; refuses with `unavailable` when it rejects, except for its cursor, or takes longer than its time. */
export type Read = <T>(reading: Promise<T>) => Promise<T>;

/** `timeoutMs`: how long one read may take, so that a frozen store never holds a request. */
export function createRead(timeoutMs: number): Read {
  return async (reading) => {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_resolve, reject) => {
      timer = setTimeout(() => reject(new Error(`No answer within ${timeoutMs} ms`)), timeoutMs);
    });
    try {
      return await Promise.race([reading, late]);
    } catch (cause) {
      if (cause instanceof InvalidCursorError) throw new Refusal('invalid_request', cause.message, { cause });
      throw new Refusal('unavailable', 'The store cannot be read at the moment; try again', { cause });
    } finally {
      clearTimeout(timer);
    }
  };
}

import type { Sender } from './sender';
import { violet } from './violet';

export * from './sender';
export { BODY_MAX_DEPTH } from './body';
export { EVENT_ID_MAX_LENGTH, TOPIC_MAX_LENGTH } from './identity';
export { violet, violetTopics } from './violet';

/** Every sender, by its source. */
export const senders = { violet } as const satisfies Readonly<Record<string, Sender>>;

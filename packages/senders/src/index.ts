import { propexo } from './propexo';
import type { Sender } from './sender';
import { standard } from './standard';
import { synctec } from './synctec';
import { violet } from './violet';

export * from './sender';
export { BODY_MAX_DEPTH } from './body';
export { EVENT_ID_MAX_LENGTH, TOPIC_MAX_LENGTH } from './identity';
export { propexo } from './propexo';
export { standard } from './standard';
export { synctec } from './synctec';
export { violet, violetTopics } from './violet';

/** Every sender, by its source. */
export const senders = { violet, propexo, synctec, standard } as const satisfies Readonly<Record<string, Sender>>;

/** The name of a sender that is known here. */
export type Source = keyof typeof senders;

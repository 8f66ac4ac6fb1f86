import type { Source } from '@syncline/senders';
import { propexo } from './propexo';
import type { SimulatedSender } from './simulated-sender';
import { standard } from './standard';
import { synctec } from './synctec';
import { violet } from './violet';

export * from './simulated-sender';

/** The senders that can be simulated, by their source. */
export const simulatedSenders = { violet, propexo, synctec, standard } as const satisfies Partial<
  Record<Source, SimulatedSender>
>;

import type { Source } from '@syncline/senders';
import { propexo } from './propexo';
import type { SimulatedSender } from './simulated-sender';
import { standard } from './standard';
import { synctec } from './synctec';
import { violet } from './violet';

export * from './simulated-sender';

/** Every sender that can be simulated, by its source. */
export const simulatedSenders = { violet, propexo, synctec, standard } as const satisfies Readonly<
  Record<Source, SimulatedSender>
>;

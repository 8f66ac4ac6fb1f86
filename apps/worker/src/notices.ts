import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import type { Handler, Notifier } from '@syncline/catalog';
import {
  createDeliveryHandler,
  createNotifier,
  deliveryOutcomes,
  type NoticesConfig,
  noNotices,
  readNotices,
} from '@syncline/notices';
import { ConfigurationError, type Environment } from '@syncline/runtime';
import { Counter, type Registry } from 'prom-client';

/** What makes deliveries of notices, and what delivers them. */
export interface Notices {
  readonly notify: Notifier;
  /** There also when nobody is to be told: deliveries of an earlier configuration may wait. */
  readonly handler: Handler;
  readonly destinations: number;
}

/**
 * Reads the file that NOTICES_FILE names, absolute or relative to `cwd`, with the secrets that it refers to in `env`, and registers what is
 * counted. Without a file nobody is told. Throws a ConfigurationError with everything that is wrong.
 */
export function loadNotices(file: string | undefined, env: Environment, cwd: string, registry: Registry): Notices {
  const config = file === undefined ? noNotices : read(resolve(cwd, file), env, cwd);
  const deliveries = new Counter({
    name: 'syncline_notice_deliveries_total',
    help: 'Attempts to deliver notices, by destination and what became of them.',
    labelNames: ['destination', 'outcome'],
    registers: [registry],
  });
  // A rate needs the zero before the first one.
  for (const destination of config.destinations.keys()) {
    for (const outcome of deliveryOutcomes) deliveries.inc({ destination, outcome }, 0);
  }
  const observe = (destination: string, outcome: string): void => deliveries.inc({ destination, outcome });
  return {
    notify: createNotifier(config),
    handler: createDeliveryHandler({ config, observe }),
    destinations: config.destinations.size,
  };
}

function read(file: string, env: Environment, cwd: string): NoticesConfig {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (cause) {
    throw new ConfigurationError(
      [
        `NOTICES_FILE: expected a readable file, got none. Correct the path, which is taken from the working directory, or unset it: ${file}`,
      ],
      { cause },
    );
  }
  const result = readNotices(text, env, cwd);
  if ('config' in result) return result.config;
  throw new ConfigurationError(result.problems.map((problem) => `NOTICES_FILE: ${problem}`));
}

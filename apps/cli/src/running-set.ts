import fs from 'node:fs';
import path from 'node:path';
import { dataDirectory, developmentSecretsFile, type Environment, readDevelopmentSecrets } from '@syncline/runtime';
import type { SenderSettings } from '@syncline/senders';
import * as z from 'zod';
import { CommandFailure } from './failure';
import type { SimulatedSender } from './senders';

const runningSchema = z.looseObject({ ingressUrl: z.url(), consoleUrl: z.url() });

const DEFAULT_INGRESS_URL = 'http://127.0.0.1:8080';
const DEFAULT_CONSOLE_URL = 'http://127.0.0.1:8082';

/** How to reach the processes at work, and what they believe. */
export interface RunningSet {
  readonly ingressUrl: string;
  readonly consoleUrl: string;
  /** Signs as the source's sender: at least one secret. */
  readonly settings: SenderSettings;
  readonly token: string;
}

/**
 * Finds the running processes: addresses as given, else as `npm start` noted them, else the default ports; secrets from the
 * environment, else the development ones. Throws a CommandFailure when a secret is nowhere to be found or a value is unusable.
 */
export function findRunningSet(
  env: Environment,
  { secretVariable }: Pick<SimulatedSender, 'secretVariable'>,
  given: { readonly ingressUrl: string | undefined; readonly consoleUrl: string | undefined },
): RunningSet {
  const noted = readNote(path.join(dataDirectory(env), 'running.json'));
  const development = readDevelopmentSecrets(env);
  const valueOf = (variable: SimulatedSender['secretVariable'] | 'CONSOLE_TOKEN'): string => {
    const value = (env[variable] ?? '').trim() || development[variable];
    if (value !== undefined) return value;
    throw new CommandFailure(
      `Expected ${variable} in the environment or in ${developmentSecretsFile(env)}, got neither. Run \`npm start\` once, or set ${variable} to the value that the processes were started with.`,
    );
  };
  const secrets = valueOf(secretVariable)
    .split(',')
    .map((item) => item.trim())
    .filter((item) => item !== '');
  if (secrets.length === 0)
    throw new CommandFailure(
      `Expected a secret in ${secretVariable}, got only commas. Set it to what the ingress was started with.`,
    );
  return {
    ingressUrl: given.ingressUrl ?? noted?.ingressUrl ?? DEFAULT_INGRESS_URL,
    consoleUrl: given.consoleUrl ?? noted?.consoleUrl ?? DEFAULT_CONSOLE_URL,
    settings: { secrets, signatureEncoding: signatureEncodingIn(env) },
    token: valueOf('CONSOLE_TOKEN'),
  };
}

function signatureEncodingIn(env: Environment): 'base64' | 'hex' {
  const encoding = (env.VIOLET_SIGNATURE_ENCODING ?? '').trim() || 'base64';
  if (encoding === 'base64' || encoding === 'hex') return encoding;
  throw new CommandFailure(
    `Expected VIOLET_SIGNATURE_ENCODING to be base64 or hex, got ${JSON.stringify(encoding)}. Correct or unset it.`,
  );
}

/** What `npm start` noted; undefined when nothing runs, or when the note is not one. */
function readNote(file: string): z.output<typeof runningSchema> | undefined {
  try {
    return runningSchema.safeParse(JSON.parse(fs.readFileSync(file, 'utf8'))).data;
  } catch {
    return undefined;
  }
}

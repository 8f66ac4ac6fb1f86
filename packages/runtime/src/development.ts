import { randomBytes, randomUUID } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { ConfigurationError, type Environment } from './config';
import { dataDirectory } from './locations';

/** The variables that open the sources; with any of them set, nothing is made up for the others. */
export const sourceSecretVariables = [
  'VIOLET_APP_SECRET',
  'PROPEXO_WEBHOOK_SECRET',
  'SYNCTEC_WEBHOOK_SECRET',
  'STANDARD_WEBHOOKS_SECRET',
] as const;

const makers: Readonly<Record<string, () => string>> = {
  VIOLET_APP_SECRET: randomText,
  PROPEXO_WEBHOOK_SECRET: randomText,
  SYNCTEC_WEBHOOK_SECRET: randomText,
  STANDARD_WEBHOOKS_SECRET: () => `whsec_${randomBytes(32).toString('base64')}`,
  CONSOLE_TOKEN: randomText,
};

function randomText(): string {
  return randomBytes(32).toString('base64url');
}

/** Where development secrets are kept. */
export function developmentSecretsFile(env: Environment): string {
  return path.join(dataDirectory(env), 'development.env');
}

/** The development secrets made so far, by variable; empty when there are none. */
export function readDevelopmentSecrets(env: Environment): Readonly<Record<string, string>> {
  return secretsIn(env) ?? {};
}

/** Undefined when there is no file. */
function secretsIn(env: Environment): Readonly<Record<string, string>> | undefined {
  let text: string;
  try {
    text = fs.readFileSync(developmentSecretsFile(env), 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw unusable(env, error);
  }
  const secrets: Record<string, string> = {};
  for (const line of text.split('\n')) {
    const [, variable, value] = /^([A-Z_]+)=(\S+)\s*$/.exec(line) ?? [];
    if (variable !== undefined && value !== undefined) secrets[variable] = value;
  }
  return secrets;
}

export interface DevelopmentEnvironment {
  readonly env: Environment;
  /** The variables that were filled in from the file; empty when everything needed was configured. */
  readonly filled: readonly string[];
  /** The file that holds their values. */
  readonly file: string;
}

/**
 * Fills in what a local run needs and nobody configured: the source secrets when none of them is set, and the console's token.
 * They are made once and kept in a file of mode 600; processes that start at the same time agree on them. In production nothing is
 * filled in. Throws a ConfigurationError when the file can be neither read nor written.
 */
export function withDevelopmentSecrets(env: Environment): DevelopmentEnvironment {
  const file = developmentSecretsFile(env);
  const sourcesConfigured = sourceSecretVariables.some((variable) => env[variable]?.trim());
  const wanted =
    env.NODE_ENV === 'production'
      ? []
      : [...(sourcesConfigured ? [] : sourceSecretVariables), ...(env.CONSOLE_TOKEN?.trim() ? [] : ['CONSOLE_TOKEN'])];
  if (wanted.length === 0) return { env, filled: [], file };
  const secrets = keptSecrets(env, file);
  return {
    env: { ...env, ...Object.fromEntries(wanted.map((variable) => [variable, secrets[variable]])) },
    filled: wanted,
    file,
  };
}

function keptSecrets(env: Environment, file: string): Readonly<Record<string, string>> {
  try {
    // Of several that make the file at once the first wins, and all read what it wrote: a link fails where a rename would overwrite.
    for (;;) {
      const found = secretsIn(env);
      const secrets = found ?? {};
      const missing = Object.keys(makers).filter((variable) => secrets[variable] === undefined);
      if (missing.length === 0) {
        if ((fs.statSync(file).mode & 0o077) !== 0) fs.chmodSync(file, 0o600);
        return secrets;
      }
      const complete = { ...secrets, ...Object.fromEntries(missing.map((variable) => [variable, makers[variable]?.()])) };
      store(file, complete, found !== undefined);
    }
  } catch (error) {
    throw error instanceof ConfigurationError ? error : unusable(env, error);
  }
}

function store(file: string, secrets: Readonly<Record<string, string | undefined>>, replace: boolean): void {
  fs.mkdirSync(path.dirname(file), { recursive: true, mode: 0o700 });
  const draft = `${file}.${randomUUID()}`;
  const lines = Object.entries(secrets).map(([variable, value]) => `${variable}=${value ?? ''}\n`);
  try {
    fs.writeFileSync(
      draft,
      `# Made for development on this machine only. Delete the file to get new values.\n${lines.join('')}`,
      { mode: 0o600, flag: 'wx' },
    );
    if (replace) fs.renameSync(draft, file);
    else fs.linkSync(draft, file);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  } finally {
    fs.rmSync(draft, { force: true });
  }
}

function unusable(env: Environment, cause: unknown): ConfigurationError {
  const file = developmentSecretsFile(env);
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new ConfigurationError(
    [
      `SYNCLINE_DATA_DIR: Expected a folder in which development secrets can be kept (${file}): ${reason}. Make the folder writable for this user, set SYNCLINE_DATA_DIR to another one, or set ${sourceSecretVariables[0]} and CONSOLE_TOKEN.`,
    ],
    { cause },
  );
}

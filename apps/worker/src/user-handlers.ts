import { stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Handler } from '@syncline/catalog';
import { ConfigurationError } from '@syncline/runtime';
import * as z from 'zod';
import { importModule } from './import-module';

const fields = ['name', 'source', 'topics', 'payload', 'external', 'reads', 'handle'];

const text = (error: string) => z.string({ error }).min(1, { error });
const aFunction = z.custom((value) => typeof value === 'function', { error: 'a function' });

/** What a handler must be; the message of each problem is what was expected. */
const handlersSchema = z.array(
  z.strictObject(
    {
      name: text('a text that is not empty').optional(),
      source: text("a sender's name such as 'violet'"),
      topics: z
        .array(text('a topic').regex(/^[^*]*\*?$/, { error: 'a topic, or the beginning of topics followed by a single *' }), {
          error: 'an array of topics',
        })
        .min(1, { error: 'at least one topic' }),
      payload: z
        .custom((value) => hasMethod(value, 'safeParse') || hasMethod(value, 'parse'), {
          error: 'a schema with safeParse or parse',
        })
        .optional(),
      external: z.boolean({ error: 'true or false' }).optional(),
      reads: aFunction.optional(),
      handle: aFunction,
    },
    { error: (issue) => (issue.code === 'unrecognized_keys' ? `no other fields than ${fields.join(', ')}` : 'a handler object') },
  ),
  { error: 'an array of handlers' },
);

/**
 * The handlers of the module that HANDLERS names: absolute, or relative to `cwd`; CommonJS or ES module; `handlers` as a named export
 * or on the default export. The objects come back as the module made them.
 * Rejects with a ConfigurationError that says what to do: no such file, a module that does not load, or every wrong field at once.
 */
export async function loadUserHandlers(path: string, cwd: string): Promise<Handler[]> {
  const file = resolve(cwd, path);
  await expectFile(file);
  const handlers = handlersIn(await loadModule(file));
  if (handlers === undefined) {
    throw failure(file, `expected the module to export handlers, an array, got none. Add: export const handlers = […]`);
  }
  const checked = handlersSchema.safeParse(handlers);
  if (checked.success) return handlers as Handler[];
  const problems = checked.error.issues.map((issue) => problemOf(issue, handlers));
  throw new ConfigurationError(
    problems.map((problem) => `HANDLERS: ${problem} of ${file}`),
    { cause: checked.error },
  );
}

async function expectFile(file: string): Promise<void> {
  let isFile: boolean;
  try {
    isFile = (await stat(file)).isFile();
  } catch (cause) {
    throw failure(
      file,
      `expected a module, got no readable file. Correct the path, which is taken from the working directory, or unset HANDLERS`,
      cause,
    );
  }
  if (!isFile) throw failure(file, 'expected a module, got a folder or device. Name the file itself');
}

async function loadModule(file: string): Promise<unknown> {
  try {
    return await importModule(pathToFileURL(file).href);
  } catch (cause) {
    throw failure(file, `expected a module that loads, got ${thrownText(cause)}. Correct the module, or unset HANDLERS`, cause);
  }
}

/** The named export, or the one on the default export; a transpiled CommonJS module has a default export inside its default export. */
function handlersIn(exported: unknown): unknown {
  let place = exported;
  for (let depth = 0; depth < 3; depth += 1) {
    if (typeof place !== 'object' || place === null) return undefined;
    if ('handlers' in place) return place.handlers;
    place = 'default' in place ? place.default : undefined;
  }
  return undefined;
}

function problemOf(issue: z.core.$ZodIssue, handlers: unknown): string {
  const place = issue.path.reduce<string>(
    (path, key) => path + (typeof key === 'number' ? `[${key}]` : `.${String(key)}`),
    'handlers',
  );
  const got = issue.code === 'unrecognized_keys' ? issue.keys.join(', ') : described(valueAt(handlers, issue.path));
  return `expected ${issue.message}, got ${got} in ${place}`;
}

function valueAt(root: unknown, path: readonly PropertyKey[]): unknown {
  return path.reduce<unknown>(
    (value, key) => (typeof value === 'object' && value !== null ? Reflect.get(value, key) : undefined),
    root,
  );
}

function described(value: unknown): string {
  if (value === undefined) return 'nothing';
  if (value === null) return 'null';
  if (Array.isArray(value)) return value.length === 0 ? 'an empty array' : 'an array';
  if (typeof value === 'string') return JSON.stringify(value.slice(0, 100));
  if (typeof value === 'number' || typeof value === 'boolean' || typeof value === 'bigint') return String(value);
  return `${typeof value === 'object' ? 'an' : 'a'} ${typeof value}`;
}

/** A CommonJS module's syntax error says where it is at the beginning of its stack; an ES module's does not say it at all. */
function thrownText(thrown: unknown): string {
  if (!(thrown instanceof Error)) return `a thrown value: ${String(thrown)}`;
  const said = `${thrown.name}: ${thrown.message}`;
  if (!(thrown instanceof SyntaxError)) return said;
  const place = thrown.stack?.split('\n')[0] ?? '';
  return place.startsWith('/') ? `${said} at ${place}` : `${said} (node --check shows where)`;
}

function hasMethod(value: unknown, method: string): boolean {
  return (
    (typeof value === 'object' || typeof value === 'function') &&
    value !== null &&
    typeof Reflect.get(value, method) === 'function'
  );
}

function failure(file: string, problem: string, cause?: unknown): ConfigurationError {
  return new ConfigurationError([`HANDLERS: ${problem}: ${file}`], { cause });
}

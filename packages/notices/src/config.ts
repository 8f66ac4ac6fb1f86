import { existsSync } from 'node:fs';
import { validateHeaderName, validateHeaderValue } from 'node:http';
import { isIP } from 'node:net';
import path from 'node:path';
import * as z from 'zod';
import { hostOf, isPublicAddress } from './address';
import type { EventLogSettings } from './event-log';
import type { PaceSettings } from './pace';
import { Secret } from './secret';
import { escapeMrkdwn } from './slack';
import { compileTemplate, type Escape, escapeJson, type Template } from './template';

/** What every destination has: which notices it is told, and how fast. */
export interface Subscription {
  readonly name: string;
  /** Kinds of notices, or beginnings of kinds followed by `*`. */
  readonly kinds: readonly string[];
  /** Undefined for every source and every merchant. */
  readonly sources: readonly string[] | undefined;
  readonly merchants: readonly string[] | undefined;
  readonly pace: PaceSettings;
}

export interface SlackDestination extends Subscription {
  readonly type: 'slack';
  readonly url: Secret;
  readonly template: Template | undefined;
}

export interface WebhookDestination extends Subscription {
  readonly type: 'webhook';
  readonly url: Secret;
  /** Of Standard Webhooks; the body is signed with each. */
  readonly secrets: readonly Secret[];
  readonly headers: Readonly<Record<string, Secret>>;
  readonly contentType: string;
  /** True when the body has to be JSON. */
  readonly isJson: boolean;
  /** Makes the body; without one it is the notice as JSON. */
  readonly template: Template | undefined;
}

export interface FileDestination extends Subscription {
  readonly type: 'file';
  readonly log: EventLogSettings;
}

export type Destination = SlackDestination | WebhookDestination | FileDestination;

/** Who is told of notices, ready to be used: secrets are resolved, templates compiled. */
export interface NoticesConfig {
  readonly destinations: ReadonlyMap<string, Destination>;
  /** Hosts that may be reached although their addresses are not public. */
  readonly allowPrivateHosts: ReadonlySet<string>;
}

/** Tells nobody. */
export const noNotices: NoticesConfig = { destinations: new Map(), allowPrivateHosts: new Set() };

type Environment = Readonly<Record<string, string | undefined>>;

const defaultColumns = ['timestamp', 'type', 'source', 'merchantId', 'data', 'id'].map((name) => ({ header: name, value: name }));

/** Headers that say how the body is sent, or that are ours. */
const reservedHeader = /^(content-(length|type|encoding)|transfer-encoding|connection|host|expect|idempotency-key|webhook-.*)$/i;

/**
 * Reads the text of a notices file. `env` has the secrets that it refers to; relative paths of logs are taken from `cwd`. Everything that is
 * wrong is told at once, each with its path and never with a secret.
 */
export function readNotices(
  text: string,
  env: Environment,
  cwd: string,
): { config: NoticesConfig } | { problems: readonly string[] } {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    return { problems: ['expected a JSON file, got text that is none. Any JSON editor shows where'] };
  }
  const allowed = privateHostsOf(json);
  const read = fileSchema(env, cwd, allowed).safeParse(json);
  if (!read.success) return { problems: read.error.issues.map(problemOf) };
  const destinations = Object.entries(read.data.destinations).map(([name, make]) => [name, make(name)] as const);
  return { config: { destinations: new Map(destinations), allowPrivateHosts: allowed } };
}

const hostList = z.array(z.string().min(1)).default([]);

/** Known before the rest is read: what a URL may be depends on it. */
function privateHostsOf(json: unknown): ReadonlySet<string> {
  const read = z.looseObject({ allowPrivateHosts: hostList }).safeParse(json);
  return new Set(read.success ? read.data.allowPrivateHosts.map((host) => host.toLowerCase()) : []);
}

const namePattern = /^[a-z0-9][a-z0-9-]{0,63}$/;

function fileSchema(env: Environment, cwd: string, allowed: ReadonlySet<string>) {
  const { secret, textOrSecret } = secretFields(env);
  const url = urlField(allowed);
  const rate = z.strictObject({
    perSecond: z.number().positive().max(1_000),
    burst: z.int().min(1).max(10_000).default(1),
  });
  const kind = z.string().regex(/^[^*]*\*?$/, { error: 'expected a kind of notices, or its beginning followed by a single *' });
  const common = {
    kinds: z.array(kind.min(1)).min(1),
    sources: z.array(z.string().min(1)).min(1).optional(),
    merchants: z.array(z.string().min(1)).min(1).optional(),
    concurrency: z.int().min(1).max(1_000).default(10),
  };
  const slack = z
    .strictObject({
      type: z.literal('slack'),
      url: secret.transform((value, context) => url(value.reveal(), context)),
      text: templateField(escapeMrkdwn).optional(),
      ...common,
      rate: rate.default({ perSecond: 1, burst: 5 }),
    })
    .transform(
      (read): MakeDestination =>
        (name) => ({ ...subscriptionOf(name, read), type: 'slack', url: read.url, template: read.text }),
    );
  const webhook = z
    .strictObject({
      type: z.literal('webhook'),
      url: textOrSecret('a URL').transform((value, context) => url(value.reveal(), context)),
      secrets: z.array(secret.transform(signingSecret)).min(1).max(10).default([]),
      headers: z.record(z.string(), textOrSecret('a text')).default({}).transform(headersField),
      contentType: z
        .string()
        .regex(/^[\w.+-]+\/[\w.+-]+(; ?charset=[\w-]+)?$/)
        .default('application/json'),
      template: z
        .unknown()
        .transform((value, context) => bodyTemplate(value, context))
        .optional(),
      ...common,
      rate: rate.optional(),
    })
    .transform((read, context): MakeDestination => {
      const isJson = /[/+]json(;|$)/i.test(read.contentType);
      const template = read.template?.(isJson);
      if (!isJson && template === undefined) {
        context.addIssue({
          code: 'custom',
          path: ['template'],
          message: `expected a template for ${read.contentType}, got none`,
        });
      }
      const { type, url: target, secrets, headers, contentType } = read;
      return (name) => ({ ...subscriptionOf(name, read), type, url: target, secrets, headers, contentType, isJson, template });
    });
  const file = z
    .strictObject({
      type: z.literal('file'),
      path: z
        .string()
        .min(1)
        .transform((value, context) => logPath(path.resolve(cwd, value), context)),
      format: z.enum(['ndjson', 'csv']),
      columns: z
        .array(z.strictObject({ header: z.string().min(1), value: z.string().min(1) }))
        .min(1)
        .optional(),
      byteOrderMark: z.boolean().optional(),
      ...common,
    })
    .transform((read, context): MakeDestination => {
      for (const field of ['columns', 'byteOrderMark'] as const) {
        if (read.format !== 'csv' && read[field] !== undefined) {
          context.addIssue({ code: 'custom', path: [field], message: `expected ${field} with the format csv only` });
        }
      }
      const { path: target, format, columns = defaultColumns, byteOrderMark = false } = read;
      return (name) => ({
        ...subscriptionOf(name, read),
        type: 'file',
        log: { path: target, format, columns, byteOrderMark },
      });
    });
  return z.strictObject({
    $schema: z.string().optional(),
    allowPrivateHosts: hostList,
    destinations: z.record(
      z.string().regex(namePattern),
      z.discriminatedUnion('type', [slack, webhook, file], { error: 'expected the type slack, webhook or file' }),
    ),
  });
}

type MakeDestination = (name: string) => Destination;

interface CommonFields {
  readonly kinds: readonly string[];
  readonly sources?: readonly string[] | undefined;
  readonly merchants?: readonly string[] | undefined;
  readonly concurrency: number;
  readonly rate?: { readonly perSecond: number; readonly burst: number } | undefined;
}

function subscriptionOf(name: string, { kinds, sources, merchants, concurrency, rate }: CommonFields): Subscription {
  return { name, kinds, sources, merchants, pace: { perSecond: rate?.perSecond, burst: rate?.burst ?? 1, concurrency } };
}

type Context = z.core.$RefinementCtx;

function refuse(context: Context, message: string, at: string[] = []): typeof z.NEVER {
  context.addIssue({ code: 'custom', message, path: at });
  return z.NEVER;
}

/** A secret is never in the file itself: the file names the variable that holds it. */
function secretFields(env: Environment) {
  const secret = z.unknown().transform((value, context) => secretOf(value, env, context));
  return {
    secret,
    /** What may be a secret, and need not be. */
    textOrSecret: (what: string) =>
      z.unknown().transform((value, context) => {
        if (typeof value === 'string') return new Secret(value);
        return isReference(value)
          ? secretOf(value, env, context)
          : refuse(context, `expected ${what}, or {"secretFrom": "NAME_OF_VARIABLE"}`);
      }),
  };
}

function isReference(value: unknown): value is { readonly secretFrom: unknown } {
  return typeof value === 'object' && value !== null && 'secretFrom' in value && Object.keys(value).length === 1;
}

function secretOf(value: unknown, env: Environment, context: Context): Secret {
  if (!isReference(value)) return refuse(context, 'expected a secret as {"secretFrom": "NAME_OF_VARIABLE"}');
  const { secretFrom: variable } = value;
  if (typeof variable !== 'string' || !/^[A-Za-z_][A-Za-z0-9_]*$/.test(variable)) {
    return refuse(context, 'expected the name of an environment variable in secretFrom');
  }
  const text = Object.hasOwn(env, variable) ? (env[variable]?.trim() ?? '') : '';
  return text === ''
    ? refuse(context, `expected a value in the variable ${variable}, got none. Set ${variable}`)
    : new Secret(text);
}

function urlField(allowed: ReadonlySet<string>) {
  return (text: string, context: Context): Secret => {
    let url: URL;
    try {
      url = new URL(text);
    } catch {
      return refuse(context, 'expected a URL such as https://example.com/hook, got none');
    }
    const host = hostOf(url);
    if (url.username !== '' || url.password !== '') {
      return refuse(context, 'expected a URL without a password. Use headers with {"secretFrom": "…"}');
    }
    if (url.protocol !== 'https:' && !(url.protocol === 'http:' && allowed.has(host))) {
      return refuse(context, 'expected https, or http to a host that is named in allowPrivateHosts');
    }
    if (isIP(host) !== 0 && !isPublicAddress(host) && !allowed.has(host)) {
      return refuse(
        context,
        `expected a public address, got ${host}. If it is meant to be reached, name it in allowPrivateHosts`,
      );
    }
    return new Secret(url.href);
  };
}

/** Standard Webhooks asks for 24 to 64 random bytes. */
function signingSecret(secret: Secret, context: Context): Secret {
  const text = secret.reveal().replace(/^whsec_/, '');
  const bytes = /^[A-Za-z0-9+/]+={0,2}$/.test(text) ? Buffer.from(text, 'base64').length : 0;
  return bytes >= 24 && bytes <= 64
    ? secret
    : refuse(context, 'expected whsec_ and the base64 of 24 to 64 bytes. Make one: echo whsec_$(openssl rand -base64 32)');
}

function headersField(headers: Readonly<Record<string, string | Secret>>, context: Context): Readonly<Record<string, Secret>> {
  const made: Record<string, Secret> = {};
  for (const [name, value] of Object.entries(headers)) {
    const secret = typeof value === 'string' ? new Secret(value) : value;
    try {
      validateHeaderName(name);
      validateHeaderValue(name, secret.reveal());
      if (reservedHeader.test(name)) refuse(context, 'expected a header that Syncline does not set itself', [name]);
    } catch {
      refuse(context, 'expected the name and value of an HTTP header', [name]);
    }
    made[name.toLowerCase()] = secret;
  }
  return made;
}

function templateField(escape: Escape) {
  return z
    .string()
    .min(1)
    .transform((text, context) => compiled(text, escape, context));
}

/**
 * A text, or an object of JSON whose texts are templates. It is compiled once it is known whether it makes JSON; what is wrong with it is told
 * together with everything else.
 */
function bodyTemplate(value: unknown, context: Context): ((isJson: boolean) => Template) | undefined {
  if (value === undefined) return undefined;
  const isObject = typeof value === 'object' && value !== null && !Array.isArray(value);
  if (typeof value !== 'string' && !isObject) return refuse(context, 'expected a text, or an object of JSON');
  const text = typeof value === 'string' ? value : JSON.stringify(value);
  compiled(text, escapeJson, context);
  return (isJson) => compileTemplate(text, isJson ? escapeJson : (plain) => plain);
}

function compiled(text: string, escape: Escape, context: Context): Template {
  try {
    return compileTemplate(text, escape);
  } catch (error) {
    return refuse(context, error instanceof Error ? error.message : String(error));
  }
}

function logPath(file: string, context: Context): string {
  const folder = path.dirname(file);
  return existsSync(folder) ? file : refuse(context, `expected a file in a folder that exists, got ${folder}`);
}

function problemOf({ path: at, message, code, ...issue }: z.core.$ZodIssue): string {
  const place = at.map(String).join('.') || 'the file';
  const said =
    code === 'invalid_key'
      ? 'expected a name of 1 to 64 lower-case letters, digits and dashes'
      : code === 'unrecognized_keys' && 'keys' in issue && Array.isArray(issue.keys)
        ? `expected no field ${issue.keys.join(', ')}`
        : message.replace(/^Invalid input: /, '');
  return `${place}: ${said.charAt(0).toLowerCase()}${said.slice(1)}`;
}

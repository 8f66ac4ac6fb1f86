import { isUtf8 } from 'node:buffer';
import type { UnreadableReason } from './sender';

/** Deepest nesting of objects and arrays that a body may have: recursive readers downstream must be safe from it. */
export const BODY_MAX_DEPTH = 200;

export type JsonObject = Readonly<Record<string, unknown>>;
export type ParsedBody = { readonly value: JsonObject } | { readonly reason: UnreadableReason; readonly message: string };

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COLON = 0x3a;

/** Reads a body as one JSON object. Never throws; a repeated top-level name is refused, because readers disagree on which one counts. */
export function parseBody(body: Buffer): ParsedBody {
  if (body.length === 0) return unparseable('an empty body');
  if (!isUtf8(body)) return unparseable('bytes that are not valid UTF-8');
  if (body[0] === 0xef && body[1] === 0xbb && body[2] === 0xbf) return unparseable('a byte order mark before it');
  const { tooDeep, repeatedName } = scan(body);
  if (tooDeep) return { reason: 'too_deep', message: `Expected nesting of at most ${BODY_MAX_DEPTH} levels, got more` };
  let value: unknown;
  try {
    value = JSON.parse(body.toString('utf8'));
  } catch {
    return unparseable(`${body.length} bytes that are not valid JSON`);
  }
  if (!isJsonObject(value)) return unparseable(kindOf(value));
  if (repeatedName) return unparseable('one with a name given twice at its top level');
  return { value };
}

export function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function unparseable(got: string): ParsedBody {
  return { reason: 'unparseable', message: `Expected a JSON object, got ${got}` };
}

function kindOf(value: unknown): string {
  if (value === null) return 'null';
  return Array.isArray(value) ? 'an array' : `a ${typeof value}`;
}

/**
 * One pass over the bytes, before anything is built from them. Structure is ASCII, and no byte of a longer UTF-8 sequence is,
 * so bytes suffice. What it says of bytes that are not JSON has no meaning, but it always ends.
 */
function scan(bytes: Buffer): { tooDeep: boolean; repeatedName: boolean } {
  const names = new Set<string>();
  let repeatedName = false;
  let depth = 0;
  for (let at = 0; at < bytes.length; at += 1) {
    switch (bytes[at]) {
      case 0x5b: // [
      case 0x7b: // {
        depth += 1;
        if (depth > BODY_MAX_DEPTH) return { tooDeep: true, repeatedName };
        break;
      case 0x5d: // ]
      case 0x7d: // }
        depth -= 1;
        break;
      case QUOTE: {
        const start = at;
        at = endOfString(bytes, start);
        if (depth !== 1 || bytes[nextToken(bytes, at + 1)] !== COLON) break;
        const name = nameOf(bytes.toString('utf8', start, at + 1));
        repeatedName ||= names.has(name);
        names.add(name);
        break;
      }
      default:
    }
  }
  return { tooDeep: false, repeatedName };
}

/** Where the string that opens at `start` closes; past the end when it does not. */
function endOfString(bytes: Buffer, start: number): number {
  let at = start + 1;
  while (at < bytes.length && bytes[at] !== QUOTE) at += bytes[at] === BACKSLASH ? 2 : 1;
  return at;
}

function nextToken(bytes: Buffer, from: number): number {
  let at = from;
  while (bytes[at] === 0x20 || bytes[at] === 0x09 || bytes[at] === 0x0a || bytes[at] === 0x0d) at += 1;
  return at;
}

/** The name that a quoted text stands for: two spellings of one name are the same name. */
function nameOf(quoted: string): string {
  if (!quoted.includes('\\')) return quoted.slice(1, -1);
  try {
    return String(JSON.parse(quoted));
  } catch {
    return quoted;
  }
}

import { PermanentError } from '@syncline/events';
import Mustache from 'mustache';
import { textOf, type Told } from './notice';
import { undeliverable } from './undeliverable';

/** A mustache template of which every value that is put in is escaped. */
export interface Template {
  render(told: Told): string;
}

/** Makes a value's text safe where it is put. */
export type Escape = (text: string) => string;

/** For a place inside a string of JSON: what is put in stays within that string. */
export const escapeJson: Escape = (text) => JSON.stringify(text).slice(1, -1);

type Token = readonly [type: string, value: string, start: number, end: number, ...rest: unknown[]];

/** What a template may not do, by the type of its token: put values in as they are, and what has no meaning here. */
const refused: Readonly<Record<string, string>> = {
  '&': 'values without escaping ({{{…}}} and {{&…}})',
  '>': 'partials ({{>…}})',
  '=': 'other delimiters ({{=…=}})',
};

/** Prepares a template. Throws a TypeError that says what is wrong with it. */
export function compileTemplate(text: string, escape: Escape): Template {
  let tokens: Token[];
  try {
    tokens = Mustache.parse(text);
  } catch (cause) {
    throw new TypeError(`Expected a mustache template, got: ${cause instanceof Error ? cause.message : String(cause)}`, {
      cause,
    });
  }
  const found = typesIn(tokens).find((type) => Object.hasOwn(refused, type));
  if (found !== undefined) throw new TypeError(`Expected a template without ${refused[found] ?? found}`);
  return { render: (told) => Mustache.render(text, told, {}, { escape: (value: unknown) => escape(textOf(value)) }) };
}

/** The body that a template makes. Throws a PermanentError unless it is JSON where that is expected. */
export function renderBody(template: Template, told: Told, isJson: boolean): string {
  const body = template.render(told);
  if (!isJson) return body;
  try {
    JSON.parse(body);
    return body;
  } catch (cause) {
    throw new PermanentError(
      `Expected the template to make JSON of a notice ${told.type}, got none: put placeholders inside strings, where nothing but a number or boolean can come`,
      { reason: undeliverable.template, cause },
    );
  }
}

function typesIn(tokens: readonly Token[]): string[] {
  return tokens.flatMap(([type, , , , inner]) => [type, ...(Array.isArray(inner) ? typesIn(inner as Token[]) : [])]);
}

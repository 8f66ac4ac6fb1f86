import { Refusal } from './errors';

/** A query as parsed by node's querystring: a repeated name gives an array. */
export type Query = Readonly<Record<string, unknown>>;

const LIMIT_DEFAULT = 100;
const LIMIT_MAX = 1_000;
const TEXT_MAX_LENGTH = 256;

/** A query value; empty counts as absent. Refuses a name that is given more than once, and values that nothing stored can have. */
export function textOf(query: Query, name: string, maxLength = TEXT_MAX_LENGTH): string | undefined {
  const value = query[name];
  if (value === undefined || value === '') return undefined;
  if (typeof value !== 'string') throw new Refusal('invalid_request', `Expected one value for ${name}, got several`);
  if (value.length > maxLength) {
    throw new Refusal('invalid_request', `Expected at most ${maxLength} characters for ${name}, got ${value.length}`);
  }
  return value;
}

/** A query value that must be one of a vocabulary; the refusal lists it. */
export function oneOf<T extends string>(query: Query, name: string, allowed: readonly T[]): T | undefined {
  const value = textOf(query, name);
  if (value === undefined) return undefined;
  const found = allowed.find((word) => word === value);
  if (found === undefined) {
    throw new Refusal('invalid_request', `Expected ${name} to be one of ${allowed.join(', ')}, got ${JSON.stringify(value)}`);
  }
  return found;
}

/** A query value that counts from 1. */
export function wholeNumber(query: Query, name: string): number | undefined {
  const value = textOf(query, name);
  if (value === undefined) return undefined;
  const number = /^\d+$/.test(value) ? Number(value) : 0;
  if (number < 1)
    throw new Refusal('invalid_request', `Expected ${name} to be a whole number from 1, got ${JSON.stringify(value)}`);
  return number;
}

/** Items wanted on one page: 100 by default, never more than 1,000. */
export function limitOf(query: Query): number {
  return Math.min(wholeNumber(query, 'limit') ?? LIMIT_DEFAULT, LIMIT_MAX);
}

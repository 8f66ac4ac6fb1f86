import { readFileSync } from 'node:fs';
import path from 'node:path';
import { parse } from 'yaml';
import { violetTopics } from '../src';

const openApi = path.join(__dirname, '..', '..', 'testkit', 'violet-openapi', 'event-service.yaml');

/** Every list of allowed event names in the document. */
function topicEnums(node: unknown): string[][] {
  if (typeof node !== 'object' || node === null) return [];
  return Object.entries(node).flatMap(([name, value]: [string, unknown]) =>
    name === 'enum' && Array.isArray(value) && value.includes('OFFER_ADDED') ? [value.map(String)] : topicEnums(value),
  );
}

test("the topics known are exactly those of Violet's own API description", () => {
  const enums = topicEnums(parse(readFileSync(openApi, 'utf8')));
  const [largest = []] = enums.toSorted((one, other) => other.length - one.length);
  expect([...violetTopics].sort()).toEqual([...largest].sort());
  for (const topics of enums) expect(violetTopics).toEqual(expect.arrayContaining(topics));
});

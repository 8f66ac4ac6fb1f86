import fc from 'fast-check';
import type { Told } from '../src/notice';
import { escapeMrkdwn, type SlackMessage, slackMessage } from '../src/slack';
import { compileTemplate } from '../src/template';

const told = (data: Record<string, unknown>, merchantId = 'store-b', type = 'sync.failed'): Told => ({
  id: 'd'.repeat(64),
  type,
  timestamp: '2026-01-01T00:00:00.000Z',
  source: 'synctec',
  merchantId,
  data,
});

const hostile = fc.oneof(
  fc.string({ maxLength: 60 }),
  fc.constantFrom(
    '<!channel>',
    '<@U123>',
    '<https://evil.example|click>',
    '&lt;',
    '&',
    '>quote',
    'a\n>b',
    '',
    ' ',
    '\uD83D',
    '😀'.repeat(3_000),
  ),
  fc.constantFrom('<', '&', '😀', 'x').map((piece) => piece.repeat(5_000)),
);

/** What Slack refuses: https://docs.slack.dev/reference/block-kit/blocks/section-block and /context-block. */
function expectTakenBySlack({ text, blocks }: SlackMessage): void {
  expect(text.length).toBeLessThanOrEqual(4_000);
  expect(text.trim()).not.toBe('');
  expect(blocks.length).toBeLessThanOrEqual(50);
  const allTexts = blocks.flatMap((block) => (block.type === 'section' ? [block.text, ...(block.fields ?? [])] : block.elements));
  expect(allTexts.reduce((sum, one) => sum + one.text.length, 0)).toBeLessThan(13_000);
  for (const block of blocks) {
    const texts = block.type === 'section' ? [block.text, ...(block.fields ?? [])] : block.elements;
    expect(texts.length).toBeLessThanOrEqual(11);
    for (const [index, one] of texts.entries()) {
      expect(one.text.trim()).not.toBe('');
      expect(one.text.length).toBeLessThanOrEqual(block.type === 'section' && index > 0 ? 2_000 : 3_000);
      // Nothing is left that could be a mention, a link, half an entity, or half a character.
      expect(one.text).not.toMatch(/[<>]|&(?!amp;|lt;|gt;)/);
      expect(one.text).not.toMatch(/\p{Surrogate}/u);
    }
  }
}

test('whatever the data, the message is one that Slack takes, without mentions and links', () => {
  fc.assert(
    fc.property(
      fc.dictionary(hostile, fc.oneof(hostile, fc.jsonValue()), { maxKeys: 20 }),
      hostile,
      hostile,
      (data, merchantId, type) => {
        expectTakenBySlack(slackMessage(told(data, merchantId, type), undefined));
      },
    ),
    { numRuns: 30 },
  );
});

test('whatever the data, the message in words of one’s own is one that Slack takes', () => {
  const template = compileTemplate(
    '{{data.a}} {{data.b}}{{data.c}}{{data.d}}{{data.e}}{{data.f}}{{data.g}}{{data.h}}{{data.i}}',
    escapeMrkdwn,
  );
  const data = fc.record(Object.fromEntries(['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i'].map((name) => [name, hostile])));
  fc.assert(
    fc.property(data, (values) => expectTakenBySlack(slackMessage(told(values), template))),
    { numRuns: 30 },
  );
});

test('a value is one line, so that it cannot pretend to be another', () => {
  expect(escapeMrkdwn('Shoe\n*Resolved* by\r\nnobody\u2028')).toBe('Shoe *Resolved* by nobody');
});

test('the message says what happened to whom, and what else is known', () => {
  const { text, blocks } = slackMessage(
    told({ error: 'price missing', product: { title: 'Shoe' }, track: 'product', none: null }),
    undefined,
  );
  expect(text).toBe('*sync.failed* · merchant store-b of synctec');
  expect(blocks).toMatchObject([
    {
      type: 'section',
      fields: [{ text: '*error*\nprice missing' }, { text: '*product*\n{"title":"Shoe"}' }, { text: '*track*\nproduct' }],
    },
    { type: 'context' },
  ]);
});

import fc from 'fast-check';
import type { Told } from '../src/notice';
import { compileTemplate, escapeJson, renderBody } from '../src/template';

const told = (data: Record<string, unknown>): Told => ({
  id: 'id',
  type: 'sync.failed',
  timestamp: '2026-01-01T00:00:00.000Z',
  source: 'synctec',
  merchantId: 'store-b',
  data,
});

/** Texts that would end a string, a line, a template or a document. */
const hostile = fc.oneof(
  fc.string(),
  fc.string({ unit: 'binary' }),
  fc.constantFrom(
    '"',
    '\\',
    '\\"',
    '","admin":true,"x":"',
    '\u2028',
    '\0',
    '{{data}}',
    '{{{data}}}',
    '</script>',
    '\uD800',
    '\\u0022',
  ),
);

test('no value can leave the string of JSON that it is put into', () => {
  const template = compileTemplate('{"title":"[{{data.title}}]","n":{{data.n}},"safe":true}', escapeJson);
  fc.assert(
    fc.property(hostile, fc.integer(), (title, n) => {
      const body: unknown = JSON.parse(renderBody(template, told({ title, n }), true));
      expect(body).toEqual({ title: `[${title}]`, n, safe: true });
    }),
  );
});

test('any JSON value can be put into a string, and is found there again as text', () => {
  const template = compileTemplate('{"data":"{{data.value}}"}', escapeJson);
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      const { data } = JSON.parse(renderBody(template, told({ value }), true)) as { data: string };
      if (typeof value === 'string') expect(data).toBe(value);
      else if (value === null) expect(data).toBe('');
      else expect(JSON.parse(data)).toEqual(JSON.parse(JSON.stringify(value)));
    }),
  );
});

test('a value outside of a string makes JSON of the same shape, or is refused for good', () => {
  const template = compileTemplate('{"n":{{data.n}},"safe":true}', escapeJson);
  fc.assert(
    fc.property(fc.oneof(fc.jsonValue(), hostile), (n) => {
      let body: string;
      try {
        body = renderBody(template, told({ n }), true);
      } catch (error) {
        expect(error).toMatchObject({ code: 'PERMANENT', reason: 'template_invalid' });
        return;
      }
      expect(Object.keys(JSON.parse(body) as object)).toEqual(['n', 'safe']);
    }),
  );
});

test('sections repeat over a list, and what is not there is empty', () => {
  const template = compileTemplate('{"tags":"{{#data.tags}}{{.}};{{/data.tags}}","none":"{{data.absent.deeper}}"}', escapeJson);
  expect(JSON.parse(renderBody(template, told({ tags: ['a"b', 'c'] }), true))).toEqual({ tags: 'a"b;c;', none: '' });
});

test.each([
  ['{"x":"{{{data.x}}}"}', 'without escaping'],
  ['{"x":"{{&data.x}}"}', 'without escaping'],
  ['{{#data.list}}{{{.}}}{{/data.list}}', 'without escaping'],
  ['{{^data.list}}{{>other}}{{/data.list}}', 'partials'],
  ['{{=<% %>=}}<%& data.x %>', 'delimiters'],
  ['{"x":"{{data.x"}', 'Unclosed tag'],
  ['{{#data}}', 'Unclosed section'],
])('the template %s is refused', (text, problem) => {
  expect(() => compileTemplate(text, escapeJson)).toThrow(problem);
});

test('a template that does not make JSON is refused only where JSON is promised', () => {
  const template = compileTemplate('{{type}} of {{merchantId}}', (text) => text);
  expect(renderBody(template, told({}), false)).toBe('sync.failed of store-b');
  expect(() => renderBody(template, told({}), true)).toThrow('make JSON');
});

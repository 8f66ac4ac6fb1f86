import { textOf, type Told } from './notice';
import type { Template } from './template';

/**
 * What Slack takes in a message: 4,000 characters of text as it recommends, 3,000 in a section, ten fields of a section, and, which it does not
 * document, about 13,000 characters in all blocks together; the sum of the bounds stays below that.
 */
const TEXT_MAX = 4_000;
const SECTION_TEXT_MAX = 3_000;
const FIELDS_MAX = 10;
const FIELD_MAX = 700;
const CONTEXT_MAX = 2_000;
/** Of a value: a message is read at a glance. */
const VALUE_MAX = 500;

/** A message for an incoming webhook: the text for notifications, the blocks for the channel. */
export interface SlackMessage {
  readonly text: string;
  readonly blocks: readonly SlackBlock[];
}

interface Mrkdwn {
  readonly type: 'mrkdwn';
  readonly text: string;
  /** Nothing in the text is turned into a link or a mention. */
  readonly verbatim: true;
}

export type SlackBlock =
  | { readonly type: 'section'; readonly text: Mrkdwn; readonly fields?: readonly Mrkdwn[] }
  | { readonly type: 'context'; readonly elements: readonly Mrkdwn[] };

/**
 * Makes a value one line of mrkdwn that can neither mention anybody nor link anywhere: Slack asks for `&`, `<` and `>` to be written as
 * entities.
 */
export function escapeMrkdwn(text: string): string {
  return cut(
    text
      .replace(/[\s\p{Cc}]+/gu, ' ')
      .replace(/\p{Surrogate}/gu, '\uFFFD')
      .trim(),
    VALUE_MAX,
  )
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;');
}

/** The message that tells a notice: in the template's words, or its data as fields. */
export function slackMessage(told: Told, template: Template | undefined): SlackMessage {
  const { type, source, merchantId, timestamp, id } = told;
  const about = `merchant ${escapeMrkdwn(merchantId)} of ${escapeMrkdwn(source)}`;
  const worded = template?.render(told).trim() ?? '';
  const text = worded === '' ? `*${escapeMrkdwn(type)}* · ${about}` : worded;
  const context = `${timestamp} · ${id.slice(0, 12)} · ${escapeMrkdwn(type)} · ${about}`;
  const fields = template === undefined ? fieldsOf(told) : [];
  return {
    text: cutEscaped(text, TEXT_MAX),
    blocks: [
      {
        type: 'section',
        text: mrkdwn(cutEscaped(text, SECTION_TEXT_MAX)),
        ...(fields.length > 0 && { fields: fields.map((field) => mrkdwn(cutEscaped(field, FIELD_MAX))) }),
      },
      {
        type: 'context',
        elements: [mrkdwn(cutEscaped(context, CONTEXT_MAX))],
      },
    ],
  };
}

function fieldsOf({ data }: Told): string[] {
  return Object.entries(data)
    .filter(([, value]) => value !== null && value !== undefined && value !== '')
    .slice(0, FIELDS_MAX)
    .map(([name, value]) => `*${escapeMrkdwn(name)}*\n${escapeMrkdwn(textOf(value))}`);
}

function mrkdwn(text: string): Mrkdwn {
  return { type: 'mrkdwn', text, verbatim: true };
}

/** At most so many characters, and no half of a surrogate pair. */
function cut(text: string, most: number): string {
  return text.length <= most ? text : `${text.slice(0, most - 1).replace(/[\uD800-\uDBFF]$/, '')}…`;
}

/** The same, and no half of an entity. */
function cutEscaped(text: string, most: number): string {
  return text.length <= most
    ? text
    : `${cut(text, most)
        .slice(0, -1)
        .replace(/&[a-z]{0,3}$/, '')}…`;
}

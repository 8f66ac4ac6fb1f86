import { PermanentError, type Event } from '@syncline/events';
import type { PayloadSchema } from './handler';

const PROBLEMS_SHOWN = 5;

/** The event's body as JSON. Throws a PermanentError with the reason `unparseable` when it is none. */
export function parseBody(event: Event): unknown {
  if (event.bodyEncoding === 'base64') {
    throw new PermanentError(`Expected the body of ${event.topic} to be JSON, got bytes that are not valid UTF-8`, {
      reason: 'unparseable',
    });
  }
  try {
    return JSON.parse(event.body);
  } catch (cause) {
    throw new PermanentError(`Expected the body of ${event.topic} to be JSON, got: ${messageOf(cause)}`, {
      reason: 'unparseable',
      cause,
    });
  }
}

/** What the schema makes of a payload. Throws a PermanentError with the reason `invalid` when it refuses. */
export function checkPayload<Payload>(
  schema: PayloadSchema<Payload>,
  payload: unknown,
  topic: string,
): Payload | Promise<Payload> {
  if (!('safeParse' in schema)) return parseWith(schema, payload, topic);
  const result = schema.safeParse(payload);
  if (result.success) return result.data;
  throw invalid(topic, result.error);
}

function parseWith<Payload>(
  schema: { parse(value: unknown): Payload | Promise<Payload> },
  payload: unknown,
  topic: string,
): Payload | Promise<Payload> {
  const refuse = (cause: unknown): never => {
    throw invalid(topic, cause);
  };
  try {
    const made = schema.parse(payload);
    return made instanceof Promise ? made.catch(refuse) : made;
  } catch (cause) {
    return refuse(cause);
  }
}

function invalid(topic: string, cause: unknown): PermanentError {
  return new PermanentError(`Expected a valid payload of ${topic}, got: ${problemsOf(cause)}`, { reason: 'invalid', cause });
}

interface Issue {
  readonly message: string;
  readonly path?: readonly PropertyKey[];
}

/** A schema's complaint in one line, each problem with the path that it is about. */
function problemsOf(error: unknown): string {
  const issues =
    typeof error === 'object' && error !== null && 'issues' in error && Array.isArray(error.issues)
      ? (error.issues as Issue[])
      : [];
  if (issues.length === 0) return messageOf(error);
  const shown = issues.slice(0, PROBLEMS_SHOWN).map(({ path = [], message }) => {
    const lower = message.replace(/^Invalid input: /, '');
    return path.length === 0 ? lower : `${path.map(String).join('.')}: ${lower}`;
  });
  const more = issues.length - shown.length;
  return shown.join('; ') + (more > 0 ? `; and ${more} more` : '');
}

function messageOf(thrown: unknown): string {
  return thrown instanceof Error ||
    (typeof thrown === 'object' && thrown !== null && 'message' in thrown && typeof thrown.message === 'string')
    ? String(thrown.message)
    : String(thrown);
}

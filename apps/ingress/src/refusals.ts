/** Every code that an error answer can carry, with its HTTP status and message. docs/errors.md says what to do about each. */
export const refusals = {
  not_found: { status: 404, message: 'Nothing is served at this path. Webhooks are received at /webhooks/{source}.' },
  unknown_source: { status: 404, message: 'No such source is open. A source opens when its secret is configured.' },
  method_not_allowed: { status: 405, message: 'Expected POST.' },
  signature_missing: { status: 401, message: "Expected the sender's signature headers, got none or only some." },
  signature_invalid: { status: 401, message: 'Expected a signature over the raw body with a current secret, got another.' },
  content_encoding_unsupported: { status: 415, message: 'Expected a body without content encoding: it is verified as sent.' },
  body_too_large: { status: 413, message: 'Expected a smaller body: it is over BODY_LIMIT_BYTES.' },
  body_incomplete: { status: 400, message: 'Expected as many body bytes as announced, got fewer.' },
  store_full: { status: 503, message: 'The store has no room. Nothing was kept: send it again later.' },
  overloaded: { status: 503, message: 'Too many deliveries are waiting to be stored. Nothing was kept: send it again later.' },
  store_timeout: { status: 503, message: 'The event could not be made durable in time. Send it again later.' },
  unavailable: { status: 503, message: 'The delivery could not be handled. Send it again later.' },
} as const satisfies Readonly<Record<string, { status: number; message: string }>>;

export type RefusalCode = keyof typeof refusals;

/** Why a genuine delivery is kept as a dead letter instead of an event in its merchant's lane. */
export const quarantineReasons = [
  'unparseable',
  'too_deep',
  'topic_missing',
  'topic_invalid',
  'merchant_missing',
  'merchant_invalid',
] as const;
export type QuarantineReason = (typeof quarantineReasons)[number];

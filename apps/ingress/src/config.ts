import { parseRedisUrl } from '@syncline/lanes';
import { commonFields, dedupFields, fields, redisFields } from '@syncline/runtime';
import { senders, signatureEncodings } from '@syncline/senders';
import * as z from 'zod';
import type { OpenSource } from './receive';

const MIB = 1024 * 1024;

const pointer = (defaultPointer: string) =>
  z
    .string()
    .default(defaultPointer)
    .refine((text) => /^(\/([^~]|~[01])*)+$/.test(text), {
      error: `Expected a JSON pointer like ${defaultPointer}. Correct it, or unset it for that one.`,
    });

const secretVariables = [
  'VIOLET_APP_SECRET',
  'PROPEXO_WEBHOOK_SECRET',
  'SYNCTEC_WEBHOOK_SECRET',
  'STANDARD_WEBHOOKS_SECRET',
] as const;

const isStandardSecret = (secret: string): boolean =>
  /^(whsec_)?(?:[A-Za-z0-9+/]{4})+(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/.test(secret);

/** The variables of the ingress. */
export const ingressConfig = z
  .object({
    ...commonFields,
    ...redisFields(parseRedisUrl),
    ...dedupFields,
    INGRESS_PORT: fields.port(8080),
    BODY_LIMIT_BYTES: fields.integer({ default: 5 * MIB, min: 1, max: 64 * MIB }),
    ACCEPT_TIMEOUT_MS: fields.milliseconds(8_000, { min: 100, max: 120_000 }),
    ACCEPT_TRY_TIMEOUT_MS: fields.milliseconds(1_500, { min: 10, max: 120_000 }),
    ACCEPT_WAIT_REPLICAS: fields.integer({ default: 0, min: 0, max: 10 }),
    STORE_MAX_BYTES: fields.integer({ default: 0, min: 0, max: Number.MAX_SAFE_INTEGER }),
    VIOLET_APP_SECRET: fields.list(),
    VIOLET_SIGNATURE_ENCODING: fields.choice(signatureEncodings, 'base64'),
    PROPEXO_WEBHOOK_SECRET: fields.list(),
    SYNCTEC_WEBHOOK_SECRET: fields.list(),
    STANDARD_WEBHOOKS_SECRET: fields.list().refine((secrets) => secrets.every(isStandardSecret), {
      error: 'Expected each secret as whsec_ and base64, got another form (not shown). Copy it from the sender as it is.',
    }),
    STANDARD_MERCHANT_POINTER: pointer('/data/merchant_id'),
    STANDARD_TOPIC_POINTER: pointer('/type'),
  })
  .refine(
    (config: Partial<Record<(typeof secretVariables)[number], string[]>>) =>
      secretVariables.some((variable) => (config[variable]?.length ?? 0) > 0),
    {
      // Also beside other problems: all are told at once.
      when: () => true,
      path: ['VIOLET_APP_SECRET'],
      error:
        'Expected the secret of at least one source, got none: every delivery would be refused. Set VIOLET_APP_SECRET, PROPEXO_WEBHOOK_SECRET, SYNCTEC_WEBHOOK_SECRET or STANDARD_WEBHOOKS_SECRET.',
    },
  );

export type IngressConfig = z.output<typeof ingressConfig>;

/** The sources that have a secret. */
export function openSources(config: IngressConfig): OpenSource[] {
  const known: readonly OpenSource[] = [
    {
      sender: senders.violet,
      settings: { secrets: config.VIOLET_APP_SECRET, signatureEncoding: config.VIOLET_SIGNATURE_ENCODING },
    },
    { sender: senders.propexo, settings: { secrets: config.PROPEXO_WEBHOOK_SECRET } },
    { sender: senders.synctec, settings: { secrets: config.SYNCTEC_WEBHOOK_SECRET } },
    {
      sender: senders.standard,
      settings: {
        secrets: config.STANDARD_WEBHOOKS_SECRET,
        merchantPointer: config.STANDARD_MERCHANT_POINTER,
        topicPointer: config.STANDARD_TOPIC_POINTER,
      },
    },
  ];
  return known.filter(({ settings }) => settings.secrets.length > 0);
}

import { createHmac, timingSafeEqual } from 'node:crypto';
import type { Headers, SenderSettings, SignatureEncoding } from './sender';

/** 32 bytes in canonical base64: alphabet, padding, and no stray bits in the last digit. `Buffer.from` checks none of these. */
const CANONICAL_BASE64 = /^[A-Za-z0-9+/]{42}[AEIMQUYcgkosw048]=$/;
const HEX = /^[0-9A-Fa-f]{64}$/;

/** The 32 bytes of a written SHA-256 signature; undefined when it is not exactly that form. */
export function decodeSignature(text: string, encoding: SignatureEncoding): Buffer | undefined {
  return (encoding === 'hex' ? HEX : CANONICAL_BASE64).test(text) ? Buffer.from(text, encoding) : undefined;
}

/** HMAC-SHA256 over the parts in sequence: 32 bytes. A text key or part counts as UTF-8. */
export function hmacSha256(key: string | Buffer, ...parts: readonly (string | Buffer)[]): Buffer {
  const hmac = createHmac('sha256', key);
  for (const part of parts) hmac.update(part);
  return hmac.digest();
}

/** True when any signature equals the digest under any key. Every pair is compared, so the time tells nothing of which one matched. */
export function matchesAny(
  signatures: readonly Buffer[],
  keys: readonly (string | Buffer)[],
  digest: (key: string | Buffer) => Buffer,
): boolean {
  let matches = false;
  for (const key of keys) {
    if (key.length === 0) continue;
    const expected = digest(key);
    for (const signature of signatures) {
      const equal = signature.length === expected.length && timingSafeEqual(signature, expected);
      matches = equal || matches;
    }
  }
  return matches;
}

/** The header's text, trimmed; undefined when it is missing or empty. */
export function headerText(headers: Headers, name: string): string | undefined {
  const value = headers[name];
  return typeof value === 'string' && value.trim() !== '' ? value.trim() : undefined;
}

/** The secret that signs: the first. Throws a RangeError without one. */
export function signingSecret(settings: SenderSettings): string {
  const secret = settings.secrets.find((candidate) => candidate !== '');
  if (secret === undefined) throw new RangeError('Expected a secret to sign with, got none');
  return secret;
}

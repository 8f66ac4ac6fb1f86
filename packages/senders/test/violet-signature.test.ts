import { createHmac } from 'node:crypto';
import { type SenderSettings, violet } from '../src';
import { vector } from './vectors';

const { body, secret, expected } = vector('violet-sync');

function verifies(
  hmac: string | readonly string[] | undefined,
  settings: Partial<SenderSettings> = {},
  bytes: string | Buffer = body,
): boolean {
  const headers = hmac === undefined ? {} : { 'x-violet-hmac': hmac };
  return violet.verify({ headers, body: Buffer.from(bytes) }, { secrets: [secret], ...settings }, 0);
}

describe('a genuine signature', () => {
  test.each([
    'violet-sync',
    'violet-utf8',
    'violet-spaced',
    'violet-empty-object',
    'shopify-lib',
    'convoy-b64',
    'storelink-base64',
  ])('verifies over the raw bytes: %s', (name) => {
    const sample = vector(name);
    expect(verifies(sample.expected, { secrets: [sample.secret] }, sample.body)).toBe(true);
  });

  test('in hex verifies when hex is configured, in either case', () => {
    const sample = vector('convoy-hex');
    const settings = { secrets: [sample.secret], signatureEncoding: 'hex' } as const;
    expect(verifies(sample.expected, settings, sample.body)).toBe(true);
    expect(verifies(sample.expected.toUpperCase(), settings, sample.body)).toBe(true);
  });

  test('verifies with any of several secrets', () => {
    expect(verifies(expected, { secrets: ['older', secret] })).toBe(true);
    expect(verifies(expected, { secrets: [secret, 'newer'] })).toBe(true);
  });

  test('verifies over bytes that are no text', () => {
    const bytes = Buffer.from([0xff, 0xfe, 0x00, 0xc3, 0x28]);
    const signed = violet.sign({ eventId: '1', topic: 'OFFER_ADDED', body: bytes }, { secrets: [secret] });
    expect(verifies(signed['X-Violet-Hmac'], {}, bytes)).toBe(true);
  });

  test('verifies over an empty body', () => {
    const signed = violet.sign({ eventId: '1', topic: 'OFFER_ADDED', body: '' }, { secrets: [secret] });
    expect(verifies(signed['X-Violet-Hmac'], {}, '')).toBe(true);
  });
});

describe('a signature does not verify, and nothing is thrown,', () => {
  const hexForm = Buffer.from(expected, 'base64').toString('hex');
  const lastDigit = expected.charAt(42);
  const strayBits = String.fromCharCode(lastDigit.charCodeAt(0) + 1);

  test.each<[string, string | readonly string[] | undefined]>([
    ['when it is missing', undefined],
    ['when it is empty', ''],
    ['when it is one character', 'x'],
    ['when it is short', 'AAAA'],
    ['when it is of another body', vector('violet-spaced').expected],
    ['when a byte is cut off', Buffer.from(expected, 'base64').subarray(0, 31).toString('base64')],
    ['when a byte is added', Buffer.concat([Buffer.from(expected, 'base64'), Buffer.from([0])]).toString('base64')],
    ['when it is no base64', '!'.repeat(44)],
    ['when it is multi-byte', 'é'.repeat(44)],
    ['when it is multi-byte beyond the basic plane', '😀'.repeat(22)],
    ['when it is URL-safe', expected.replaceAll('+', '-').replaceAll('/', '_')],
    ['when it lacks its padding', expected.slice(0, -1)],
    ['when it has padding to spare', `${expected}=`],
    ['when junk follows it', `${expected}junk`],
    ['when a line break follows it', `${expected}\n`],
    ['when a space is in front of it', ` ${expected}`],
    ['when its last digit has stray bits', `${expected.slice(0, 42)}${strayBits}=`],
    ['when it has a prefix', `sha256=${expected}`],
    ['when it is hex and base64 is configured', hexForm],
    ['when the header came twice', `${expected}, ${expected}`],
    ['when the header is a list', [expected, expected]],
    ['when it is very long', 'A'.repeat(100_000)],
  ])('%s', (_claim, hmac) => {
    expect(verifies(hmac)).toBe(false);
  });

  test('when base64 comes and hex is configured', () => {
    expect(verifies(expected, { signatureEncoding: 'hex' })).toBe(false);
    expect(verifies(hexForm.slice(1), { signatureEncoding: 'hex' })).toBe(false);
    expect(verifies(`${hexForm}0`, { signatureEncoding: 'hex' })).toBe(false);
    expect(verifies(`g${hexForm.slice(1)}`, { signatureEncoding: 'hex' })).toBe(false);
  });

  test('when one byte of the body differs', () => {
    expect(verifies(expected, {}, body.replace('10042', '10043'))).toBe(false);
    expect(verifies(expected, {}, `${body} `)).toBe(false);
  });

  test('when the body was parsed and written again', () => {
    const spaced = vector('violet-spaced');
    expect(verifies(spaced.expected, {}, JSON.stringify(JSON.parse(spaced.body)))).toBe(false);
  });

  test('when no secret is right, or there is none', () => {
    expect(verifies(expected, { secrets: ['older', 'newer'] })).toBe(false);
    expect(verifies(expected, { secrets: [] })).toBe(false);
  });

  test('when it was made with an empty secret, even if one is configured', () => {
    const forged = createHmac('sha256', '').update(body).digest('base64');
    expect(verifies(forged, { secrets: [''] })).toBe(false);
  });
});

test('the content type has no say in verification', () => {
  const headers = { 'x-violet-hmac': expected, 'content-type': 'text/plain; charset=utf-16' };
  expect(violet.verify({ headers, body: Buffer.from(body) }, { secrets: [secret] }, 0)).toBe(true);
});

test('signing without a secret is refused', () => {
  expect(() => violet.sign({ eventId: '1', topic: 'OFFER_ADDED', body }, { secrets: [] })).toThrow(RangeError);
});

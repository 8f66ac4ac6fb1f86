import type { LookupAddress } from 'node:dns';
import { hostOf, isPublicAddress, lookupFor, type ResolveHost } from '../src/address';

test.each([
  '93.184.215.14',
  '8.8.8.8',
  '172.32.0.1',
  '100.128.0.1',
  '2606:2800:21f:cb07:6820:80da:af6b:8b2c',
  '2a00:1450:4001:82a::200e',
  '::ffff:8.8.8.8',
  '64:ff9b::8.8.8.8',
])('%s is public', (address) => {
  expect(isPublicAddress(address)).toBe(true);
});

test.each([
  ['private', '10.0.0.1'],
  ['private', '172.16.0.1'],
  ['private', '172.31.255.255'],
  ['private', '192.168.1.1'],
  ['loopback', '127.0.0.1'],
  ['loopback', '127.255.255.254'],
  ['loopback', '::1'],
  ['link-local', '169.254.169.254'],
  ['link-local', 'fe80::1'],
  ['link-local with a zone', 'fe80::1%eth0'],
  ['unique-local', 'fd00:ec2::254'],
  ['site-local', 'fec0::1'],
  ['shared', '100.64.0.1'],
  ['shared', '100.127.255.255'],
  ['multicast', '224.0.0.1'],
  ['multicast', 'ff02::1'],
  ['broadcast', '255.255.255.255'],
  ['unspecified', '0.0.0.0'],
  ['of this network', '0.1.2.3'],
  ['unspecified', '::'],
  ['for documentation', '192.0.2.1'],
  ['for documentation', '2001:db8::1'],
  ['for benchmarks', '198.18.0.1'],
  ['reserved', '240.0.0.1'],
  ['mapped loopback', '::ffff:127.0.0.1'],
  ['mapped loopback in hexadecimal', '::ffff:7f00:1'],
  ['mapped metadata service', '::ffff:169.254.169.254'],
  ['IPv4-compatible', '::127.0.0.1'],
  ['IPv4-translated', '::ffff:0:127.0.0.1'],
  ['behind NAT64 and private', '64:ff9b::10.0.0.1'],
  ['behind NAT64 and loopback', '64:ff9b::7f00:1'],
  ['behind a local NAT64', '64:ff9b:1::8.8.8.8'],
  ['6to4', '2002:7f00:1::'],
  ['Teredo', '2001:0:4136:e378:8000:63bf:3fff:fdd2'],
  ['discarded', '100::1'],
  ['no address', 'localhost'],
  ['no address', '0x7f000001'],
  ['no address', '127.1'],
  ['no address', ''],
])('an address that is %s is not public: %s', (_what, address) => {
  expect(isPublicAddress(address)).toBe(false);
});

test.each([
  ['https://[::1]:8080/x', '::1'],
  ['https://LocalHost./', 'localhost'],
  ['https://0x7f.1/', '127.0.0.1'],
  ['https://2130706433/', '127.0.0.1'],
  ['https://0177.0.0.1/', '127.0.0.1'],
  ['https://[::ffff:127.0.0.1]/', '::ffff:7f00:1'],
])('the host of %s is compared as %s', (url, host) => {
  expect(hostOf(new URL(url))).toBe(host);
});

describe('looking up a host', () => {
  const resolving =
    (...addresses: string[]): ResolveHost =>
    (_host, _options, done) =>
      done(
        null,
        addresses.map((address): LookupAddress => ({ address, family: address.includes(':') ? 6 : 4 })),
      );

  const lookUp = (resolve: ResolveHost, allowPrivate: boolean, all: boolean) =>
    new Promise((settle) => {
      lookupFor(resolve, { allowPrivate })('hook.example', { all }, (error, address) => settle(error ?? address));
    });

  it.each([true, false])('refuses a host of which a single address is not public (all: %s)', async (all) => {
    expect(await lookUp(resolving('8.8.8.8', '10.0.0.1'), false, all)).toMatchObject({
      code: 'PERMANENT',
      reason: 'destination_private',
      message: expect.stringContaining('got 10.0.0.1'),
    });
  });

  it('gives exactly the addresses that were looked at', async () => {
    expect(await lookUp(resolving('8.8.8.8', '8.8.4.4'), false, true)).toEqual([
      { address: '8.8.8.8', family: 4 },
      { address: '8.8.4.4', family: 4 },
    ]);
    expect(await lookUp(resolving('8.8.8.8', '8.8.4.4'), false, false)).toBe('8.8.8.8');
  });

  it('gives private addresses where they are allowed', async () => {
    expect(await lookUp(resolving('127.0.0.1'), true, false)).toBe('127.0.0.1');
  });

  it('fails where nothing is found, without calling that for good', async () => {
    expect(await lookUp(resolving(), false, true)).not.toHaveProperty('code', 'PERMANENT');
    const failing: ResolveHost = (_host, _options, done) => done(Object.assign(new Error('no'), { code: 'EAI_AGAIN' }), []);
    expect(await lookUp(failing, false, true)).toMatchObject({ code: 'EAI_AGAIN' });
  });
});

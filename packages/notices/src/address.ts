import type { LookupAddress, LookupOptions } from 'node:dns';
import { isIP, type LookupFunction } from 'node:net';
import { PermanentError } from '@syncline/events';
import * as ipaddr from 'ipaddr.js';
import { undeliverable } from './undeliverable';

/** Finds the addresses of a host name, as `dns.lookup` of Node does with `all`. */
export type ResolveHost = (
  host: string,
  options: LookupOptions & { all: true },
  done: (error: NodeJS.ErrnoException | null, addresses: LookupAddress[]) => void,
) => void;

const globalIpv6: [ipaddr.IPv6, number] = [ipaddr.IPv6.parse('2000::'), 3];
const nat64: [ipaddr.IPv6, number] = [ipaddr.IPv6.parse('64:ff9b::'), 96];

/**
 * True for an address that belongs to the public internet. False for private, loopback, link-local, unique-local, shared (CGNAT),
 * multicast, unspecified, documentation and all other special ones, whatever they are wrapped in, and for what is no address.
 */
export function isPublicAddress(text: string): boolean {
  if (isIP(text) === 0) return false;
  const address = ipaddr.parse(text);
  if (address instanceof ipaddr.IPv4) return address.range() === 'unicast';
  if (address.isIPv4MappedAddress()) return address.toIPv4Address().range() === 'unicast';
  if (address.match(nat64)) return new ipaddr.IPv4(address.toByteArray().slice(12)).range() === 'unicast';
  return address.match(globalIpv6) && address.range() === 'unicast';
}

/** A URL's host as it is compared with names that are allowed: lower case, without brackets and without the dot of the root. */
export function hostOf(url: URL): string {
  const host = url.hostname.toLowerCase();
  return host.startsWith('[') ? host.slice(1, -1) : host.replace(/\.$/, '');
}

/**
 * What looks up a connection's host. Unless private addresses are allowed it refuses, with a PermanentError, a host that has any address
 * which is not public. The addresses that were looked at are those that are connected to: a name that changes its address gains nothing.
 */
export function lookupFor(resolve: ResolveHost, { allowPrivate }: { readonly allowPrivate: boolean }): LookupFunction {
  return (host, options, done) => {
    resolve(host, { ...options, all: true }, (error, addresses) => {
      const [first] = addresses ?? [];
      if (error !== null || first === undefined) return done(error ?? new Error(`Expected an address of ${host}, got none`), []);
      const refused = allowPrivate ? undefined : addresses.find(({ address }) => !isPublicAddress(address));
      if (refused !== undefined) return done(privateAddress(host, refused.address), []);
      if (options.all === true) done(null, addresses);
      else done(null, first.address, first.family);
    });
  };
}

export function privateAddress(host: string, address: string): PermanentError {
  return new PermanentError(
    `Expected ${host} to have only public addresses, got ${address}. If it is meant to be reached, name it in allowPrivateHosts.`,
    { reason: undeliverable.address },
  );
}

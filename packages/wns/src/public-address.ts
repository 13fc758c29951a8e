import type { LookupAddress, LookupOptions } from 'node:dns'
import { lookup as systemLookup } from 'node:dns'
import { BlockList, isIP } from 'node:net'
import { ConnectError } from './connect-error.ts'

/** `dns.lookup` with a list as its result, so that tests and other resolvers can replace it. */
export type Lookup = (
  hostname: string,
  options: LookupOptions & { all: true },
  callback: (error: NodeJS.ErrnoException | null, addresses: LookupAddress[]) => void,
) => void

// Addresses that no name of the public internet resolves to (IANA special-purpose registries). A channel host that does
// is an attack on the metadata service or on the network of this process.
// Two lists: one list would apply the rule for mapped addresses to IPv4 addresses.
const notPublic4 = new BlockList()
const notPublic6 = new BlockList()
for (const [network, prefix] of [
  ['0.0.0.0', 8], // this network
  ['10.0.0.0', 8], // private
  ['100.64.0.0', 10], // carrier-grade NAT
  ['127.0.0.0', 8], // loopback
  ['168.63.129.16', 32], // the host of an Azure machine: DHCP, DNS, agent
  ['169.254.0.0', 16], // link-local, cloud metadata
  ['172.16.0.0', 12], // private
  ['192.0.0.0', 24], // protocol assignments
  ['192.0.2.0', 24], // documentation
  ['192.88.99.0', 24], // 6to4 relays
  ['192.168.0.0', 16], // private
  ['198.18.0.0', 15], // benchmarks
  ['198.51.100.0', 24], // documentation
  ['203.0.113.0', 24], // documentation
  ['224.0.0.0', 4], // multicast
  ['240.0.0.0', 4], // reserved, broadcast
] as const)
  notPublic4.addSubnet(network, prefix, 'ipv4')
// Of IPv6 only 2000::/3 is assigned; inside it, these ranges are not public.
for (const [network, prefix] of [
  ['::', 3], // unspecified, loopback, v4-mapped, v4-compatible, NAT64 (64:ff9b::/96) and 6bone remains
  ['4000::', 2],
  ['8000::', 1], // unique local, link-local, site-local, multicast
  ['2001::', 23], // protocol assignments: Teredo, ORCHID, benchmarks
  ['2001:db8::', 32], // documentation
  ['2002::', 16], // 6to4 carries any IPv4 address
  ['3fff::', 20], // documentation
] as const)
  notPublic6.addSubnet(network, prefix, 'ipv6')

/** Is this literal address part of the public internet? False for a text that is no address. */
export function isPublicAddress(address: string): boolean {
  const family = isIP(address)
  if (family === 0 || address.includes('%')) return false
  return family === 4 ? !notPublic4.check(address, 'ipv4') : !notPublic6.check(address, 'ipv6')
}

/**
 * A lookup that returns public addresses only, and an error if any address of a name is not public: a name with both
 * kinds is a rebinding attempt.
 */
export function publicLookup(lookup: Lookup = systemLookup) {
  return (
    hostname: string,
    options: LookupOptions,
    callback: (error: NodeJS.ErrnoException | null, address: string | LookupAddress[], family?: number) => void,
  ): void => {
    lookup(hostname, { ...options, all: true }, (error, addresses) => {
      if (error !== null) return callback(error, [])
      const [first] = addresses
      if (first === undefined) return callback(new ConnectError('no-address', 'the name has no address'), [])
      if (!addresses.every(({ address }) => isPublicAddress(address)))
        return callback(new ConnectError('private-address', 'the name resolves to an address that is not public'), [])
      if (options.all === true) callback(null, addresses)
      else callback(null, first.address, first.family)
    })
  }
}

/** Lists of networks: each an IP address, or a CIDR like `10.0.0.0/8` or `2001:db8::/32`. */
import { BlockList, isIP, isIPv6 } from 'node:net'

const familyOf = (address: string) => (isIPv6(address) ? 'ipv6' : 'ipv4')

const BITS = /^(?:0|[1-9][0-9]{0,2})$/

export function isNetwork(text: string): boolean {
  const [address = '', bits, ...rest] = text.split('/')
  // Nothing that connects has the address of a zone.
  if (rest.length > 0 || isIP(address) === 0 || address.includes('%')) return false
  return bits === undefined || (BITS.test(bits) && Number(bits) <= (isIPv6(address) ? 128 : 32))
}

/** Whether an address is in one of the networks: a text that is no address is in none. An IPv4 address that is mapped to IPv6 counts as the IPv4 address. Throws if a text is no network. */
export function createNetworks(networks: readonly string[]): (address: string) => boolean {
  const list = new BlockList()
  for (const network of networks) {
    const [address = '', bits] = network.split('/')
    if (bits === undefined) list.addAddress(address, familyOf(address))
    else list.addSubnet(address, Number(bits), familyOf(address))
  }
  // A connection that is gone has no address any more.
  return (address) => isIP(address) !== 0 && list.check(address, familyOf(address))
}

/** The host of a lease, in the form of the header `Host`. */
import type { Lease } from '../tokens/serve/lease.ts'

/** A hit parses no URL. */
const hosts = new WeakMap<Lease, string>()

/** With the port, unless it is the one of the scheme. */
export function hostOf(lease: Lease): string {
  const known = hosts.get(lease)
  if (known !== undefined) return known
  const { host } = new URL(lease.instanceUrl)
  hosts.set(lease, host)
  return host
}

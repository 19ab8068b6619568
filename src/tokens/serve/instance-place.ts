/** The place of a lease: the host as in the header `Host`, and the origin of its URLs. */
import type { Lease } from './lease.ts'

interface Place {
  readonly host: string
  readonly origin: string
}

/** A hit parses no URL. */
const places = new WeakMap<Lease, Place>()

function placeOf(lease: Lease): Place {
  const known = places.get(lease)
  if (known !== undefined) return known
  const { host, origin } = new URL(lease.instanceUrl)
  const place = { host, origin }
  places.set(lease, place)
  return place
}

/** With the port, unless it is the one of the scheme. */
export const hostOf = (lease: Lease): string => placeOf(lease).host

/** Scheme, host, and the port unless it is the one of the scheme. Without a path. */
export const originOf = (lease: Lease): string => placeOf(lease).origin

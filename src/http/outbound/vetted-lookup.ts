import type { LookupFunction } from 'node:net'
import { isPublicAddress } from '../address.ts'

/** One address of a host, as the resolver gives it. */
export interface ResolvedAddress {
  readonly address: string
  /** 4 or 6. */
  readonly family: number
}

/** Code of the error by which a lookup refuses what it found. */
export const ADDRESS_REFUSED = 'ERR_ADDRESS_REFUSED'

/**
 * Resolves once, judges every address, and hands the judged ones to the connection: a name that
 * changes between a check and the connection (DNS rebinding) gains nothing.
 */
export function vettedLookup(
  resolve: (hostname: string) => Promise<readonly ResolvedAddress[]>,
): LookupFunction {
  return (hostname, options, callback) => {
    resolve(hostname).then(
      (addresses) => {
        const [first] = addresses
        if (first === undefined || !addresses.every(({ address }) => isPublicAddress(address))) {
          const refused = new Error(`${hostname} has an address that is not public, or none`)
          callback(Object.assign(refused, { code: ADDRESS_REFUSED }), '', 0)
        } else if (options.all) callback(null, [...addresses])
        else callback(null, first.address, first.family)
      },
      (error: NodeJS.ErrnoException) => callback(error, '', 0),
    )
  }
}

import type { LookupFunction } from 'node:net'
import { isPublicAddress } from '../address.ts'

/** One resolved address of a host. */
export interface ResolvedAddress {
  readonly address: string
  /** 4 or 6. */
  readonly family: number
}

/** Error code of a lookup that refuses the address. */
export const ADDRESS_REFUSED = 'ERR_ADDRESS_REFUSED'

/**
 * Resolves once, checks every address, and gives only these addresses to the connection. So DNS
 * rebinding has no effect.
 */
export function vettedLookup(
  resolve: (hostname: string) => Promise<readonly ResolvedAddress[]>,
): LookupFunction {
  return (hostname, options, callback) => {
    resolve(hostname).then(
      (addresses) => {
        const [first] = addresses
        if (first === undefined || !addresses.every(({ address }) => isPublicAddress(address))) {
          const refused = new Error(`${hostname} has no address, or one that is not public`)
          callback(Object.assign(refused, { code: ADDRESS_REFUSED }), '', 0)
        } else if (options.all) callback(null, [...addresses])
        else callback(null, first.address, first.family)
      },
      (error: NodeJS.ErrnoException) => callback(error, '', 0),
    )
  }
}

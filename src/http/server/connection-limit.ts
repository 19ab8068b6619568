/** Limits the open connections of one address and closes any above the limit. */

import type { Server, Socket } from 'node:net'
import type { Log } from '../../runtime/runtime.ts'
import { networkOf } from '../address.ts'
import { createNetworks } from '../networks.ts'

interface ConnectionLimitOptions {
  /** A /64 of IPv6 counts as one address. */
  readonly perAddress: number
  /** CIDRs of proxies, which serve many clients and are not counted. */
  readonly except: readonly string[]
  readonly log: Pick<Log, 'warn'>
}

/** Must be called before the server listens. */
export function limitConnections(server: Server, options: ConnectionLimitOptions): void {
  const { perAddress, except, log } = options
  const isProxy = createNetworks(except)
  const open = new Map<string, number>()
  /** Addresses that were logged. Each is removed when it is below its limit again. */
  const named = new Set<string>()

  server.on('connection', (socket: Socket) => {
    const { remoteAddress: address } = socket
    if (address === undefined || isProxy(address)) return
    const network = networkOf(address)
    const count = (open.get(network) ?? 0) + 1
    open.set(network, count)
    socket.once('close', () => {
      const left = (open.get(network) ?? 1) - 1
      if (left === 0) open.delete(network)
      else open.set(network, left)
      if (left < perAddress) named.delete(network)
    })
    if (count <= perAddress) return
    socket.destroy()
    if (named.has(network)) return
    named.add(network)
    log.warn(
      { address: network, connections: perAddress },
      'an address has reached its limit of connections',
    )
  })
}

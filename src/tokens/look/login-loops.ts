/** Notices a client that logs in again and again: the same principal, network and token more than 20 times in two seconds. */
import type { Socket } from 'node:net'
import { networkOf } from '../../http/address.ts'

interface Client {
  readonly principalId: string
  readonly address: string
  readonly tokenId: string
}

export interface LoginLoop {
  /** Since when, by the monotonic clock. */
  readonly since: number
  /** The client is refused for so long. */
  readonly restMs: number
}

/** The logins of one principal at one network with one token. */
interface Trail {
  readonly at: number[]
  readonly sockets: (WeakRef<Socket> | undefined)[]
  /** Place of the oldest login. */
  next: number
  /** Logins without a pause. */
  run: number
  since: number
  refusedUntil: number
  toldAt: number
}

const LOGINS = 20
const WINDOW_MS = 2_000
const REFUSED_MS = 30_000
/** One client needs no more connections. More of them are more processes, which may all start at once. */
const CONNECTIONS = 4
/** Processes that start at once and close their connection: as many are no loop. */
const PROCESSES = 100
/** A loop that goes on is told at this interval. */
const TOLD_MS = 3_600_000
/** Most remembered trails. The oldest is forgotten first. */
const TRAILS = 10_000

/** `monotonic`: monotonic clock, in milliseconds. */
export function createLoginLoops(monotonic: () => number) {
  /** By token, principal and network. One key of all three would cost more than the rest of a login's part here. */
  const trails = new Map<string, Map<string, Map<string, Trail>>>()
  let count = 0
  /** One reference for each socket, so that equal ones can be counted. */
  const references = new WeakMap<Socket, WeakRef<Socket>>()

  const referenceTo = (socket: Socket): WeakRef<Socket> => {
    const known = references.get(socket)
    if (known) return known
    const reference = new WeakRef(socket)
    references.set(socket, reference)
    return reference
  }

  /** The first one of the oldest principal of the oldest token. */
  const forgetOldest = (): void => {
    for (const [tokenId, ofToken] of trails) {
      for (const [principalId, ofPrincipal] of ofToken) {
        const [network = ''] = ofPrincipal.keys()
        ofPrincipal.delete(network)
        if (ofPrincipal.size === 0) ofToken.delete(principalId)
        if (ofToken.size === 0) trails.delete(tokenId)
        count -= 1
        return
      }
    }
  }

  const trailOf = ({ tokenId, principalId, address }: Client): Trail => {
    const network = networkOf(address)
    const known = trails.get(tokenId)?.get(principalId)?.get(network)
    if (known) return known
    if (count >= TRAILS) forgetOldest()
    const trail: Trail = {
      at: Array.from({ length: LOGINS }, () => Number.NEGATIVE_INFINITY),
      sockets: Array.from({ length: LOGINS }),
      ...{ next: 0, run: 0, since: 0 },
      ...{ refusedUntil: Number.NEGATIVE_INFINITY, toldAt: Number.NEGATIVE_INFINITY },
    }
    const ofToken = trails.get(tokenId) ?? new Map<string, Map<string, Trail>>()
    const ofPrincipal = ofToken.get(principalId) ?? new Map<string, Trail>()
    trails.set(tokenId, ofToken.set(principalId, ofPrincipal.set(network, trail)))
    count += 1
    return trail
  }

  return {
    /** Undefined: no loop. */
    note(client: Client, socket: Socket): LoginLoop | undefined {
      const trail = trailOf(client)
      const now = monotonic()
      // Refused logins do not count, so that the first one afterwards is answered.
      if (trail.refusedUntil > now) {
        return { since: trail.since, restMs: trail.refusedUntil - now }
      }
      const oldest = trail.at[trail.next] ?? now
      trail.at[trail.next] = now
      trail.sockets[trail.next] = referenceTo(socket)
      trail.next = (trail.next + 1) % LOGINS
      const isFast = now - oldest <= WINDOW_MS
      trail.run = isFast ? trail.run + 1 : LOGINS
      if (!isFast || !isOneClient(trail)) return undefined
      return { since: oldest, restMs: REFUSED_MS }
    },
    /** The client is refused. Returns whether this is to be told: the loop is not known yet. */
    refused(client: Client, { since, restMs }: LoginLoop): boolean {
      const trail = trailOf(client)
      const now = monotonic()
      trail.since = since
      trail.refusedUntil = now + restMs
      if (now - trail.toldAt < TOLD_MS) return false
      trail.toldAt = now
      return true
    },
  }
}

/** Whether the last logins came from one client, and not from many processes at one address. */
function isOneClient({ sockets, run }: Trail): boolean {
  const all = new Set(sockets)
  if (all.size <= CONNECTIONS) return true
  if (run <= PROCESSES) return false
  let open = 0
  for (const socket of all) if (socket?.deref()?.destroyed === false) open += 1
  return open <= CONNECTIONS
}

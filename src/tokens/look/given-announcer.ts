/** Tells the other replicas who was given which token, because a client that comes back may come to another one. */
import { isStoreTrouble } from '../../errors/errors.ts'
import type { Log, Runtime } from '../../runtime/runtime.ts'
import type { GivenChange } from '../../store/records.ts'
import type { Changes } from '../../store/store.ts'
import type { Lease } from '../serve/lease.ts'

interface GivenAnnouncerDependencies {
  readonly changes: Pick<Changes, 'announce'>
  readonly runtime: Pick<Runtime, 'sleep'>
  readonly log: Pick<Log, 'warn'>
}

/** From one batch to the next. The first message leaves at once. */
const PAUSE_MS = 25
/** Limits of a batch. Who is left out is noticed by each replica alone. */
const TOKENS = 20
const PRINCIPALS = 50

type Announced = Pick<Lease, 'integration' | 'tokenId' | 'mintedAt' | 'expiresAt'>

export function createGivenAnnouncer({ changes, runtime, log }: GivenAnnouncerDependencies) {
  let batch = new Map<string, GivenChange & { readonly principals: string[] }>()
  let isPausing = false

  const send = () => {
    const sent = batch
    batch = new Map()
    for (const change of sent.values()) {
      changes.announce(change).catch((error: unknown) => {
        // Without the store, each replica notices its own callers.
        if (!isStoreTrouble(error))
          log.warn({ err: error }, 'the other replicas were not told who got a token')
      })
    }
  }

  const sendInTurn = async () => {
    isPausing = true
    while (batch.size > 0) {
      send()
      await runtime.sleep(PAUSE_MS)
    }
    isPausing = false
  }

  /** Never throws. */
  return (
    principalId: string,
    { integration, tokenId, mintedAt, expiresAt: until }: Announced,
  ): void => {
    const known = batch.get(tokenId)
    if (known && known.principals.length < PRINCIPALS) known.principals.push(principalId)
    if (known || batch.size >= TOKENS) return
    const principals = [principalId]
    batch.set(tokenId, { type: 'given', integration, tokenId, mintedAt, until, principals })
    if (!isPausing) void sendInTurn()
  }
}

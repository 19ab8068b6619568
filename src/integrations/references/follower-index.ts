/** Finds which integrations sign with whose credential, for answers. One pass over all integrations is shared by all requests and used for one second. */
import { everyIntegration } from '../every.ts'
import type { Integration } from '../integration.ts'
import type { IntegrationStore } from '../integration-store.ts'

type Follower = Pick<Integration, 'name' | 'labels'>

export type FollowerIndex = ReturnType<typeof createFollowerIndex>

const BELIEVED_MS = 1_000

export function createFollowerIndex(dependencies: {
  readonly store: Pick<IntegrationStore, 'list'>
  readonly monotonic: () => number
}) {
  const { store, monotonic } = dependencies
  let pass: Promise<ReadonlyMap<string, readonly Follower[]>> | undefined
  let beganAt = Number.NEGATIVE_INFINITY

  const look = async (): Promise<ReadonlyMap<string, readonly Follower[]>> => {
    const found = new Map<string, Follower[]>()
    for await (const { name, labels, credentialFrom } of everyIntegration(store)) {
      if (credentialFrom === null) continue
      const others = found.get(credentialFrom) ?? []
      found.set(credentialFrom, [...others, { name, labels }])
    }
    return found
  }

  /** Drops the result after this replica wrote an integration. */
  const forget = (): void => {
    pass = undefined
  }

  return {
    /** In order of name. Throws `store_unavailable`. */
    async of(owner: string): Promise<readonly Follower[]> {
      if (!pass || monotonic() - beganAt > BELIEVED_MS) {
        const begun = look()
        begun.catch(() => {
          if (pass === begun) forget()
        })
        pass = begun
        beganAt = monotonic()
      }
      return (await pass).get(owner) ?? []
    },
    forget,
  }
}

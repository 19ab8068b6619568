/** Finds which integrations sign with whose credential, for answers. One pass over all integrations is shared by all requests and used for one second. */
import { everyIntegration } from '../every.ts'
import type { Integration } from '../integration.ts'
import type { IntegrationStore } from '../integration-store.ts'

type Follower = Pick<Integration, 'name' | 'labels'>

export interface FollowerIndex {
  /** In order of name. Throws `store_unavailable`. */
  of(owner: string): Promise<readonly Follower[]>
  /** Drops the result after this replica wrote an integration. */
  forget(): void
}

interface FollowerIndexDependencies {
  readonly store: Pick<IntegrationStore, 'list'>
  /** Monotonic clock, in milliseconds. */
  readonly monotonic: () => number
}

const BELIEVED_MS = 1_000

export function createFollowerIndex(dependencies: FollowerIndexDependencies): FollowerIndex {
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

  const forget = () => {
    pass = undefined
  }

  return {
    async of(owner) {
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

/** Drops leases that depend on another integration's token, if that token changed its kind or became internal. A dependent lease is derived from the token, or has the same token. */

import type { IntegrationStore } from '../../integrations/integration-store.ts'
import { followersOf } from '../../integrations/references/lending.ts'
import { dependentsOf } from '../../integrations/references/token-source.ts'
import type { Log } from '../../runtime/runtime.ts'
import { unlessUnusable } from '../../store/integrity/record-schema.ts'
import { dropLease } from '../../store/outcome.ts'
import type { Outcomes } from '../../store/store.ts'

interface DependentsDependencies {
  readonly integrations: Pick<IntegrationStore, 'list' | 'read'>
  readonly outcomes: Pick<Outcomes, 'look' | 'save'>
  readonly log: Pick<Log, 'warn'>
}

/** Deletes the leases and refusals of all dependents, recursively, on all replicas. Does not throw, because the source is already changed. */
type DropDependents = (source: string) => Promise<void>

export const createDropDependents = ({
  integrations,
  outcomes,
  log,
}: DependentsDependencies): DropDependents => {
  /** The store then refuses the save of a running mint, and that mint starts again. */
  const drop = async (name: string): Promise<void> => {
    // An unusable integration serves no token.
    const isDropped = (await unlessUnusable(dropLease(outcomes, { name }))) ?? true
    if (!isDropped) log.warn({ integration: name }, NOT_DROPPED)
  }

  /** Integrations that may serve the internal token. If an app acts in another way, only the mint shows whether it is the same user. */
  const servingInside = async (source: string): Promise<readonly string[]> => {
    const owner = await integrations.read(source)
    if (!owner || owner.serveTokens) return []
    const followers = await followersOf(integrations, source)
    return followers.filter(({ serveTokens }) => serveTokens).map(({ name }) => name)
  }

  return async (source) => {
    try {
      // Nearest dependents first, so that no new lease is derived from one that is still to be
      // dropped.
      const found = new Set([source, ...(await servingInside(source))])
      for (const one of found) {
        if (one !== source) await drop(one)
        for (const { name } of await dependentsOf(integrations, one)) found.add(name)
      }
    } catch (error) {
      log.warn({ err: error, integration: source }, NOT_DROPPED)
    }
  }
}

const NOT_DROPPED = 'a lease from a former token of another integration may still exist'

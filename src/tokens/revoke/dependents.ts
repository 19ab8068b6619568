/** Leases that were made of another integration's token, or are the very token: dropped when that one's tokens are of another kind now, or stay inside. */

import type { IntegrationStore } from '../../integrations/integration-store.ts'
import { followersOf } from '../../integrations/references/lending.ts'
import { dependentsOf } from '../../integrations/references/token-source.ts'
import type { Log } from '../../runtime/runtime.ts'
import { unlessUnusable } from '../../store/integrity/record-schema.ts'
import type { Outcomes } from '../../store/store.ts'

interface DependentsDependencies {
  readonly integrations: Pick<IntegrationStore, 'list' | 'read'>
  readonly outcomes: Pick<Outcomes, 'look' | 'save'>
  readonly log: Pick<Log, 'warn'>
}

const ATTEMPTS = 3

/** Forgets their leases and their refusals, everywhere, and those of what is made of them in turn. Does not throw: the change of the source was made. */
type DropDependents = (source: string) => Promise<void>

export const createDropDependents = ({
  integrations,
  outcomes,
  log,
}: DependentsDependencies): DropDependents => {
  /** A mint under way is refused its save by this, and mints anew. */
  const drop = async (name: string): Promise<void> => {
    for (let tries = 0; tries < ATTEMPTS; tries += 1) {
      // An unusable integration serves no token.
      const look = await unlessUnusable(outcomes.look(name))
      if (!look) return
      const { uid, orev } = look.integration
      const { saved } = await outcomes.save(name, { uid, orev }, { lease: null, refusal: null })
      if (saved) return
    }
    log.warn({ integration: name }, NOT_DROPPED)
  }

  /** What may serve a token that stays inside now: whether an app that acts in another way is the same user shows when it is minted for. */
  const servingInside = async (source: string): Promise<readonly string[]> => {
    const owner = await integrations.read(source)
    if (!owner || owner.serveTokens) return []
    const followers = await followersOf(integrations, source)
    return followers.filter(({ serveTokens }) => serveTokens).map(({ name }) => name)
  }

  return async (source) => {
    try {
      // Nearest first: what is minted anew must not be made of what is still to be dropped.
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

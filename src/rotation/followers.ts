/** Integrations that sign with another's credentials: what changes there changes for them too. */

import { everyIntegration } from '../integrations/every.ts'
import { digestsOf, type Integration } from '../integrations/integration.ts'
import type { IntegrationStore } from '../integrations/integration-store.ts'
import type { Log } from '../runtime/runtime.ts'

/** Neither throws: one that could not follow does so when it is next minted for. */
export interface Followers {
  /** They follow at once: other clients make other digests, and refusals of the old key are forgotten. */
  follow(owner: Pick<Integration, 'name'>): Promise<void>
  /** One of them alone. */
  adopt(name: string): Promise<void>
}

export interface FollowersDependencies {
  readonly store: Pick<IntegrationStore, 'list' | 'read' | 'readSealed' | 'change'>
  readonly log: Pick<Log, 'warn'>
}

const ATTEMPTS = 3
const NOT_YET = 'an integration could not follow a change of the credential that it signs with yet'

export function createFollowers({ store, log }: FollowersDependencies): Followers {
  /** The owner is read anew each time, so that a later change of it is never undone. */
  const attempt = async (name: string): Promise<boolean> => {
    const sealed = await store.readSealed(name)
    const from = sealed?.integration.credentialFrom
    const owner = from ? await store.read(from) : undefined
    if (!sealed || !owner) return true
    const { integration } = sealed
    const changed = await store.change(integration, {
      integration,
      digests: digestsOf(integration, owner.credentials),
      secrets: await sealed.open(),
    })
    return changed !== undefined
  }

  const adopt = async (integration: string): Promise<void> => {
    try {
      for (let tries = 0; tries < ATTEMPTS; tries += 1) if (await attempt(integration)) return
      log.warn({ integration }, NOT_YET)
    } catch (error) {
      log.warn({ err: error, integration }, NOT_YET)
    }
  }

  const namesOf = async (owner: string): Promise<readonly string[]> => {
    const names: string[] = []
    for await (const { name, credentialFrom } of everyIntegration(store)) {
      if (credentialFrom === owner) names.push(name)
    }
    return names
  }

  return {
    adopt,
    async follow({ name: owner }) {
      try {
        for (const name of await namesOf(owner)) await adopt(name)
      } catch (error) {
        log.warn({ err: error, integration: owner }, NOT_YET)
      }
    },
  }
}

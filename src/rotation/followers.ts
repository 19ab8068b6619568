/** Integrations that sign with another's credentials: what changes there changes for them too. */
import { digestsOf, type Integration } from '../integrations/integration.ts'
import type { IntegrationStore } from '../integrations/integration-store.ts'

export interface Followers {
  /** They follow at once: other clients make other digests, and refusals of the old key are forgotten. */
  follow(owner: Integration): Promise<void>
}

export interface FollowersDependencies {
  readonly store: Pick<IntegrationStore, 'list' | 'readSealed' | 'change'>
  readonly log: { warn(bindings: object, message: string): void }
}

const ATTEMPTS = 3
const READ_LIMIT = 1_000

export function createFollowers({ store, log }: FollowersDependencies): Followers {
  const adopt = async (name: string, owner: Integration): Promise<void> => {
    for (let tries = 0; tries < ATTEMPTS; tries += 1) {
      const sealed = await store.readSealed(name)
      if (sealed?.integration.credentialFrom !== owner.name) return
      const { integration } = sealed
      const changed = await store.change(integration, {
        integration,
        digests: digestsOf(integration, owner.credentials),
        secrets: await sealed.open(),
      })
      if (changed) return
    }
    log.warn(
      { integration: name },
      'an integration could not follow a change of the credential that it signs with',
    )
  }

  return {
    async follow(owner) {
      let after: string | undefined
      do {
        const page = await store.list({ limit: READ_LIMIT, ...(after !== undefined && { after }) })
        for (const { name, credentialFrom } of page.items) {
          if (credentialFrom === owner.name) await adopt(name, owner)
        }
        after = page.next ?? undefined
      } while (after !== undefined)
    },
  }
}

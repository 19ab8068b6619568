/** The sealed records of integrations that this replica hands out tokens of, for when the store is down. Nothing in here is open. */

import { isStoreTrouble } from '../../errors/errors.ts'
import type { Integration } from '../../integrations/integration.ts'
import type { SealedIntegration } from '../../integrations/integration-store.ts'

interface RememberedIntegrations {
  /** The store's answer, always; its last answer, where it gives none. */
  readSealed(name: string): Promise<SealedIntegration | undefined>
  /** Sees to it that what a mint needs is remembered as it is now: the integration, and whose credentials it uses. */
  prepare(integration: Integration): Promise<void>
}

type ReadSealed = RememberedIntegrations['readSealed']

export function rememberIntegrations(read: ReadSealed): RememberedIntegrations {
  const remembered = new Map<string, SealedIntegration>()

  const refresh = async (name: string): Promise<SealedIntegration | undefined> => {
    const sealed = await read(name)
    if (sealed) remembered.set(name, sealed)
    else remembered.delete(name)
    return sealed
  }

  return {
    async readSealed(name) {
      try {
        return await refresh(name)
      } catch (error) {
        const sealed = remembered.get(name)
        if (sealed && isStoreTrouble(error)) return sealed
        throw error
      }
    },
    async prepare(integration) {
      const { name, uid, version, credentialFrom } = integration
      const isSame = (known: Integration | undefined) =>
        known?.uid === uid && known.version === version
      if (!isSame(remembered.get(name)?.integration)) await refresh(name)
      const sealed = remembered.get(name)
      if (sealed && isSame(sealed.integration)) remembered.set(name, sealed.sharing(integration))
      if (credentialFrom !== null) await refresh(credentialFrom)
    },
  }
}

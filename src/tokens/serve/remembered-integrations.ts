/** Remembers sealed records of integrations in use, for degraded mode. The secrets are never open here. */

import { isStoreTrouble } from '../../errors/errors.ts'
import type { Integration } from '../../integrations/integration.ts'
import type { SealedIntegration } from '../../integrations/integration-store.ts'

interface RememberedIntegrations {
  /** Reads the store. If it is unavailable, returns its last answer. */
  readSealed(name: string): Promise<SealedIntegration | undefined>
  /** Remembers the current input of a mint: the integration, and the owner of its credentials. */
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

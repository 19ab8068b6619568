/** The sealed records of integrations that this replica has minted for, for when the store is down. Nothing in here is open. */
import { BrokerError } from '../errors.ts'
import type { SealedIntegration } from '../integrations/integration-store.ts'

type ReadSealed = (name: string) => Promise<SealedIntegration | undefined>

/** The store's answer, always; its last answer, where it gives none. */
export function rememberSealed(read: ReadSealed): ReadSealed {
  const remembered = new Map<string, SealedIntegration>()
  return async (name) => {
    try {
      const sealed = await read(name)
      if (sealed) remembered.set(name, sealed)
      else remembered.delete(name)
      return sealed
    } catch (error) {
      const sealed = remembered.get(name)
      if (sealed && error instanceof BrokerError && error.code === 'store_unavailable')
        return sealed
      throw error
    }
  }
}

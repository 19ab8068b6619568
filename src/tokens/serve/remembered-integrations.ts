/** Remembers sealed records of integrations in use, for degraded mode. The secrets are never open here. */
import { isDeepStrictEqual } from 'node:util'
import { isStoreTrouble } from '../../errors/errors.ts'
import type { Integration } from '../../integrations/integration.ts'
import type { IntegrationStore, SealedIntegration } from '../../integrations/integration-store.ts'
import { oneCopyOf, withSharedTexts } from '../../runtime/one-copy.ts'

interface RememberedIntegrations {
  /** Reads the store. If it is unavailable, returns its last answer. */
  readSealed(name: string): Promise<SealedIntegration | undefined>
  /** Remembers the current input of a mint: the integration, and the owner of its credentials. */
  prepare(integration: Integration): Promise<void>
  /** Forgets an integration that was removed. */
  forget(name: string): void
}

interface RememberedIntegrationsDependencies {
  readonly store: Pick<IntegrationStore, 'readSealed' | 'sealedAs'>
  /** Longest time of degraded mode, in milliseconds. 0: nothing is remembered. */
  readonly degradedMs: number
}

/** Number of integrations that are remembered. Those that came first are forgotten first. */
const LIMIT = 100_000

export function rememberIntegrations({
  store,
  degradedMs,
}: RememberedIntegrationsDependencies): RememberedIntegrations {
  /** Without the function that opens it, because there are many. */
  const remembered = new Map<string, Omit<SealedIntegration, 'open'>>()

  const keep = ({ integration, digests, seal }: Omit<SealedIntegration, 'open'>) => {
    const name = oneCopyOf(integration.name)
    remembered.set(name, { integration, digests: withSharedTexts([...digests]), seal })
    if (remembered.size <= LIMIT) return
    const [oldest] = remembered.keys()
    if (oldest !== undefined) remembered.delete(oldest)
  }

  const refresh = async (name: string): Promise<SealedIntegration | undefined> => {
    const sealed = await store.readSealed(name)
    if (!sealed) remembered.delete(name)
    else if (degradedMs > 0) keep(sealed)
    return sealed
  }

  return {
    async readSealed(name) {
      try {
        return await refresh(name)
      } catch (error) {
        const kept = remembered.get(name)
        if (kept && isStoreTrouble(error)) return store.sealedAs(kept)
        throw error
      }
    },
    async prepare(integration) {
      if (degradedMs === 0) return
      const { name, uid, version, credentialFrom } = integration
      const isSame = (known: Integration | undefined) =>
        known?.uid === uid && known.version === version
      if (!isSame(remembered.get(name)?.integration)) await refresh(name)
      const kept = remembered.get(name)
      // Memory holds the integration once. Another one than was sealed never gets its secrets.
      if (kept && isDeepStrictEqual(kept.integration, integration)) keep({ ...kept, integration })
      if (credentialFrom !== null) await refresh(credentialFrom)
    },
    forget(name) {
      remembered.delete(name)
    },
  }
}

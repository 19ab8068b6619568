/** The keys that the tokens of connections are bound to: one for each, or the one at a signer that the integration names. */
import { atSignerIn } from '../credentials/dpop-keys.ts'
import { generateDpopKey, type StoredDpopKey, signerKeyOf } from '../dpop/dpop-key.ts'
import { asksForBound, proofKeyIn } from '../dpop/dpop-rule.ts'
import { BrokerError } from '../errors/errors.ts'
import type { Integration } from '../integrations/integration.ts'
import type { SealedIntegration } from '../integrations/integration-store.ts'
import type { Signing } from '../signers/signers.ts'

/** The key of a new connection. Undefined: its tokens are not bound. Throws `signer_unavailable` and `signing_refused` if the key did not sign when it was last asked. */
export type DpopKeyFor = (integration: Integration) => Promise<StoredDpopKey | undefined>

export function createConnectionKeys({
  integrations,
  signers,
}: {
  readonly integrations: { readSealed(name: string): Promise<SealedIntegration | undefined> }
  readonly signers: Pick<Signing, 'ready'>
}): DpopKeyFor {
  return async (integration) => {
    if (!asksForBound(integration)) return undefined
    if (!proofKeyIn(integration)) return generateDpopKey()
    const sealed = await integrations.readSealed(integration.name)
    const key = sealed && atSignerIn((await sealed.open()).dpopKeys)
    const remote = signerKeyOf(key)
    if (!remote)
      throw new BrokerError('record_corrupt', 'The DPoP key of the integration is missing')
    await signers.ready(remote)
    return key
  }
}

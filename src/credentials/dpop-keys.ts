/** The DPoP keys of credentials: one for each that requests bound tokens. Sealed with the credentials. */

import { generateDpopKey, type StoredDpopKey, signerKeyOf, storedAway } from '../dpop/dpop-key.ts'
import { asksForBound, type DpopRule, proofKeyIn } from '../dpop/dpop-rule.ts'
import type { KeyReference } from '../signers/remote-key.ts'
import type { Signers } from '../signers/signers.ts'
import type { Credential, CredentialSecrets } from './credential.ts'
import { isKnownKey } from './remote-credential.ts'

/** Under this id, an integration keeps its own key while it signs with the credential of another. */
const LENT = 'lent'
/** Under this id, an integration keeps the key at a signer that its rule names. It is that of all its credentials. */
const AT_SIGNER = 'signer'

interface KeyOwner {
  readonly credentials: readonly Pick<Credential, 'id'>[]
  /** The integration whose credentials sign. Null: its own. */
  readonly credentialFrom: string | null
  readonly dpop?: DpopRule
}

/** Makes the keys that are missing, and erases those of credentials that are gone. Without `dpop`, no key stays. `isElsewhere`: the keys of the broker are kept with refresh tokens. */
export function withDpopKeys(
  owner: KeyOwner,
  { dpopKeys = {}, ...secrets }: CredentialSecrets,
  isElsewhere: boolean,
): CredentialSecrets {
  const { [AT_SIGNER]: away } = dpopKeys
  if (proofKeyIn(owner)) return { ...secrets, ...(away && { dpopKeys: { [AT_SIGNER]: away } }) }
  if (!asksForBound(owner) || isElsewhere) return secrets
  const ids = owner.credentialFrom === null ? owner.credentials.map(({ id }) => id) : [LENT]
  const keys = ids.map((id) => [id, dpopKeys[id] ?? generateDpopKey()] as const)
  return { ...secrets, dpopKeys: Object.fromEntries(keys) }
}

/** The key for tokens that this credential requests. Undefined: there is none. */
export const dpopKeyOf = (
  owner: Pick<KeyOwner, 'credentialFrom' | 'dpop'>,
  { id }: Pick<Credential, 'id'>,
  dpopKeys: CredentialSecrets['dpopKeys'],
): StoredDpopKey | undefined =>
  proofKeyIn(owner) ? dpopKeys?.[AT_SIGNER] : dpopKeys?.[owner.credentialFrom === null ? id : LENT]

/** The key at a signer that the rule of the integration names. Undefined: it names none. */
export const atSignerIn = (dpopKeys: CredentialSecrets['dpopKeys']): StoredDpopKey | undefined =>
  dpopKeys?.[AT_SIGNER]

/** Finds the keys at signers that rules name. */
export function createProofKeyFinder(signers: Pick<Signers, 'find' | 'prove'>) {
  const keyAt = async (
    signer: KeyReference,
    integration: string,
    known: StoredDpopKey | undefined,
  ): Promise<StoredDpopKey> => {
    const remote = signerKeyOf(known)
    if (known && remote && isKnownKey(remote, signer, undefined)) return known
    const found = await signers.find(signer, { integration, algorithm: 'ES256' })
    await signers.prove(found)
    return storedAway(found)
  }

  /** The rule with the version that will sign, and the secrets with the key. A signer is not asked for the key that `secrets` have. Throws `credential_invalid`, `signer_unavailable`. */
  return async <Rule extends Partial<DpopRule> | undefined>(
    integration: string,
    dpop: Rule,
    secrets: CredentialSecrets,
  ): Promise<{ readonly dpop: Rule; readonly secrets: CredentialSecrets }> => {
    const asked = proofKeyIn({ dpop })
    if (!asked) return { dpop, secrets }
    const key = await keyAt(asked, integration, atSignerIn(secrets.dpopKeys))
    const { name, key: label, keyVersion } = signerKeyOf(key) ?? asked
    const signer = { name, key: label, ...(keyVersion !== undefined && { keyVersion }) }
    return {
      dpop: { ...dpop, keyStorage: { signer } },
      secrets: { ...secrets, dpopKeys: { ...secrets.dpopKeys, [AT_SIGNER]: key } },
    }
  }
}

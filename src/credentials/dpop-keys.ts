/** The DPoP keys of credentials: one for each that requests bound tokens. Sealed with the credentials. */

import { generateDpopKey, type StoredDpopKey } from '../dpop/dpop-key.ts'
import { asksForBound, type DpopRule } from '../dpop/dpop-rule.ts'
import type { Credential, CredentialSecrets } from './credential.ts'

/** Under this id, an integration keeps its own key while it signs with the credential of another. */
const LENT = 'lent'

interface KeyOwner {
  readonly credentials: readonly Pick<Credential, 'id'>[]
  /** The integration whose credentials sign. Null: its own. */
  readonly credentialFrom: string | null
  readonly dpop?: DpopRule
}

/** Makes the keys that are missing, and erases those of credentials that are gone. Without `dpop`, no key stays. */
export function withDpopKeys(
  owner: KeyOwner,
  { dpopKeys = {}, ...secrets }: CredentialSecrets,
): CredentialSecrets {
  if (!asksForBound(owner)) return secrets
  const ids = owner.credentialFrom === null ? owner.credentials.map(({ id }) => id) : [LENT]
  const keys = ids.map((id) => [id, dpopKeys[id] ?? generateDpopKey()] as const)
  return { ...secrets, dpopKeys: Object.fromEntries(keys) }
}

/** The key for tokens that this credential requests. Undefined: there is none. */
export const dpopKeyOf = (
  { credentialFrom }: Pick<KeyOwner, 'credentialFrom'>,
  { id }: Pick<Credential, 'id'>,
  dpopKeys: CredentialSecrets['dpopKeys'],
): StoredDpopKey | undefined => dpopKeys?.[credentialFrom === null ? id : LENT]

/** State changes of credentials that are not active: added, certified, removed. Pure. */
import { BrokerError } from '../errors/errors.ts'
import { activeOf, type CertificateInfo, type Credential } from './credential.ts'

/** Keys that wait for a CA. */
const PENDING_MAX = 5

/** Staged beside the active one. Active at once if there is no active one. */
function settled(credentials: readonly Credential[], fresh: Credential, now: number): Credential {
  if (!activeOf(credentials)) return { ...fresh, state: 'active', activatedAt: now }
  const staged = credentials.find(({ state }) => state === 'staged')
  if (staged) {
    throw new BrokerError(
      'credential_state',
      `There is one staged already, ${staged.id}: activate or delete it first`,
    )
  }
  return { ...fresh, state: 'staged' }
}

/** Adds a fresh credential. Throws `credential_state` if the limit is reached. */
export function added(
  credentials: readonly Credential[],
  fresh: Credential,
  now: number,
): readonly Credential[] {
  if (fresh.state !== 'pending') return [...credentials, settled(credentials, fresh, now)]
  if (credentials.filter(({ state }) => state === 'pending').length >= PENDING_MAX) {
    throw new BrokerError(
      'credential_state',
      `There are ${PENDING_MAX} pending already: delete one first`,
    )
  }
  return [...credentials, fresh]
}

/** Completes a pending credential. Throws `credential_state`. */
export function certified(
  credentials: readonly Credential[],
  id: string,
  certificate: CertificateInfo,
  now: number,
): readonly Credential[] {
  return credentials.map((credential) => {
    if (credential.id !== id) return credential
    const { csr: _, ...pending } = credential
    return settled(credentials, { ...pending, certificate }, now)
  })
}

/** Adds the pair of a pending secret and its client (null: the integration's own). Throws `credential_state`. */
export const completed = (
  credentials: readonly Credential[],
  id: string,
  clientId: string | null,
  now: number,
): readonly Credential[] =>
  credentials.map((credential) =>
    credential.id === id ? settled(credentials, { ...credential, clientId }, now) : credential,
  )

/** Removes a credential that is not active. Throws `credential_state`. */
export function without(credentials: readonly Credential[], id: string): readonly Credential[] {
  if (activeOf(credentials)?.id === id) {
    throw new BrokerError('credential_state', 'The active credential cannot be deleted')
  }
  return credentials.filter((credential) => credential.id !== id)
}

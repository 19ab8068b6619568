/** A credential: what an integration proves itself with, and where it stands in its life. */

import { Secret } from '../crypto/secret.ts'
import type { CredentialType, OpenCredential } from '../grants/grant.ts'

export type CredentialState = 'pending' | 'staged' | 'active' | 'retired'

/** What is public of a certificate. Times are epoch milliseconds. */
export interface CertificateInfo {
  readonly subject: string
  readonly serial: string
  readonly fingerprintSha256: string
  readonly notBefore: number
  readonly notAfter: number
  readonly keyBits: number
  readonly pem: string
}

/** A credential without its secret. */
export interface Credential {
  readonly id: string
  readonly type: CredentialType
  readonly state: CredentialState
  /** The client it belongs to, where that is not the integration's own. */
  readonly clientId: string | null
  readonly createdAt: number
  readonly activatedAt: number | null
  /** The earliest time at which a retired one's secret is erased. */
  readonly retiresAt: number | null
  /** Null for secrets, and for a key that came without one. */
  readonly certificate: CertificateInfo | null
}

/** The secret half, as it is sealed at rest. */
export type CredentialSecret =
  | { readonly type: 'certificate'; readonly privateKey: string }
  | { readonly type: 'client_secret'; readonly clientSecret: string }

/** By credential id. */
export type CredentialSecrets = Readonly<Record<string, CredentialSecret>>

/** For how long at least a retired credential stays as the fallback. */
export const FALLBACK_MS = 15 * 60_000

export function openCredential(secret: CredentialSecret): OpenCredential {
  return secret.type === 'certificate'
    ? { type: 'certificate', privateKey: new Secret(secret.privateKey) }
    : { type: 'client_secret', clientSecret: new Secret(secret.clientSecret) }
}

export const activeOf = (credentials: readonly Credential[]): Credential | undefined =>
  credentials.find(({ state }) => state === 'active')

/** Makes `fresh` the active one at once; the former active one becomes the retired fallback, and the former fallback goes. */
export function replaceActive(
  credentials: readonly Credential[],
  fresh: Credential,
  former: { readonly clientId: string | null },
  now: number,
): readonly Credential[] {
  return [
    { ...fresh, state: 'active', activatedAt: now },
    ...credentials.flatMap((credential): Credential[] => {
      if (credential.state === 'retired') return []
      if (credential.state !== 'active') return [credential]
      if (credential.type !== fresh.type) return []
      const clientId = credential.clientId ?? former.clientId
      return [{ ...credential, state: 'retired', clientId, retiresAt: now + FALLBACK_MS }]
    }),
  ]
}

/** The secrets of those credentials that are still there. */
export function keepSecrets(
  secrets: CredentialSecrets,
  credentials: readonly Credential[],
): CredentialSecrets {
  return Object.fromEntries(
    credentials.flatMap(({ id }) => {
      const secret = secrets[id]
      return secret ? [[id, secret]] : []
    }),
  )
}

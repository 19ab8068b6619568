/** A credential: what an integration proves itself with, and where it stands in its life. */

import { createHash } from 'node:crypto'
import { Secret } from '../crypto/secret.ts'
import type { CredentialType, OpenCredential } from '../grants/grant.ts'

export const CREDENTIAL_STATES = ['pending', 'staged', 'active', 'retired'] as const
export const CREDENTIAL_TYPES = [
  'certificate',
  'client_secret',
  'refresh_token',
] as const satisfies readonly CredentialType[]

export type CredentialState = (typeof CREDENTIAL_STATES)[number]

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

/** Only what is public and JSON: the parsed form has more. */
export const infoOf = (parsed: CertificateInfo): CertificateInfo => ({
  subject: parsed.subject,
  serial: parsed.serial,
  fingerprintSha256: parsed.fingerprintSha256,
  notBefore: parsed.notBefore,
  notAfter: parsed.notAfter,
  keyBits: parsed.keyBits,
  pem: parsed.pem,
})

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
  /** Null for secrets, for a key that came without one, and while one is pending. */
  readonly certificate: CertificateInfo | null
  /** PKCS#10 in PEM, for a CA to sign; of pending ones. */
  readonly csr?: string
  /** Fingerprint of the refresh token that came with it, which begins a custody; the token in use may be a successor. */
  readonly refreshTokenId?: string
}

/** The secret half, as it is sealed at rest. */
export type CredentialSecret =
  | { readonly type: 'certificate'; readonly privateKey: string; readonly refreshToken?: string }
  | { readonly type: 'client_secret'; readonly clientSecret: string }
  /** Without a client secret the app asks for none; without a refresh token it is in custody from elsewhere. */
  | {
      readonly type: 'refresh_token'
      readonly refreshToken?: string
      readonly clientSecret?: string
    }

/** The sealed half of an integration. */
export interface CredentialSecrets {
  readonly byId: Readonly<Record<string, CredentialSecret>>
  /** Digests of the credentials that were ever active here, newest first: a configuration file that still names one of them does not undo a rotation. */
  readonly known: readonly string[]
}

export const NO_SECRETS: CredentialSecrets = { byId: {}, known: [] }

/** For how long at least a retired credential stays as the fallback. */
export const FALLBACK_MS = 15 * 60_000

/** What it proves the client with. A refresh token that came with it is not in it: that is the custody's. */
export function openCredential(secret: CredentialSecret): OpenCredential {
  switch (secret.type) {
    case 'certificate':
      return { type: 'certificate', privateKey: new Secret(secret.privateKey) }
    case 'client_secret':
      return { type: 'client_secret', clientSecret: new Secret(secret.clientSecret) }
    case 'refresh_token': {
      const { clientSecret } = secret
      return {
        type: 'refresh_token',
        ...(clientSecret !== undefined && { clientSecret: new Secret(clientSecret) }),
      }
    }
  }
}

/** Public fingerprint of a refresh token: the first 16 bytes of its SHA-256, base64url. */
export const refreshTokenIdOf = (token: Secret): string =>
  createHash('sha256').update(token.reveal()).digest().subarray(0, 16).toString('base64url')

/** The refresh token that came with a credential. */
export const refreshTokenOf = (secret: CredentialSecret): Secret | undefined =>
  secret.type === 'client_secret' || secret.refreshToken === undefined
    ? undefined
    : new Secret(secret.refreshToken)

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

/** How many former credentials are remembered. */
const KNOWN_LIMIT = 50

/** Of a key with its certificate, or of a secret. Kept sealed: a weak secret could be guessed from it. */
export function digestOfCredential(
  secret: CredentialSecret,
  certificate: Pick<CertificateInfo, 'fingerprintSha256'> | null,
): string {
  return createHash('sha256')
    .update(JSON.stringify([...textsOf(secret), certificate?.fingerprintSha256 ?? null]))
    .digest('base64url')
}

function textsOf(secret: CredentialSecret): readonly (string | null)[] {
  switch (secret.type) {
    case 'certificate': {
      const { refreshToken } = secret
      return [secret.type, secret.privateKey, ...(refreshToken === undefined ? [] : [refreshToken])]
    }
    case 'client_secret':
      return [secret.type, secret.clientSecret]
    case 'refresh_token':
      return [secret.type, secret.refreshToken ?? null, secret.clientSecret ?? null]
  }
}

/** Adds the secret of a new credential. */
export const addSecret = (
  { byId, known }: CredentialSecrets,
  { id }: Pick<Credential, 'id'>,
  secret: CredentialSecret,
): CredentialSecrets => ({ byId: { ...byId, [id]: secret }, known })

/** Erases the secrets of credentials that are gone, and remembers which ones were active. */
export function keepSecrets(
  { byId, known }: CredentialSecrets,
  credentials: readonly Credential[],
): CredentialSecrets {
  const kept = credentials.flatMap((credential) => {
    const secret = byId[credential.id]
    return secret ? [{ credential, secret }] : []
  })
  const used = kept
    .filter(({ credential: { state } }) => state === 'active' || state === 'retired')
    .map(({ credential, secret }) => digestOfCredential(secret, credential.certificate))
  return {
    byId: Object.fromEntries(kept.map(({ credential: { id }, secret }) => [id, secret])),
    known: [...new Set([...used, ...known])].slice(0, KNOWN_LIMIT),
  }
}

/** Makes a staged or retired credential the active one: the displaced one becomes the retired fallback, whatever was retired before goes. Only a credential of another client than the integration's own says which: each that signs with it has its own else. Undefined: it is in no state for this. */
export function promoted(
  credentials: readonly Credential[],
  id: string,
  own: { readonly clientId: string | null },
  now: number,
): readonly Credential[] | undefined {
  const chosen = credentials.find((credential) => credential.id === id)
  if (chosen?.state !== 'staged' && chosen?.state !== 'retired') return undefined
  const others = credentials.filter((credential) => credential.id !== id)
  const clientId = chosen.clientId === own.clientId ? null : chosen.clientId
  const former = { clientId: clientId === null ? null : own.clientId }
  return replaceActive(others, { ...chosen, clientId, retiresAt: null }, former, now)
}

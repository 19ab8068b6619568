/** A credential: how an integration authenticates to Salesforce, and its state. */

import { createHash } from 'node:crypto'
import { Secret } from '../crypto/secret.ts'
import type { StoredDpopKey } from '../dpop/dpop-key.ts'
import { BrokerError } from '../errors/errors.ts'
import type { CredentialType, OpenCredential } from '../grants/grant.ts'
import type { KeyReference, RemoteKey } from '../signers/remote-key.ts'
import { type Outside, textOfSources } from './outside.ts'

export const CREDENTIAL_STATES = ['pending', 'staged', 'active', 'retired'] as const
export const CREDENTIAL_TYPES = [
  'certificate',
  'client_secret',
  'refresh_token',
] as const satisfies readonly CredentialType[]

export type CredentialState = (typeof CREDENTIAL_STATES)[number]

/** The public part of a certificate. Times are epoch milliseconds. */
export interface CertificateInfo {
  readonly subject: string
  readonly serial: string
  readonly fingerprintSha256: string
  readonly notBefore: number
  readonly notAfter: number
  readonly keyBits: number
  readonly pem: string
}

/** Selects public members that JSON can hold. The parsed form has more. */
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
  /** Its client. Null: the integration's own. */
  readonly clientId: string | null
  readonly createdAt: number
  readonly activatedAt: number | null
  /** Earliest time at which the secret of a retired credential is erased. */
  readonly retiresAt: number | null
  /** Null for secrets, for a key without certificate, and while it is pending. */
  readonly certificate: CertificateInfo | null
  /** Where its key is. Absent: the broker has it. */
  readonly signer?: KeyReference
  /** In which vault its secret is. Absent: the store has it, or a signer. */
  readonly outside?: Pick<Outside, 'sources' | 'versions'>
  /** PKCS#10 in PEM, for a CA to sign. Present while it is pending. */
  readonly csr?: string
  /** Fingerprint of the refresh token that came with it and starts a custody. The current token may be a successor. */
  readonly refreshTokenId?: string
}

type OutsideSecret = {
  readonly [Type in CredentialType]: {
    readonly type: Type
    readonly outside: Outside
    readonly refreshToken?: string
    readonly problem?: BrokerError
  }
}[CredentialType]

/** The secret half, which is sealed in the store. */
export type CredentialSecret =
  | { readonly type: 'certificate'; readonly privateKey: string; readonly refreshToken?: string }
  /** The key is at a signer. Sealed, so that nobody can exchange it in the store. */
  | { readonly type: 'certificate'; readonly remote: RemoteKey; readonly refreshToken?: string }
  | { readonly type: 'client_secret'; readonly clientSecret: string }
  /** The secret is in a vault. `problem`: why it could not be read for this use; it is never stored. */
  | OutsideSecret
  /** Without a client secret, the app needs none. Without a refresh token, the custody got it in another way. */
  | {
      readonly type: 'refresh_token'
      readonly refreshToken?: string
      readonly clientSecret?: string
    }

/** The sealed half of an integration. */
export interface CredentialSecrets {
  readonly byId: Readonly<Record<string, CredentialSecret>>
  /** Digests of the credentials that were ever active here, newest first. If a configuration file still contains one of them, it does not undo a rotation. */
  readonly known: readonly string[]
  /** By the id of the credential: see `dpop-keys.ts`. */
  readonly dpopKeys?: Readonly<Record<string, StoredDpopKey>>
}

export const NO_SECRETS: CredentialSecrets = { byId: {}, known: [] }

/** Shortest time for which a retired credential stays as the fallback. */
export const FALLBACK_MS = 15 * 60_000

/** The client authentication. It does not contain a refresh token, because the custody holds that. Throws the problem of a secret that could not be read from its vault. */
export function openCredential(secret: CredentialSecret): OpenCredential {
  if ('outside' in secret) {
    const { problem } = secret
    throw problem ?? new BrokerError('record_corrupt', 'The secret of a credential was not read')
  }
  switch (secret.type) {
    case 'certificate':
      return {
        type: 'certificate',
        privateKey: 'remote' in secret ? secret.remote : new Secret(secret.privateKey),
      }
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
  !('refreshToken' in secret) || secret.refreshToken === undefined
    ? undefined
    : new Secret(secret.refreshToken)

export const activeOf = (credentials: readonly Credential[]): Credential | undefined =>
  credentials.find(({ state }) => state === 'active')

/** Makes `fresh` active at once. The former active one becomes the retired fallback, and the former fallback is removed. */
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

/** Most remembered former credentials. */
const KNOWN_LIMIT = 50

/** Digest of a key with its certificate, or of a secret. It is stored sealed, because a weak secret could be guessed from it. */
export function digestOfCredential(
  secret: CredentialSecret,
  certificate: Pick<CertificateInfo, 'fingerprintSha256'> | null,
): string {
  return createHash('sha256')
    .update(JSON.stringify([...textsOf(secret), certificate?.fingerprintSha256 ?? null]))
    .digest('base64url')
}

function textsOf(secret: CredentialSecret): readonly (string | null)[] {
  if ('outside' in secret) {
    const { outside, refreshToken } = secret
    const { sources, digest, alias = null } = outside
    const token = refreshToken === undefined ? [] : [refreshToken]
    return [secret.type, 'outside', textOfSources(sources), alias, digest, ...token]
  }
  switch (secret.type) {
    case 'certificate': {
      const { refreshToken } = secret
      const key = 'remote' in secret ? textsOfRemote(secret.remote) : [secret.privateKey]
      return [secret.type, ...key, ...(refreshToken === undefined ? [] : [refreshToken])]
    }
    case 'client_secret':
      return [secret.type, secret.clientSecret]
    case 'refresh_token':
      return [secret.type, secret.refreshToken ?? null, secret.clientSecret ?? null]
  }
}

const textsOfRemote = ({ name, key, keyVersion }: RemoteKey): readonly (string | null)[] => [
  'remote',
  name,
  key,
  keyVersion === undefined ? null : String(keyVersion),
]

export const addSecret = (
  { byId, ...others }: CredentialSecrets,
  { id }: Pick<Credential, 'id'>,
  secret: CredentialSecret,
): CredentialSecrets => ({ ...others, byId: { ...byId, [id]: secret } })

/** Erases the secrets of removed credentials, and remembers which were active. */
export function keepSecrets(
  { byId, known, ...others }: CredentialSecrets,
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
    ...others,
    byId: Object.fromEntries(kept.map(({ credential: { id }, secret }) => [id, secret])),
    known: [...new Set([...used, ...known])].slice(0, KNOWN_LIMIT),
  }
}

/** Makes a staged or retired credential active. The former active one becomes the retired fallback, and the former fallback is removed. A credential only names its client if that is not the integration's own, because followers have other clients. Undefined: its state does not allow this. */
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

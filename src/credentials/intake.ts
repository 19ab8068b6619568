/** Checks a credential when it is written, not at the first mint, and makes one where asked to. */
import {
  certificateRequest,
  generateKeyPair,
  type KeyBits,
  matches,
  parseCertificate,
  parsePrivateKey,
  type Subject,
  selfSignedCertificate,
} from '../crypto/certificate.ts'
import { BrokerError } from '../errors.ts'
import type { CredentialType } from '../grants/grant.ts'
import {
  type CertificateInfo,
  type Credential,
  type CredentialSecret,
  refreshTokenIdOf,
  refreshTokenOf,
} from './credential.ts'

/** The `credential` member of a request, as it came. */
export interface CredentialInput {
  readonly privateKey?: string
  readonly certificate?: string
  readonly clientSecret?: string
  /** Alone, or beside what the client proves itself with. */
  readonly refreshToken?: string
  readonly generate?: {
    readonly keyBits?: KeyBits
    /** 1 to 825. */
    readonly days?: number
    readonly commonName?: string
  }
  /** A key for which a CA will make the certificate. */
  readonly csr?: Subject & { readonly keyBits?: KeyBits }
  readonly from?: string
}

/** A checked credential with its secret; not yet in any state. */
export interface FreshCredential {
  readonly credential: Credential
  readonly secret: CredentialSecret
}

export interface Intake {
  /** Throws `credential_invalid`, or `request_invalid` where the members do not go together. */
  take(
    input: CredentialInput,
    needed: CredentialType | 'none',
    name: string,
    options?: IntakeOptions,
  ): Promise<FreshCredential>
  /** The certificate that completes a pending key. Throws `credential_invalid`. */
  certify(pem: string, privateKey: string): CertificateInfo
}

export interface IntakeOptions {
  /** Salesforce does not mind an expired certificate. Default false. */
  readonly expiredIsWarning?: boolean
}

export interface IntakeDependencies {
  readonly now: () => number
  readonly uniqueId: () => string
}

/** What the `credential` member of an integration can be. */
const KINDS = ['private_key', 'client_secret', 'refresh_token', 'generate', 'from']
const CLIENT_SECRET = /^[\x21-\x7e]{1,512}$/
const REFRESH_TOKEN = /^[\x21-\x7e]{1,4096}$/
const DEFAULT_KEY_BITS = 2048
const DEFAULT_DAYS = 365

/** Exactly one kind of credential, and no certificate without its key. */
export function checkShape(
  input: CredentialInput,
  place = 'body/credential',
  kinds: readonly string[] = KINDS,
): void {
  const given = [input.privateKey, input.clientSecret, input.generate, input.csr, input.from]
  const count = given.filter((member) => member !== undefined).length
  const isAccompanied = input.privateKey !== undefined || input.clientSecret !== undefined
  if (input.refreshToken !== undefined && count === 1 && !isAccompanied) {
    throw new BrokerError(
      'request_invalid',
      `${place}/refresh_token goes beside client_secret or private_key, or alone`,
    )
  }
  if (count > 1 || (count === 0 && input.refreshToken === undefined)) {
    throw new BrokerError(
      'request_invalid',
      `${place} must have exactly one of ${kinds.join(', ')}`,
    )
  }
  if (input.certificate !== undefined && input.privateKey === undefined) {
    throw new BrokerError('request_invalid', `${place}/certificate needs private_key beside it`)
  }
}

export function createIntake({ now, uniqueId }: IntakeDependencies): Intake {
  const fresh = (
    secret: CredentialSecret,
    certificate: CertificateInfo | null,
  ): FreshCredential => ({
    secret,
    credential: {
      id: uniqueId(),
      type: secret.type,
      state: 'staged',
      clientId: null,
      createdAt: now(),
      activatedAt: null,
      retiresAt: null,
      certificate,
      ...refreshTokenIdIn(secret),
    },
  })

  const imported = async (
    privateKey: string,
    certificate: string | undefined,
    refreshToken: string | undefined,
    { expiredIsWarning = false }: IntakeOptions,
  ) => {
    const key = parsePrivateKey(privateKey)
    const secret: CredentialSecret = {
      type: 'certificate',
      privateKey: key.pem.reveal(),
      ...(refreshToken !== undefined && { refreshToken }),
    }
    if (certificate === undefined) return fresh(secret, null)
    const parsed = parseCertificate(certificate, { now: now(), expiredIsWarning })
    if (!matches(key, parsed)) {
      throw new BrokerError('credential_invalid', 'certificate: it is not for this private_key')
    }
    return fresh(secret, infoOf(parsed))
  }

  const generated = async (wish: NonNullable<CredentialInput['generate']>, name: string) => {
    const pair = await generateKeyPair({ bits: wish.keyBits ?? DEFAULT_KEY_BITS })
    const certificate = await selfSignedCertificate(pair, {
      commonName: wish.commonName ?? `valetkey ${name}`.slice(0, 64),
      days: wish.days ?? DEFAULT_DAYS,
      now: now(),
    })
    return fresh({ type: 'certificate', privateKey: pair.pem.reveal() }, infoOf(certificate))
  }

  const requested = async ({
    keyBits = DEFAULT_KEY_BITS,
    ...subject
  }: NonNullable<CredentialInput['csr']>): Promise<FreshCredential> => {
    const pair = await generateKeyPair({ bits: keyBits })
    const csr = await certificateRequest(pair, subject)
    const { credential, secret } = fresh(
      { type: 'certificate', privateKey: pair.pem.reveal() },
      null,
    )
    return { secret, credential: { ...credential, state: 'pending', csr } }
  }

  return {
    async take(input, needed, name, options = {}) {
      checkShape(input)
      const { clientSecret, refreshToken } = input
      if (needed === 'none') {
        throw new BrokerError('credential_invalid', 'This grant takes no credential')
      }
      if (!isKindOf(input, needed)) {
        throw new BrokerError('credential_invalid', `This grant needs a ${NEEDED[needed]}`)
      }
      checkText('client_secret', clientSecret, CLIENT_SECRET, 512)
      checkText('refresh_token', refreshToken, REFRESH_TOKEN, 4096)
      if (needed === 'refresh_token') {
        return fresh(
          {
            type: 'refresh_token',
            ...(refreshToken !== undefined && { refreshToken }),
            ...(clientSecret !== undefined && { clientSecret }),
          },
          null,
        )
      }
      if (clientSecret !== undefined) return fresh({ type: 'client_secret', clientSecret }, null)
      if (input.privateKey !== undefined)
        return imported(input.privateKey, input.certificate, refreshToken, options)
      if (input.csr) return requested(input.csr)
      return generated(input.generate ?? {}, name)
    },
    certify(pem, privateKey) {
      const parsed = parseCertificate(pem, { now: now() })
      if (!matches(parsePrivateKey(privateKey), parsed)) {
        throw new BrokerError(
          'credential_invalid',
          'certificate: it is not for the key that was made for the request',
        )
      }
      return infoOf(parsed)
    },
  }
}

/** A refresh token has its place only where the grant presents one: alone it is no key, and beside a secret it is no client secret. */
function isKindOf(input: CredentialInput, needed: CredentialType): boolean {
  const hasSecret = input.clientSecret !== undefined
  const hasToken = input.refreshToken !== undefined
  switch (needed) {
    case 'certificate':
      return !hasSecret && (!hasToken || input.privateKey !== undefined)
    case 'client_secret':
      return hasSecret && !hasToken
    case 'refresh_token':
      return hasSecret || (hasToken && input.privateKey === undefined)
  }
}

function checkText(
  member: string,
  text: string | undefined,
  pattern: RegExp,
  longest: number,
): void {
  if (text === undefined || pattern.test(text)) return
  throw new BrokerError(
    'credential_invalid',
    `${member}: it must be 1 to ${longest} visible ASCII characters without spaces`,
  )
}

function refreshTokenIdIn(secret: CredentialSecret): Pick<Credential, 'refreshTokenId'> {
  const token = refreshTokenOf(secret)
  return token ? { refreshTokenId: refreshTokenIdOf(token) } : {}
}

const NEEDED: Readonly<Record<CredentialType, string>> = {
  certificate: 'signing key: private_key with its certificate, or generate',
  client_secret: 'client_secret',
  refresh_token: 'refresh_token, with the client_secret of its app where that asks for one',
}

type Parsed = CertificateInfo

/** Only what is public and JSON: the parsed form may hold more. */
const infoOf = (parsed: Parsed): CertificateInfo => ({
  subject: parsed.subject,
  serial: parsed.serial,
  fingerprintSha256: parsed.fingerprintSha256,
  notBefore: parsed.notBefore,
  notAfter: parsed.notAfter,
  keyBits: parsed.keyBits,
  pem: parsed.pem,
})

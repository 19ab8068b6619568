/** Checks a credential when it is written, and generates one on request. */
import { certificateRequest, matches, selfSignedCertificate } from '../crypto/certificate.ts'
import { generateKeyPair, type KeyBits, parsePrivateKey } from '../crypto/key-pair.ts'
import type { CertificateSubject } from '../crypto/subject.ts'
import { BrokerError } from '../errors/errors.ts'
import type { CredentialType } from '../grants/grant.ts'
import { isPlaceholder, unquoted } from '../http/placeholder.ts'
import {
  type CertificateInfo,
  type Credential,
  type CredentialSecret,
  infoOf,
  refreshTokenIdOf,
  refreshTokenOf,
} from './credential.ts'
import {
  type KeyMaterialInput,
  NO_REMARKS,
  type Remarks,
  readCertificate,
  readKeyMaterial,
} from './key-material.ts'

/** The `credential` member of a request, unchecked. */
export interface CredentialInput extends KeyMaterialInput {
  readonly clientSecret?: string
  /** Alone, or with the client authentication. */
  readonly refreshToken?: string
  readonly generate?: {
    readonly keyBits?: KeyBits
    /** 1 to 825. */
    readonly days?: number
    readonly commonName?: string
  }
  /** Subject of the certificate request for a generated key that a CA will certify. */
  readonly csr?: CertificateSubject & { readonly keyBits?: KeyBits }
  readonly from?: string
}

/** A checked credential with its secret. It has no state yet. */
export interface FreshCredential {
  readonly credential: Credential
  readonly secret: CredentialSecret
  readonly remarks: Remarks
}

/** The certificate of a pending key. */
interface Certified {
  readonly certificate: CertificateInfo
  readonly remarks: Remarks
}

export type Intake = ReturnType<typeof createIntake>

interface IntakeOptions {
  /** Salesforce accepts an expired certificate. Default false. */
  readonly expiredIsWarning?: boolean
}

interface IntakeDependencies {
  readonly now: () => number
  readonly uniqueId: () => string
}

/** The forms of the `credential` member. */
const KINDS = ['private_key', 'keystore', 'client_secret', 'refresh_token', 'generate', 'from']
const CLIENT_SECRET = /^[\x21-\x7e]{1,512}$/
const REFRESH_TOKEN = /^[\x21-\x7e]{1,4096}$/
const DEFAULT_KEY_BITS = 2048
const DEFAULT_DAYS = 365

/** Requires exactly one kind of credential, and a key for each certificate. */
export function checkShape(
  input: CredentialInput,
  place = 'body/credential',
  kinds: readonly string[] = KINDS,
): void {
  const { privateKey, keystore, clientSecret, generate, csr, from } = input
  const given = [privateKey, keystore, clientSecret, generate, csr, from]
  const count = given.filter((member) => member !== undefined).length
  const isAccompanied = hasKey(input) || clientSecret !== undefined
  if (input.refreshToken !== undefined && count === 1 && !isAccompanied) {
    throw new BrokerError(
      'request_invalid',
      `${place}/refresh_token goes beside client_secret, private_key or keystore, or alone`,
    )
  }
  if (count > 1 || (count === 0 && input.refreshToken === undefined)) {
    throw new BrokerError(
      'request_invalid',
      `${place} must have exactly one of ${kinds.join(', ')}`,
    )
  }
  for (const member of ['certificate', 'passphrase'] as const) {
    if (input[member] === undefined || hasKey(input)) continue
    throw new BrokerError(
      'request_invalid',
      `${place}/${member} needs private_key or keystore beside it`,
    )
  }
  if (input.alias !== undefined && keystore === undefined) {
    throw new BrokerError('request_invalid', `${place}/alias needs keystore beside it`)
  }
}

/** Whether the input has a private key in any form. */
const hasKey = ({ privateKey, keystore }: KeyMaterialInput): boolean =>
  privateKey !== undefined || keystore !== undefined

export function createIntake({ now, uniqueId }: IntakeDependencies) {
  const blank = (type: CredentialType, certificate: CertificateInfo | null): Credential => ({
    id: uniqueId(),
    type,
    state: 'staged',
    clientId: null,
    createdAt: now(),
    activatedAt: null,
    retiresAt: null,
    certificate,
  })

  const fresh = (
    secret: CredentialSecret,
    certificate: CertificateInfo | null,
    { normalized, warnings }: Remarks = NO_REMARKS,
  ): FreshCredential => ({
    secret,
    remarks: { normalized, warnings },
    credential: { ...blank(secret.type, certificate), ...refreshTokenIdIn(secret) },
  })

  const imported = async (input: CredentialInput, { expiredIsWarning = false }: IntakeOptions) => {
    const material = await readKeyMaterial(input, { now: now(), expiredIsWarning })
    const { refreshToken } = input
    const secret: CredentialSecret = {
      type: 'certificate',
      privateKey: material.key.pem.reveal(),
      ...(refreshToken !== undefined && { refreshToken }),
    }
    return fresh(secret, material.certificate, material)
  }

  const generated = async (wish: NonNullable<CredentialInput['generate']>, name: string) => {
    const pair = await generateKeyPair({ bits: wish.keyBits ?? DEFAULT_KEY_BITS })
    const certificate = await selfSignedCertificate(pair, {
      subject: { commonName: wish.commonName ?? `valetkey ${name}`.slice(0, 64) },
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
    const made = fresh({ type: 'certificate', privateKey: pair.pem.reveal() }, null)
    return { ...made, credential: { ...made.credential, state: 'pending', csr } }
  }

  return {
    /** Throws `credential_invalid`, or `request_invalid` if the members do not fit together. */
    async take(
      input: CredentialInput,
      needed: CredentialType | 'none',
      name: string,
      options: IntakeOptions = {},
    ): Promise<FreshCredential> {
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
      if (hasKey(input)) return imported(input, options)
      if (input.csr) return requested(input.csr)
      return generated(input.generate ?? {}, name)
    },
    /** A pending client secret without a value, until Salesforce generates it. */
    awaited: (): Credential => ({ ...blank('client_secret', null), state: 'pending' }),
    /** Checks the certificate of a pending key. Throws `credential_invalid`. */
    certify(pem: string, privateKey: string): Certified {
      const { parsed, info, remarks } = readCertificate(pem, { now: now() })
      if (!matches(parsePrivateKey(privateKey), parsed)) {
        throw new BrokerError(
          'credential_invalid',
          'certificate: it is not for the key that was made for the request',
        )
      }
      return { certificate: info, remarks }
    },
  }
}

/** A refresh token is only accepted if the grant presents one. It is neither a key nor a client secret. */
function isKindOf(input: CredentialInput, needed: CredentialType): boolean {
  const hasSecret = input.clientSecret !== undefined
  const hasToken = input.refreshToken !== undefined
  switch (needed) {
    case 'certificate':
      return !hasSecret && (!hasToken || hasKey(input))
    case 'client_secret':
      return hasSecret && !hasToken
    case 'refresh_token':
      return hasSecret || (hasToken && !hasKey(input))
  }
}

function checkText(
  member: string,
  text: string | undefined,
  pattern: RegExp,
  longest: number,
): void {
  if (text === undefined) return
  if (isPlaceholder(text)) {
    throw new BrokerError(
      'credential_invalid',
      `${member}: it is a placeholder, like undefined, null or THE_CONSUMER_SECRET, and no value`,
      { remedy: `Send the ${member} itself; look whether the variable that holds it is set.` },
    )
  }
  if (unquoted(text) !== undefined) {
    throw new BrokerError('credential_invalid', `${member}: it is in quotation marks`, {
      remedy: `Send the ${member} without the quotation marks around it.`,
    })
  }
  if (pattern.test(text)) return
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

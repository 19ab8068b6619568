/** Checks a credential when it is written, and generates one on request. */
import { createPublicKey } from 'node:crypto'
import { certificateRequest, matches, selfSignedCertificate } from '../crypto/certificate.ts'
import type { IssuingKey } from '../crypto/issuance.ts'
import { generateKeyPair, type KeyBits, parsePrivateKey } from '../crypto/key-pair.ts'
import { BrokerError } from '../errors/errors.ts'
import type { CredentialType } from '../grants/grant.ts'
import type { KeyReference, RemoteKey } from '../signers/remote-key.ts'
import type { Signers } from '../signers/signers.ts'
import { asCredential } from '../signers/signing-problem.ts'
import {
  type CertificateInfo,
  type Credential,
  type CredentialSecret,
  infoOf,
  refreshTokenIdOf,
  refreshTokenOf,
} from './credential.ts'
import { type CredentialInput, checkShape, has, hasKey } from './credential-input.ts'
import { checkClientSecret, checkRefreshToken } from './credential-text.ts'
import { createProofKeyFinder } from './dpop-keys.ts'
import type { FreshCredential } from './fresh-credential.ts'
import { NO_REMARKS, type Remarks, readCertificate, readKeyMaterial } from './key-material.ts'
import { createOutsideIntake } from './outside-intake.ts'
import { type OutsideSecrets, outsideIn } from './outside-secrets.ts'
import { isKnownKey, signerIn } from './remote-credential.ts'

/** The certificate of a pending key. */
interface Certified {
  readonly certificate: CertificateInfo
  readonly remarks: Remarks
}

export type Intake = ReturnType<typeof createIntake>

interface IntakeOptions {
  /** Salesforce accepts an expired certificate. Default false. */
  readonly expiredIsWarning?: boolean
  /** Keys at signers that the integration has already. A signer is not asked for one of them again. */
  readonly known?: readonly RemoteKey[]
}

interface IntakeDependencies {
  readonly signers: Pick<Signers, 'find' | 'sign' | 'prove' | 'makesVersions' | 'referenceFor'>
  readonly outside: OutsideSecrets
  readonly now: () => number
  readonly uniqueId: () => string
}

const DEFAULT_KEY_BITS = 2048
const DEFAULT_DAYS = 365

export function createIntake({ signers, outside, now, uniqueId }: IntakeDependencies) {
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
    credential: {
      ...blank(secret.type, certificate),
      ...signerIn(secret),
      ...outsideIn(secret),
      ...refreshTokenIdIn(secret),
    },
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

  /** The key must be there, and be that of the certificate. */
  const remote = async (
    { signer, certificate: pem, refreshToken }: CredentialInput & { signer: KeyReference },
    integration: string,
    { expiredIsWarning = false, known = [] }: IntakeOptions,
  ): Promise<FreshCredential> => {
    const read =
      pem === undefined ? undefined : readCertificate(pem, { now: now(), expiredIsWarning })
    const certified = read?.parsed.publicKey
    const key =
      known.find((one) => isKnownKey(one, signer, certified)) ??
      (await signers.find(signer, { integration, certified }))
    const secret: CredentialSecret = {
      ...{ type: 'certificate', remote: key },
      ...(refreshToken !== undefined && { refreshToken }),
    }
    return fresh(secret, read?.info ?? null, read?.remarks)
  }

  /** A new key here, or one of a signer. */
  const keyFor = async (
    { signer, generate }: CredentialInput,
    bits: KeyBits,
    integration: string,
  ): Promise<{ readonly key: IssuingKey; readonly secret: CredentialSecret }> => {
    if (!signer) {
      const pair = await generateKeyPair({ bits })
      return { key: pair, secret: { type: 'certificate', privateKey: pair.pem.reveal() } }
    }
    const isNew = generate?.newVersion === true
    const found = await signers.find(signer, { integration, isNew })
    const key = {
      publicKey: createPublicKey(found.publicKey),
      sign: (data: Uint8Array) => asCredential(() => signers.sign(found, data)),
    }
    return { key, secret: { type: 'certificate', remote: found } }
  }

  const generated = async (input: CredentialInput, name: string) => {
    const wish = input.generate ?? {}
    const { key, secret } = await keyFor(input, wish.keyBits ?? DEFAULT_KEY_BITS, name)
    const certificate = await selfSignedCertificate(key, {
      subject: { commonName: wish.commonName ?? `valetkey ${name}`.slice(0, 64) },
      days: wish.days ?? DEFAULT_DAYS,
      now: now(),
    })
    return fresh(secret, infoOf(certificate))
  }

  const requested = async (
    input: CredentialInput & { csr: NonNullable<CredentialInput['csr']> },
    name: string,
  ): Promise<FreshCredential> => {
    const { keyBits = DEFAULT_KEY_BITS, ...subject } = input.csr
    const { key, secret } = await keyFor(input, keyBits, name)
    const csr = await certificateRequest(key, subject)
    const made = fresh(secret, null)
    return { ...made, credential: { ...made.credential, state: 'pending', csr } }
  }

  const fromVault = createOutsideIntake({ signers, outside, fresh })

  const taken = async (
    input: CredentialInput,
    needed: CredentialType,
    name: string,
    options: IntakeOptions,
  ): Promise<FreshCredential> => {
    const { clientSecret, refreshToken } = input
    checkClientSecret(clientSecret)
    checkRefreshToken(refreshToken)
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
    const { signer, generate, csr } = input
    if (csr) return requested({ ...input, csr }, name)
    if (signer && !generate) return remote({ ...input, signer }, name, options)
    if (!signer && hasKey(input)) return imported(input, options)
    return generated(input, name)
  }

  return {
    /** Throws `credential_invalid`, `signer_unavailable`, or `request_invalid` if the members do not fit together. */
    async take(
      given: CredentialInput,
      needed: CredentialType | 'none',
      name: string,
      options: IntakeOptions = {},
    ): Promise<FreshCredential> {
      checkShape(given)
      if (needed === 'none') {
        throw new BrokerError('credential_invalid', 'This grant takes no credential')
      }
      if (!isKindOf(given, needed)) {
        throw new BrokerError('credential_invalid', `This grant needs a ${NEEDED[needed]}`)
      }
      if (!given.asked) return taken(given, needed, name, options)
      const { input, leave } = await fromVault.fetched(given, name)
      return leave(await taken(input, needed, name, options))
    },
    withProofKey: createProofKeyFinder(signers),
    sourcesOf: fromVault.sourcesOf,
    reread: fromVault.reread,
    /** Throws `request_invalid` if the key cannot be rotated by itself, because its signer makes no versions. */
    checkRotates(
      credential: Pick<Credential, 'signer'> | undefined,
      rotateEveryDays: number | undefined,
    ): void {
      const { name } = credential?.signer ?? {}
      if (rotateEveryDays === undefined || name === undefined || signers.makesVersions(name)) return
      throw new BrokerError(
        'request_invalid',
        `body/deployment/rotate_every_days: the signer ${name} makes no new versions of its keys`,
        {
          remedy:
            'Leave rotate_every_days out. To rotate, make another key at the signer and stage a credential with it.',
        },
      )
    },
    /** A pending client secret without a value, until Salesforce generates it. */
    awaited: (): Credential => ({ ...blank('client_secret', null), state: 'pending' }),
    /** Checks the certificate of a pending key. Throws `credential_invalid`. */
    certify(pem: string, secret: KeySecret): Certified {
      const { parsed, info, remarks } = readCertificate(pem, { now: now() })
      if (!matches(keyIn(secret), parsed)) {
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
  const hasSecret = has(input, 'clientSecret')
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

type KeySecret = Extract<CredentialSecret, { readonly type: 'certificate' }>

function keyIn(secret: KeySecret) {
  if ('remote' in secret) return { keyObject: createPublicKey(secret.remote.publicKey) }
  if ('privateKey' in secret) return parsePrivateKey(secret.privateKey)
  throw new Error('A key of a vault never waits for its certificate')
}

function refreshTokenIdIn(secret: CredentialSecret): Pick<Credential, 'refreshTokenId'> {
  const token = refreshTokenOf(secret)
  return token ? { refreshTokenId: refreshTokenIdOf(token) } : {}
}

const NEEDED: Readonly<Record<CredentialType, string>> = {
  certificate: 'signing key: private_key with its certificate, signer, or generate',
  client_secret: 'client_secret',
  refresh_token: 'refresh_token, with the client_secret of its app where that asks for one',
}

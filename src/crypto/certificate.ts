/** Certificates for Salesforce: parsing, matching, limits, self-signed certificates, and requests for a CA. */
import { createPublicKey, type KeyObject, X509Certificate } from 'node:crypto'
import { formOfLabel, wordsFor } from './foreign-form.ts'
import type { IssuingKey } from './issuance.ts'
import { KEY_MAX_BITS, KEY_MIN_BITS, type PrivateKey } from './key-pair.ts'
import { invalidPem, missingWords, onlyBlock, type PemBlock } from './pem.ts'
import type { CertificateSubject, SelfSignedOptions } from './subject.ts'

/** A certificate that Salesforce accepts. Times are epoch milliseconds. */
interface Certificate {
  /** In the order of the certificate, for example `O=Acme, CN=billing`. */
  readonly subject: string
  /** Upper-case hexadecimal. */
  readonly serial: string
  /** Upper-case hexadecimal with a colon between bytes, as OpenSSL prints it. */
  readonly fingerprintSha256: string
  readonly notBefore: number
  readonly notAfter: number
  /** Always false unless `expiredIsWarning` is set. */
  readonly expired: boolean
  readonly keyBits: number
  readonly pem: string
  readonly publicKey: KeyObject
  /** Corrections made while parsing, each a sentence without a full stop. */
  readonly normalized: readonly string[]
  /** Problems that Salesforce may tolerate, each a sentence without a full stop. */
  readonly warnings: readonly string[]
}

export interface ParseCertificateOptions {
  /** Epoch milliseconds. */
  readonly now: number
  /** Name of the certificate in errors. Default: `certificate`. */
  readonly member?: string
  /** Returns an expired certificate with `expired: true`, because Salesforce accepts it. Default: false. */
  readonly expiredIsWarning?: boolean
}

/** Salesforce's limits for an uploaded certificate (Help, "Enable OAuth Settings for API Integration"). */
const CERTIFICATE_MAX_CHARACTERS = 4_000
const CERTIFICATE_MAX_BYTES = 4_095
const DAYS_MAX = 825

/** Parses one PEM certificate with an RSA key and applies the checks of Salesforce. Throws `credential_invalid`. */
export function parseCertificate(text: string, options: ParseCertificateOptions): Certificate {
  const { now, member = 'certificate', expiredIsWarning = false } = options
  const block = onlyBlock(text, {
    member,
    wanted: 'certificate',
    alone: 'send the leaf certificate alone, without its chain and without its key',
  })
  const form = formOfLabel(block.label)
  if (form !== 'certificate') {
    throw invalidPem(
      member,
      form ? wordsFor(form, 'certificate') : 'its PEM block is not a certificate',
    )
  }
  const x509 = read(block, member)
  checkSize(x509.toString().trim(), member)
  const publicKey = publicKeyOf(x509, member)
  const keyBits = publicKey.asymmetricKeyDetails?.modulusLength ?? 0
  if (keyBits < KEY_MIN_BITS || keyBits > KEY_MAX_BITS) {
    throw invalidPem(
      member,
      `its key has ${keyBits} bits: it needs ${KEY_MIN_BITS} to ${KEY_MAX_BITS}`,
    )
  }
  const notBefore = x509.validFromDate.getTime()
  const notAfter = x509.validToDate.getTime()
  if (!Number.isFinite(notBefore) || !Number.isFinite(notAfter)) {
    throw invalidPem(member, 'its validity cannot be read')
  }
  const expired = notAfter <= now
  if (expired && !expiredIsWarning) {
    throw invalidPem(member, `it expired at ${new Date(notAfter).toISOString()}`)
  }
  return {
    subject: x509.subject?.split('\n').join(', ') ?? '',
    serial: x509.serialNumber,
    fingerprintSha256: x509.fingerprint256,
    notBefore,
    notAfter,
    expired,
    keyBits,
    pem: x509.toString(),
    publicKey,
    normalized: block.normalized,
    warnings: warningsOf(x509, { notBefore, now }),
  }
}

/** Tolerance for `notBefore`, in milliseconds. */
const CLOCKS_MS = 300_000
const WEAK_SIGNATURES = /md2|md4|md5|sha-?1(?!\d)/i

/** Salesforce does not check these at the upload, but other verifiers do. */
function warningsOf(
  x509: X509Certificate,
  { notBefore, now }: { readonly notBefore: number; readonly now: number },
): readonly string[] {
  const algorithm = x509.signatureAlgorithm ?? ''
  return [
    ...(notBefore > now + CLOCKS_MS
      ? [`It is not valid before ${new Date(notBefore).toISOString()}`]
      : []),
    ...(WEAK_SIGNATURES.test(algorithm) ? [`It is signed with ${algorithm}, which is broken`] : []),
  ]
}

/** The key may be the private or the public one. */
export function matches(
  { keyObject }: Pick<PrivateKey, 'keyObject'>,
  certificate: Pick<Certificate, 'publicKey'>,
): boolean {
  const publicKey = keyObject.type === 'public' ? keyObject : createPublicKey(keyObject)
  return publicKey.equals(certificate.publicKey)
}

/** X.509 v3, SHA-256 with RSA, for signatures only. Throws `credential_invalid`. */
export async function selfSignedCertificate(
  key: IssuingKey,
  options: SelfSignedOptions,
): Promise<Certificate> {
  const { days, now } = options
  if (!Number.isInteger(days) || days < 1 || days > DAYS_MAX) {
    throw invalidPem('days', `it must be a whole number from 1 to ${DAYS_MAX}`)
  }
  const { issueSelfSigned } = await loadIssuance()
  return parseCertificate(await issueSelfSigned(key, options), { now })
}

/** A PKCS#10 request in PEM. Throws `credential_invalid`. */
export async function certificateRequest(
  key: IssuingKey,
  subject: CertificateSubject,
): Promise<string> {
  const { issueRequest } = await loadIssuance()
  return issueRequest(key, subject)
}

/** Loaded on demand: the libraries take longer to load than the rest of the service. */
const loadIssuance = () => import('./issuance.ts')

function checkSize(text: string, member: string): void {
  if (text.length > CERTIFICATE_MAX_CHARACTERS) {
    throw invalidPem(
      member,
      `it has ${text.length} characters: Salesforce accepts at most ${CERTIFICATE_MAX_CHARACTERS}`,
    )
  }
  if (Buffer.byteLength(text) > CERTIFICATE_MAX_BYTES) {
    throw invalidPem(member, 'it has 4 KB or more: Salesforce accepts only smaller ones')
  }
}

function read(block: PemBlock, member: string): X509Certificate {
  const missing = missingWords(block)
  if (missing !== undefined) throw invalidPem(member, missing)
  try {
    return new X509Certificate(block.text)
  } catch (cause) {
    throw invalidPem(member, 'its PEM contains no readable certificate: it is damaged', cause)
  }
}

function publicKeyOf(x509: X509Certificate, member: string): KeyObject {
  let publicKey: KeyObject
  try {
    publicKey = x509.publicKey
  } catch (cause) {
    throw invalidPem(member, 'its public key cannot be read', cause)
  }
  if (publicKey.asymmetricKeyType !== 'rsa') {
    throw invalidPem(member, 'it is not for an RSA key: Salesforce accepts only RSA keys')
  }
  return publicKey
}

/** Reads a signing key and its certificate from PEM, encrypted PEM, PKCS#12 or JKS. */
import { matches, parseCertificate } from '../crypto/certificate.ts'
import { encryptedKeyOf, type PrivateKey, parsePrivateKey } from '../crypto/key-pair.ts'
import { decryptKey, type KeystoreEntry, openKeystore } from '../crypto/keystore.ts'
import { BrokerError } from '../errors/errors.ts'
import { type CertificateInfo, infoOf } from './credential.ts'

/** The members of a request that hold a key. */
export interface KeyMaterialInput {
  readonly privateKey?: string
  readonly certificate?: string
  /** PKCS#12 or JKS in base64. */
  readonly keystore?: string
  /** Passphrase of the keystore, or of the encrypted private key. */
  readonly passphrase?: string
  /** Alias of the key in the keystore. */
  readonly alias?: string
}

/** Remarks for the writer of the credential. Each names the member. */
export interface Remarks {
  /** Corrections made while parsing. */
  readonly normalized: readonly string[]
  /** Warnings about an accepted credential. */
  readonly warnings: readonly string[]
}

interface KeyMaterial extends Remarks {
  readonly key: Pick<PrivateKey, 'pem' | 'keyObject'>
  readonly certificate: CertificateInfo | null
}

export const NO_REMARKS: Remarks = { normalized: [], warnings: [] }

interface CertificateOptions {
  /** Epoch milliseconds. */
  readonly now: number
  /** Default false. */
  readonly expiredIsWarning?: boolean
}

/** Throws `credential_invalid`. */
export async function readKeyMaterial(
  input: KeyMaterialInput,
  options: CertificateOptions,
): Promise<KeyMaterial> {
  const { keystore, passphrase } = input
  if (keystore === undefined) {
    const { privateKey = '', certificate } = input
    const { pem, words } = await unlocked(privateKey, passphrase)
    return readPair(pem, certificate, words, options)
  }
  const entry = await openKeystore({ keystore, passphrase: passphrase ?? '', alias: input.alias })
  const words = [`keystore: The key of ${entry.alias} and its certificate were taken from it`]
  return readPair(entry.key, input.certificate ?? certificateFor(entry), words, options)
}

async function unlocked(privateKey: string, passphrase: string | undefined) {
  const encrypted = passphrase === undefined ? undefined : encryptedKeyOf(privateKey)
  if (passphrase === undefined) return { pem: privateKey, words: [] }
  if (!encrypted) {
    throw new BrokerError('credential_invalid', 'passphrase: the private_key is not encrypted')
  }
  const words = [...encrypted.normalized, 'It was decrypted with the passphrase']
  return {
    pem: await decryptKey(encrypted, passphrase),
    words: words.map((word) => `private_key: ${word}`),
  }
}

function readPair(
  privateKey: string,
  certificate: string | undefined,
  words: readonly string[],
  options: CertificateOptions,
): KeyMaterial {
  const key = parsePrivateKey(privateKey)
  const normalized = [...words, ...key.normalized.map((word) => `private_key: ${word}`)]
  if (certificate === undefined) return { key, certificate: null, normalized, warnings: [] }
  const { info, remarks, parsed } = readCertificate(certificate, options)
  if (!matches(key, parsed)) {
    throw new BrokerError('credential_invalid', 'certificate: it is not for this private_key')
  }
  return {
    key,
    certificate: info,
    normalized: [...normalized, ...remarks.normalized],
    warnings: remarks.warnings,
  }
}

/** Throws `credential_invalid`. */
export function readCertificate(pem: string, options: CertificateOptions) {
  const parsed = parseCertificate(pem, options)
  const named = (words: readonly string[]) => words.map((word) => `certificate: ${word}`)
  const remarks: Remarks = {
    normalized: named(parsed.normalized),
    warnings: named(parsed.warnings),
  }
  return { parsed, info: infoOf(parsed), remarks }
}

/** The certificate that belongs to the key. The others are its chain. */
function certificateFor({ key, certificates }: KeystoreEntry): string | undefined {
  if (certificates.length === 1) return certificates[0]
  const parsedKey = parsePrivateKey(key)
  return certificates.find((pem) => isFor(pem, parsedKey)) ?? certificates[0]
}

function isFor(pem: string, key: Pick<PrivateKey, 'keyObject'>): boolean {
  try {
    return matches(key, parseCertificate(pem, { now: 0, expiredIsWarning: true }))
  } catch (error) {
    // Salesforce need not accept certificates of the chain.
    if (error instanceof BrokerError) return false
    throw error
  }
}

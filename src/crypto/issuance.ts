/** Creates certificates and certificate requests. */
import 'reflect-metadata'
import { createPublicKey, type KeyObject, randomBytes, webcrypto } from 'node:crypto'
import {
  AuthorityKeyIdentifierExtension,
  BasicConstraintsExtension,
  KeyUsageFlags,
  KeyUsagesExtension,
  Pkcs10CertificateRequestGenerator,
  SubjectKeyIdentifierExtension,
  type X509CertificateCreateSelfSignedParams,
  X509CertificateGenerator,
} from '@peculiar/x509'
import type { PrivateKey } from './key-pair.ts'
import type { SelfSignedOptions } from './subject.ts'
import { type CertificateSubject, distinguishedName } from './subject.ts'

const DAY_MS = 86_400_000
/** Lets verifiers with a slow clock accept a new certificate. */
const BACKDATED_MS = 5 * 60_000
const SERIAL_BYTES = 16
const SIGNATURE = { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256' } as const

/** A private key, or a public key whose private key signs elsewhere. */
export type IssuingKey =
  | Pick<PrivateKey, 'keyObject'>
  | {
      readonly publicKey: KeyObject
      /** RSASSA-PKCS1-v1_5 with SHA-256 over the bytes. */
      readonly sign: (data: Uint8Array) => Promise<Uint8Array>
    }

/** Returns PEM. The caller checks the number of days. */
export async function issueSelfSigned(
  key: IssuingKey,
  { subject, days, now }: SelfSignedOptions,
): Promise<string> {
  const name = distinguishedName(subject)
  const keys = cryptoKeys(key)
  const options: X509CertificateCreateSelfSignedParams = {
    name,
    keys,
    signingAlgorithm: SIGNATURE,
    serialNumber: serialNumber(),
    notBefore: new Date(now - BACKDATED_MS),
    notAfter: new Date(now + days * DAY_MS),
    extensions: [
      new BasicConstraintsExtension(false, undefined, true),
      new KeyUsagesExtension(KeyUsageFlags.digitalSignature, true),
      await SubjectKeyIdentifierExtension.create(keys.publicKey),
      await AuthorityKeyIdentifierExtension.create(keys.publicKey),
    ],
  }
  const certificate = await X509CertificateGenerator.createSelfSigned(options, cryptoFor(key))
  return certificate.toString('pem')
}

export async function issueRequest(key: IssuingKey, subject: CertificateSubject): Promise<string> {
  const options = {
    name: distinguishedName(subject),
    keys: cryptoKeys(key),
    signingAlgorithm: SIGNATURE,
    extensions: [new KeyUsagesExtension(KeyUsageFlags.digitalSignature, true)],
  }
  const request = await Pkcs10CertificateRequestGenerator.create(options, cryptoFor(key))
  return `${request.toString('pem').trim()}\n`
}

function cryptoKeys(key: IssuingKey) {
  if ('sign' in key) {
    const publicKey = key.publicKey.toCryptoKey(SIGNATURE, true, ['verify'])
    // Only its algorithm is read, because another one signs.
    return { privateKey: publicKey, publicKey }
  }
  const { keyObject } = key
  return {
    privateKey: keyObject.toCryptoKey(SIGNATURE, true, ['sign']),
    publicKey: createPublicKey(keyObject).toCryptoKey(SIGNATURE, true, ['verify']),
  }
}

/** The library signs by the crypto that it is given. */
function cryptoFor(key: IssuingKey): webcrypto.Crypto {
  if (!('sign' in key)) return webcrypto
  const { subtle } = webcrypto
  const signing = {
    exportKey: subtle.exportKey.bind(subtle),
    digest: subtle.digest.bind(subtle),
    async sign(_algorithm: unknown, _key: unknown, data: ArrayBuffer) {
      return new Uint8Array(await key.sign(new Uint8Array(data))).buffer
    },
  }
  // The library types its parameter as all of Web Crypto, and uses these four functions of it.
  return { subtle: signing, getRandomValues: webcrypto.getRandomValues.bind(webcrypto) } as never
}

/** A positive number of full length: the sign bit is clear and the first byte is not zero. */
function serialNumber(): string {
  const bytes = randomBytes(SERIAL_BYTES)
  bytes[0] = ((bytes[0] ?? 0) & 0x7f) | 0x40
  return bytes.toString('hex')
}

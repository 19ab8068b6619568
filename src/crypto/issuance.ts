/** Creates certificates and certificate requests. */
import 'reflect-metadata'
import { createPublicKey, randomBytes } from 'node:crypto'
import {
  AuthorityKeyIdentifierExtension,
  BasicConstraintsExtension,
  KeyUsageFlags,
  KeyUsagesExtension,
  Pkcs10CertificateRequestGenerator,
  SubjectKeyIdentifierExtension,
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

/** Returns PEM. The caller checks the number of days. */
export async function issueSelfSigned(
  key: Pick<PrivateKey, 'keyObject'>,
  { subject, days, now }: SelfSignedOptions,
): Promise<string> {
  const name = distinguishedName(subject)
  const keys = cryptoKeys(key)
  const certificate = await X509CertificateGenerator.createSelfSigned({
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
  })
  return certificate.toString('pem')
}

export async function issueRequest(
  key: Pick<PrivateKey, 'keyObject'>,
  subject: CertificateSubject,
): Promise<string> {
  const request = await Pkcs10CertificateRequestGenerator.create({
    name: distinguishedName(subject),
    keys: cryptoKeys(key),
    signingAlgorithm: SIGNATURE,
    extensions: [new KeyUsagesExtension(KeyUsageFlags.digitalSignature, true)],
  })
  return `${request.toString('pem').trim()}\n`
}

function cryptoKeys({ keyObject }: Pick<PrivateKey, 'keyObject'>) {
  return {
    privateKey: keyObject.toCryptoKey(SIGNATURE, true, ['sign']),
    publicKey: createPublicKey(keyObject).toCryptoKey(SIGNATURE, true, ['verify']),
  }
}

/** A positive number of full length: the sign bit is clear and the first byte is not zero. */
function serialNumber(): string {
  const bytes = randomBytes(SERIAL_BYTES)
  bytes[0] = ((bytes[0] ?? 0) & 0x7f) | 0x40
  return bytes.toString('hex')
}

/** Key pairs with certificates, made at run time; one a process is enough for most tests. */
import { selfSignedCertificate } from '../../src/crypto/certificate.ts'
import { generateKeyPair } from '../../src/crypto/key-pair.ts'

export interface SigningKey {
  readonly privateKey: string
  readonly certificate: string
}

export async function newSigningKey(commonName = 'test', days = 365): Promise<SigningKey> {
  const pair = await generateKeyPair({ bits: 2048 })
  const certificate = await selfSignedCertificate(pair, {
    subject: { commonName },
    ...{ days, now: Date.now() },
  })
  return { privateKey: pair.pem.reveal(), certificate: certificate.pem }
}

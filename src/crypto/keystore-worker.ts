/**
 * Opens passphrase-protected data in a worker thread, because the file determines the number of
 * iterations. The parent terminates this thread at a deadline. That interrupts only JavaScript, so
 * the work of OpenSSL is limited before it starts.
 */
import { createPrivateKey } from 'node:crypto'
import { parentPort, workerData } from 'node:worker_threads'
import jks from 'jks-js'
import forge from 'node-forge'
import { formOfBytes } from './foreign-form.ts'
import type { KeystoreEntry, Opened, OpenRequest } from './keystore.ts'

const request = workerData as OpenRequest

function opened(): Opened {
  const { kind, passphrase } = request
  try {
    if (kind === 'key') return { entries: [{ alias: '', key: decrypted(), certificates: [] }] }
    const bytes = Buffer.from(request.bytes)
    return { entries: formOfBytes(bytes) === 'jks' ? ofJks(bytes) : ofPkcs12(bytes) }
  } catch (error) {
    const { message, code } = error as NodeJS.ErrnoException
    const isPassphrase = WRONG_PASSPHRASE.test(`${code} ${message}`)
    return { why: isPassphrase || passphrase === '' ? 'passphrase' : 'unreadable' }
  }
}

/** Errors of jks-js, node-forge and OpenSSL for a wrong passphrase. */
const WRONG_PASSPHRASE =
  /Password verification failed|Cannot recover key|Invalid password|BAD_DECRYPT|bad decrypt|ERR_OSSL_(?:EVP|CRYPTO|PKCS12)|INTERRUPTED_OR_CANCELLED/i

function decrypted(): string {
  const { bytes, passphrase } = request
  const key = createPrivateKey({ key: Buffer.from(bytes), format: 'pem', passphrase })
  return key.export({ type: 'pkcs8', format: 'pem' }).toString()
}

function ofJks(bytes: Buffer): readonly KeystoreEntry[] {
  return jks.parseJks(bytes, request.passphrase).flatMap((entry): KeystoreEntry[] => {
    if (!('protectedPrivateKey' in entry)) return []
    const key = jks.decrypt(entry.protectedPrivateKey, request.passphrase)
    const certificates = entry.chain.map(({ value }) => pemOf('CERTIFICATE', value))
    return [{ alias: entry.alias, key, certificates }]
  })
}

function ofPkcs12(bytes: Buffer): readonly KeystoreEntry[] {
  const asn1 = forge.asn1.fromDer(bytes.toString('binary'))
  const { safeContents } = forge.pkcs12.pkcs12FromAsn1(asn1, false, request.passphrase)
  const bags = safeContents.flatMap(({ safeBags }) => safeBags)
  const certificates = bags
    .filter(({ type }) => type === forge.pki.oids.certBag)
    .flatMap(({ cert, asn1: raw }) => (cert ? forge.pki.certificateToAsn1(cert) : raw ? raw : []))
    .map((certificate) => pemOf('CERTIFICATE', derOf(certificate)))
  return bags
    .filter(({ type }) => type === forge.pki.oids.keyBag || type === SHROUDED)
    .flatMap(({ key, asn1: raw, attributes }, index): KeystoreEntry[] => {
      const info = key ? forge.pki.wrapRsaPrivateKey(forge.pki.privateKeyToAsn1(key)) : raw
      if (!info) return []
      const named = (attributes as { friendlyName?: readonly string[] } | undefined)?.friendlyName
      const alias = named?.[0] ?? String(index + 1)
      return [{ alias, key: pemOf('PRIVATE KEY', derOf(info)), certificates }]
    })
}

const SHROUDED = forge.pki.oids.pkcs8ShroudedKeyBag

const derOf = (asn1: forge.asn1.Asn1): Buffer =>
  Buffer.from(forge.asn1.toDer(asn1).getBytes(), 'binary')

const pemOf = (label: string, der: Buffer): string =>
  `-----BEGIN ${label}-----\n${der.toString('base64').replace(/.{1,64}/g, '$&\n')}-----END ${label}-----\n`

parentPort?.postMessage(opened())

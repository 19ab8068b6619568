/** Opens keystores (PKCS#12, JKS) and encrypted private keys with their passphrase. */

import { extname } from 'node:path'
import { Worker } from 'node:worker_threads'
import { waitFor } from '../runtime/timeout.ts'
import { formOfBytes, wordsFor } from './foreign-form.ts'
import { invalidPem, type PemBlock } from './pem.ts'
import { roundsOf } from './stretching.ts'

/** A private key in a keystore and its certificates. */
export interface KeystoreEntry {
  /** The alias in the keystore, or the number of the key from 1. */
  readonly alias: string
  /** PKCS#8 in PEM. */
  readonly key: string
  /** PEM, in the order of the keystore. */
  readonly certificates: readonly string[]
}

export interface OpenRequest {
  readonly kind: 'keystore' | 'key'
  readonly bytes: Uint8Array
  readonly passphrase: string
}

export type Opened =
  | { readonly entries: readonly KeystoreEntry[] }
  | { readonly why: 'passphrase' | 'unreadable' }

interface KeystoreInput {
  /** Base64. */
  readonly keystore: string
  readonly passphrase: string
  /** Selects a key; optional if there is only one. Compared without case, as in Java. */
  readonly alias?: string | undefined
}

/** Time limit, in milliseconds. Files of common tools take less than one second. */
const OPEN_TIMEOUT_MS = 10_000
/** Beside this file, and of its kind: the bundle has a worker of its own. */
const WORKER = new URL(`./keystore-worker${extname(import.meta.url)}`, import.meta.url)
const HEAP_MAX_MB = 64
/** For an encrypted private key: about three seconds, which no deadline can interrupt. Keys of common tools have at most a million. */
const MAX_ROUNDS = 10_000_000
const PKCS8_LABEL = 'ENCRYPTED PRIVATE KEY'
const BASE64 = /^[A-Za-z0-9+/]+={0,2}$/

/** The only key of the keystore, or the key with that alias. Throws `credential_invalid`. */
export async function openKeystore({
  keystore,
  passphrase,
  alias,
}: KeystoreInput): Promise<KeystoreEntry> {
  const bytes = bytesOf(keystore)
  const opened = await open({ kind: 'keystore', bytes, passphrase }, 'keystore')
  const named =
    alias === undefined
      ? opened
      : opened.filter((entry) => entry.alias.toLowerCase() === alias.toLowerCase())
  const [entry, ...others] = named
  if (entry && others.length === 0) return entry
  if (opened.length === 0) {
    throw invalidPem('keystore', 'it contains no private key, only certificates')
  }
  const aliases = opened.map((one) => one.alias).join(', ')
  throw invalidPem(
    'alias',
    alias === undefined
      ? `the keystore has ${opened.length} private keys: name one of ${aliases}`
      : `the keystore has no private key with this alias: it has ${aliases}`,
  )
}

/** Decrypts a private key to PKCS#8 in PEM. Throws `credential_invalid`. */
export async function decryptKey(
  { label, text, der }: Pick<PemBlock, 'label' | 'text' | 'der'>,
  passphrase: string,
): Promise<string> {
  // The old PEM encryption (RFC 1421) has one iteration.
  const rounds = label === PKCS8_LABEL ? roundsOf(der) : 1
  if (rounds === undefined)
    throw invalidPem('private_key', 'its encryption parameters cannot be read')
  if (rounds > MAX_ROUNDS) {
    throw invalidPem(
      'private_key',
      `its key derivation has more than ${MAX_ROUNDS} iterations: encrypt it again with \`openssl pkcs8 -topk8 -in encrypted.pem -out key.pem\``,
    )
  }
  const request: OpenRequest = { kind: 'key', bytes: Buffer.from(text), passphrase }
  const [entry] = await open(request, 'private_key')
  if (!entry) throw invalidPem('private_key', 'its encrypted PEM cannot be read')
  return entry.key
}

function bytesOf(keystore: string): Buffer {
  const packed = keystore.replace(/\s/g, '').replaceAll('-', '+').replaceAll('_', '/')
  if (keystore.includes('-----BEGIN ')) {
    throw invalidPem('keystore', 'it is PEM: send it as `private_key` and `certificate`')
  }
  if (!BASE64.test(packed)) {
    throw invalidPem('keystore', 'it is not base64: encode the file with `base64 -w 0 keys.jks`')
  }
  const bytes = Buffer.from(packed, 'base64')
  const form = formOfBytes(bytes)
  if (form === 'jks' || form === 'pkcs12') return bytes
  if (form === 'jceks') throw invalidPem('keystore', wordsFor(form, 'private_key'))
  const why = 'it is neither a PKCS#12 file nor a Java keystore (JKS)'
  throw invalidPem('keystore', form ? `${why}: ${wordsFor(form, 'private_key')}` : why)
}

/** One worker at a time, because each needs memory and a processor. */
let last: Promise<unknown> = Promise.resolve()

async function open(request: OpenRequest, member: string): Promise<readonly KeystoreEntry[]> {
  const turn = last.then(() => inThread(request, member))
  last = turn.then(
    () => undefined,
    () => undefined,
  )
  const opened = await turn
  if ('entries' in opened) return opened.entries
  if (opened.why === 'passphrase') {
    throw invalidPem(
      'passphrase',
      request.kind === 'key'
        ? 'it does not decrypt the private key'
        : 'it does not open the keystore; if a key in a JKS has its own passphrase, set it to the passphrase of the keystore with `keytool -keypasswd`',
    )
  }
  throw invalidPem(member, 'its content cannot be read with the passphrase: the file is damaged')
}

/** Terminates the thread after its answer, at an error, and at the deadline. */
async function inThread(workerData: OpenRequest, member: string): Promise<Opened> {
  const worker = new Worker(WORKER, {
    workerData,
    resourceLimits: { maxOldGenerationSizeMb: HEAP_MAX_MB },
  })
  const opened = new Promise<Opened>((resolve, reject) => {
    worker.once('message', resolve)
    worker.once('error', (cause: NodeJS.ErrnoException) => {
      const isTooMuch = cause.code === 'ERR_WORKER_OUT_OF_MEMORY'
      reject(isTooMuch ? invalidPem(member, 'it takes too much memory to open', cause) : cause)
    })
  })
  const late = () => {
    const seconds = OPEN_TIMEOUT_MS / 1_000
    throw invalidPem(member, `it could not be opened within ${seconds} seconds`)
  }
  try {
    return await waitFor(opened, { ms: OPEN_TIMEOUT_MS, late })
  } finally {
    await worker.terminate()
  }
}

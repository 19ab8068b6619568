/** The signers of this process: which key may be named, who may use it, and how it signs in time. */
import { createPublicKey, type KeyObject } from 'node:crypto'
import { matchesGlob } from '../callers/glob.ts'
import { BrokerError } from '../errors/errors.ts'
import type { Log } from '../runtime/runtime.ts'
import { within } from '../runtime/timeout.ts'
import { allowedReference, checkReadable, keepsSecrets, unreadable } from './readable-secrets.ts'
import {
  idOfKey,
  type KeyReference,
  type PublicKey,
  type RemoteKey,
  type SigningAlgorithm,
  type SigningBackend,
} from './remote-key.ts'
import {
  type AskedReference,
  restOf,
  type SecretContent,
  type SecretReference,
} from './secret-reference.ts'
import { createSignerBreaker } from './signer-breaker.ts'
import type { SignerSettings } from './signer-settings.ts'
import { asCredential, isOfSigner, signerAway, signingRefused } from './signing-problem.ts'
import { createSlots } from './slots.ts'
import { isVerified, wrongSignature } from './verification.ts'

export type Signers = ReturnType<typeof createSigners>

/** What signing an assertion needs. */
export type Signing = Pick<Signers, 'sign' | 'ready' | 'signatureMs'>

interface FindOptions {
  /** The integration that will sign with the key. */
  readonly integration: string
  /** Makes a new version of the key first. Default: does not. */
  readonly isNew?: boolean
  /** The key must be that of this certificate. Without a version, the version is chosen by it. */
  readonly certified?: KeyObject | undefined
  /** What it will sign with. Default: RS256. */
  readonly algorithm?: SigningAlgorithm
}

export interface SignerMeter {
  signed(signer: string, outcome: 'signed' | 'refused' | 'unavailable', ms: number): void
}

interface SignersDependencies {
  readonly settings: readonly SignerSettings[]
  readonly backendOf: (settings: SignerSettings) => SigningBackend
  readonly monotonic: () => number
  readonly meter: SignerMeter
  readonly log: Pick<Log, 'info' | 'warn'>
}

/** Signed by a probe. Nothing reads it. */
const PROBE = Buffer.from('valetkey asks whether this key signs')

/** Share of a slow signature that still counts at the next one. */
const REMEMBERED = 0.9

export function createSigners(dependencies: SignersDependencies) {
  const { settings, backendOf, monotonic, meter, log } = dependencies
  const breaker = createSignerBreaker({ monotonic, log })
  const all = new Map(
    settings.map((one) => [
      one.name,
      { settings: one, backend: backendOf(one), slots: createSlots(one.signaturesAtOnce) },
    ]),
  )

  /** By name: what a signature takes, with the wait for its turn, in milliseconds. */
  const lastMs = new Map<string, number>()

  const named = (name: string) => {
    const found = all.get(name)
    if (found) return found
    throw signingRefused(name, 'is not in the file of VALETKEY_SIGNERS', {
      remedy: 'Put the signer into the file of VALETKEY_SIGNERS and restart, or use another key.',
    })
  }

  /** Asks a backend in its turn and in time. */
  const ask = async <Result>(
    name: string,
    work: (backend: SigningBackend, signal: AbortSignal) => Promise<Result>,
  ): Promise<Result> => {
    const { backend, slots, settings: of } = named(name)
    const late = () => {
      throw signerAway(name, `did not answer within ${of.timeoutMs / 1000} seconds`)
    }
    const inTurn = async (signal: AbortSignal) => {
      try {
        return await slots.run(() => work(backend, signal), signal)
      } catch (error) {
        if (signal.aborted) late()
        throw error
      }
    }
    return within(of.timeoutMs, inTurn, { late })
  }

  /** The file may list fewer keys than when the credential was written. */
  const checkListed = ({ name, key }: KeyReference): void => {
    if (named(name).settings.keys.some((glob) => matchesGlob(glob, key))) return
    throw signingRefused(name, `may not be asked for the key ${key}`, {
      remedy: `Add ${key} to the keys of ${name} in the file of VALETKEY_SIGNERS and restart, or stage a credential with another key.`,
    })
  }

  const isResting = (key: KeyReference): boolean =>
    breaker.isResting([{ name: key.name }, { name: key.name, key: idOfKey(key) }])

  /** For requests that are no signature. After a failure, the signer as a whole rests for them too. */
  const whileThere = async <Result>(name: string, work: () => Promise<Result>): Promise<Result> => {
    breaker.check([{ name }])
    try {
      const result = await work()
      breaker.ended({ name })
      return result
    } catch (error) {
      if (!(error instanceof BrokerError) || !isOfSigner(error)) throw error
      if (error.code === 'signer_unavailable') breaker.failed({ name }, error)
      else breaker.ended({ name })
      throw error
    }
  }

  const sign = async (key: RemoteKey, data: Uint8Array): Promise<Buffer> => {
    const { name } = key
    checkListed(key)
    const ofKey = { name, key: idOfKey(key) }
    breaker.check([{ name }, ofKey])
    const startedAt = monotonic()
    try {
      const signature = await ask(name, (backend, signal) => backend.sign(key, data, signal))
      if (!(await isVerified(key, data, signature))) throw wrongSignature(key)
      breaker.ended({ name })
      breaker.ended(ofKey)
      const tookMs = monotonic() - startedAt
      lastMs.set(name, Math.max(tookMs, REMEMBERED * (lastMs.get(name) ?? 0)))
      meter.signed(name, 'signed', tookMs)
      return Buffer.from(signature)
    } catch (error) {
      if (!(error instanceof BrokerError) || !isOfSigner(error)) throw error
      const isAway = error.code === 'signer_unavailable'
      if (!isAway) breaker.ended({ name })
      breaker.failed(isAway ? { name } : ofKey, error)
      meter.signed(name, isAway ? 'unavailable' : 'refused', monotonic() - startedAt)
      throw error
    }
  }

  const mayUse = (reference: KeyReference, integration: string): void => {
    const found = all.get(reference.name)
    const isAllowed = found?.settings.integrations.some((glob) => matchesGlob(glob, integration))
    if (!found || !isAllowed) {
      throw new BrokerError(
        'credential_invalid',
        `signer/name: this service has no signer ${reference.name} for ${integration}`,
        { remedy: 'Name a signer of the file of VALETKEY_SIGNERS that this integration may use.' },
      )
    }
    if (!found.settings.keys.some((glob) => matchesGlob(glob, reference.key))) {
      throw new BrokerError(
        'credential_invalid',
        `signer/key: the keys of the signer ${reference.name} do not include ${reference.key}`,
        { remedy: 'Name a key that the file of VALETKEY_SIGNERS lists for this signer.' },
      )
    }
  }

  const publicKeysOf = (
    { name, key }: KeyReference,
    algorithm: SigningAlgorithm,
  ): Promise<readonly PublicKey[]> =>
    whileThere(name, () =>
      ask(name, (backend, signal) => backend.publicKeys(key, algorithm, signal)),
    )

  /** Proves first that the key can be read and signs, so that a mistake makes no version at each try. */
  const rotate = async (reference: KeyReference, algorithm: SigningAlgorithm): Promise<void> => {
    const { name, key } = reference
    if (!named(name).backend.rotate) {
      throw signingRefused(name, 'has no versions of a key', {
        remedy: 'Make a new key at the signer, and name it without new_version.',
      })
    }
    const found = await publicKeysOf(reference, algorithm)
    const newest = remoteOf(reference, chosen(reference, found, undefined), algorithm)
    await sign(newest, PROBE)
    await whileThere(name, () => ask(name, async ({ rotate }, signal) => rotate?.(key, signal)))
  }

  return {
    /** Signs the bytes by the algorithm of the key. The result is verified. Throws `signer_unavailable`, `signing_refused`. */
    sign,
    /** Makes a signature if the last one failed, so that nothing is charged for a key that does not sign. Throws as `sign` does. */
    async ready(key: RemoteKey): Promise<void> {
      if (isResting(key)) await sign(key, PROBE)
    },
    /** What a signature takes, in milliseconds: that of a slow one counts for a while. 0: nothing was signed yet. */
    signatureMs: ({ name }: Pick<RemoteKey, 'name'>): number => lastMs.get(name) ?? 0,
    /** Whether the signer was away at the last request, or the last signature of this key failed. */
    isResting,
    /** The key of a new credential, with its version and its public half. Throws `credential_invalid`, `signer_unavailable`. */
    async find(reference: KeyReference, options: FindOptions): Promise<RemoteKey> {
      const { integration, isNew, certified, algorithm = 'RS256' } = options
      mayUse(reference, integration)
      const found = await asCredential(async () => {
        if (isNew) await rotate(reference, algorithm)
        return publicKeysOf(reference, algorithm)
      })
      return remoteOf(reference, chosen(reference, found, certified), algorithm)
    },
    /** Signs once, and does nothing with the signature. Throws `credential_invalid` if the signer refuses, and `signer_unavailable`. */
    async prove(key: RemoteKey): Promise<void> {
      await asCredential(() => sign(key, PROBE))
    },
    /** Whether it makes new versions of its keys. An unknown signer counts as one that does. */
    makesVersions(name: string): boolean {
      const found = all.get(name)
      return !found || found.backend.rotate !== undefined
    },
    /** The vault and the path of a secret that this integration may use. Throws `credential_invalid`. */
    referenceFor: (asked: AskedReference, integration: string): SecretReference =>
      allowedReference(settings, asked, integration),
    /** Reads what is at a path. Throws `signer_unavailable`, `signing_refused`. */
    async contentAt({
      name,
      path,
      version,
    }: Omit<SecretReference, 'field'>): Promise<SecretContent> {
      checkReadable(named(name).settings, path)
      const ofSecret = restOf({ name, path, ...(version !== undefined && { version }) })
      breaker.check([ofSecret])
      try {
        const content = await whileThere(name, () =>
          ask(name, ({ read }, signal) => read?.(path, version, signal) ?? unreadable(name)),
        )
        breaker.ended(ofSecret)
        return content
      } catch (error) {
        const isRefused = error instanceof BrokerError && error.code === 'signing_refused'
        if (isRefused) breaker.failed(ofSecret, error)
        throw error
      }
    },
    /** Whether integrations may have secrets in a vault. */
    readsSecrets: settings.some((one) => one.type === 'vault_transit' && keepsSecrets(one)),
    start(): void {
      for (const { backend } of all.values()) backend.start?.()
    },
    async stop(): Promise<void> {
      await Promise.all([...all.values()].map(({ backend }) => backend.stop?.()))
    },
  }
}

const remoteOf = (
  { name, key }: KeyReference,
  { pem, version }: PublicKey,
  algorithm: SigningAlgorithm,
): RemoteKey => ({
  ...{ name, key, publicKey: pem },
  ...(version !== undefined && { keyVersion: version }),
  ...(algorithm === 'ES256' && { algorithm }),
})

/** Throws `credential_invalid` if no version fits. */
function chosen(
  { key, keyVersion }: KeyReference,
  found: readonly PublicKey[],
  certified: KeyObject | undefined,
): PublicKey {
  const asked = keyVersion === undefined ? found : found.filter((one) => one.version === keyVersion)
  const newest = asked.at(-1)
  if (!newest) {
    throw new BrokerError(
      'credential_invalid',
      `signer/key_version: the signer has no version ${keyVersion} of ${key}`,
      { remedy: 'Name a version that the signer has, or none for the newest one.' },
    )
  }
  if (!certified) return newest
  const fitting = asked.findLast(({ pem }) => createPublicKey(pem).equals(certified))
  if (fitting) return fitting
  throw new BrokerError(
    'credential_invalid',
    `certificate: it is not for ${keyVersion === undefined ? 'any version' : `version ${keyVersion}`} of the key ${key}`,
    { remedy: 'Send the certificate that was made with this key, and the version of then.' },
  )
}

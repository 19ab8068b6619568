/** Wraps data keys by a symmetric key that its signer never gives away. */
import { within } from '../../runtime/timeout.ts'
import type { WrappingSigner } from '../signer-settings.ts'
import { signerAway } from '../signing-problem.ts'

/** A service that wraps. Each method throws `signer_unavailable` or `signing_refused`. */
export interface WrappingBackend {
  /** Encrypts and authenticates. The result opens with the same key and the same `binding` only. */
  wrap(key: string, plaintext: Uint8Array, binding: string, signal: AbortSignal): Promise<string>
  unwrap(key: string, wrapped: string, binding: string, signal: AbortSignal): Promise<Uint8Array>
  stop(): Promise<void>
}

/** One key of a signer, as `keyring_keys` of the file of `VALETKEY_SIGNERS` names it. */
export interface WrappingSettings {
  readonly name: string
  readonly signer: WrappingSigner
  /** Its name or id at the signer. */
  readonly key: string
}

/** Each method throws `signer_unavailable` or `signing_refused`, in time. */
export interface Wrapper extends WrappingSettings {
  wrap(plaintext: Uint8Array, binding: string): Promise<string>
  unwrap(wrapped: string, binding: string): Promise<Uint8Array>
}

export interface Wrappers {
  /** By the name in `keyring_keys`. */
  readonly byName: ReadonlyMap<string, Wrapper>
  stop(): Promise<void>
}

export function createWrappers(
  settings: readonly WrappingSettings[],
  backendOf: (signer: WrappingSigner) => WrappingBackend,
): Wrappers {
  const backends = new Map<string, WrappingBackend>()
  const backendFor = (signer: WrappingSigner): WrappingBackend => {
    const found = backends.get(signer.name) ?? backendOf(signer)
    backends.set(signer.name, found)
    return found
  }

  const wrapperOf = (one: WrappingSettings): Wrapper => {
    const { signer, key } = one
    const backend = backendFor(signer)
    const late = (): never => {
      const seconds = signer.timeoutMs / 1000
      throw signerAway(signer.name, `did not answer within ${seconds} seconds`)
    }
    const inTime = <Result>(work: (signal: AbortSignal) => Promise<Result>): Promise<Result> => {
      const inPart = async (signal: AbortSignal) => {
        try {
          return await work(signal)
        } catch (error) {
          if (signal.aborted) late()
          throw error
        }
      }
      return within(signer.timeoutMs, inPart, { late })
    }
    return {
      ...one,
      wrap: (plaintext, binding) =>
        inTime((signal) => backend.wrap(key, plaintext, binding, signal)),
      unwrap: (wrapped, binding) =>
        inTime((signal) => backend.unwrap(key, wrapped, binding, signal)),
    }
  }

  return {
    byName: new Map(settings.map((one) => [one.name, wrapperOf(one)])),
    async stop() {
      await Promise.all([...backends.values()].map((backend) => backend.stop()))
    },
  }
}

/** For a keyring that is all in the setting. */
export const NO_WRAPPERS: Wrappers = { byName: new Map(), stop: async () => undefined }

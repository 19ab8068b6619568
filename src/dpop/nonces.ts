/** The nonces that hosts gave for proofs: the last one for each key and host. */
import { isStoreTrouble } from '../errors/errors.ts'
import type { Log } from '../runtime/runtime.ts'
import type { NonceChange } from '../store/records.ts'
import type { Change, Changes } from '../store/store.ts'

export type DpopNonces = ReturnType<typeof createDpopNonces>

/** `host`: with the port, unless it is the one of the scheme. */
type LearnedNonce = Pick<NonceChange, 'thumbprint' | 'host' | 'nonce'>

/** Beyond it, the oldest are dropped: a host that wants one gives it again. */
const REMEMBERED = 10_000
/** A longer one is ignored: it would not fit into a header together with a token. */
const NONCE = /^[\x21-\x7e]{1,512}$/

interface DpopNoncesDependencies {
  /** Tells the other replicas. Absent: there are none. */
  readonly changes?: Pick<Changes, 'announce'> | undefined
  readonly uniqueId: () => string
  readonly log: Pick<Log, 'warn'>
}

/** Replicas tell each other what they learn, and the last writer wins. Nothing is stored: who knows no nonce gets one with the first refusal. */
export function createDpopNonces({ changes, uniqueId, log }: DpopNoncesDependencies) {
  const self = uniqueId()
  const known = new Map<string, string>()
  const keyOf = (thumbprint: string, host: string) => `${thumbprint} ${host}`

  const put = ({ thumbprint, host, nonce }: LearnedNonce): boolean => {
    const key = keyOf(thumbprint, host)
    if (!NONCE.test(nonce) || known.get(key) === nonce) return false
    known.delete(key)
    known.set(key, nonce)
    for (const oldest of known.keys()) {
      if (known.size <= REMEMBERED) break
      known.delete(oldest)
    }
    return true
  }

  const tell = (learned: LearnedNonce): void => {
    changes?.announce({ type: 'nonce', ...learned, by: self }).catch((error: unknown) => {
      // Without the store, each replica asks for its own. That the store is away has its own warning.
      if (!isStoreTrouble(error))
        log.warn({ err: error }, 'the other replicas were not told of a DPoP nonce')
    })
  }

  return {
    of: (thumbprint: string, host: string): string | undefined =>
      known.get(keyOf(thumbprint, host)),
    /** Remembers the nonce of an answer. */
    learn({ thumbprint, host, nonce }: LearnedNonce): void {
      const learned = { thumbprint, host, nonce }
      if (put(learned)) tell(learned)
    },
    /** Takes over what another replica learned. */
    heard(change: Change): void {
      if (change.type === 'nonce' && change.by !== self) put(change)
    },
  }
}

/** Authenticates API keys. */
import { timingSafeEqual } from 'node:crypto'
import { createNetworks } from '../../http/networks.ts'
import type { DocumentRecord } from '../../store/store.ts'
import { digestOfApiKey, idOfApiKey } from '../api-key.ts'
import { apiKeyOf, permitsOf, principalIdOf } from '../api-key-store.ts'
import type { Principal } from '../policy.ts'
import type { Origin, RememberedDocuments } from '../remembered-documents.ts'
import {
  type Authenticator,
  type Credentials,
  type RefusalCode,
  refusedBearer,
} from './authenticator.ts'

/** The remembered part of a key. It recognises the key, but does not reveal it. */
export interface KnownApiKey {
  readonly digest: Buffer
  readonly expiresAt: number
  readonly principal: Principal
  /** Whether the key counts from this address. Absent: from everywhere. */
  readonly isWithin?: (address: string) => boolean
}

export function knownApiKeyOf(record: DocumentRecord): KnownApiKey {
  const key = apiKeyOf(record)
  return {
    digest: Buffer.from(key.digest, 'base64url'),
    expiresAt: key.expiresAt,
    principal: {
      id: principalIdOf(key),
      kind: 'api_key',
      name: key.name,
      permits: permitsOf(key),
      key: {
        ...{ id: key.id, expiresAt: key.expiresAt },
        ...(key.maxExpiresInSeconds !== undefined && {
          maxExpiresInSeconds: key.maxExpiresInSeconds,
        }),
      },
    },
    ...(key.networks && { isWithin: createNetworks(key.networks) }),
  }
}

/** Why the key does not count now, or not from there. Undefined: it counts. */
export function keyRefusal(
  { expiresAt, isWithin }: Pick<KnownApiKey, 'expiresAt' | 'isWithin'>,
  from: Origin | undefined,
  now: number,
): RefusalCode | undefined {
  if (expiresAt <= now) return 'KEY_EXPIRED'
  return isWithin && (from === undefined || !isWithin(from.ip)) ? 'KEY_OUTSIDE_NETWORKS' : undefined
}

/** An id that belongs to no key, except with a chance of one in 2^46. Its result is ignored. */
const otherThan = (id: string): string => [...id].reverse().join('')

/** Compared if the key does not exist, so that both cases take the same time. */
const NOBODY = Buffer.alloc(32)

export function createApiKeyAuthenticator(dependencies: {
  readonly keys: Pick<RememberedDocuments<KnownApiKey>, 'find'>
  readonly now: () => number
}): Authenticator {
  const { keys, now } = dependencies
  const check = (
    known: KnownApiKey | undefined,
    isSame: boolean,
    from: Origin | undefined,
  ): Principal => {
    if (!known || !isSame) throw refusedBearer('KEY_UNKNOWN')
    const refusal = keyRefusal(known, from, now())
    if (refusal === 'KEY_OUTSIDE_NETWORKS') throw refusedBearer(refusal, known.principal)
    if (refusal) throw refusedBearer(refusal)
    return known.principal
  }
  const sentBy = createSentKeyReader()
  const isOf = (known: KnownApiKey | undefined, digest: Buffer) =>
    timingSafeEqual(known?.digest ?? NOBODY, digest)
  return {
    authenticate(credentials, from) {
      const sent = sentBy(credentials)
      if (sent === undefined) return undefined
      const { id, digest } = sent
      const found = keys.find(id, from)
      if (found instanceof Promise)
        return found.then((known) => check(known, isOf(known, digest), from))
      const isSame = isOf(found, digest)
      if (!found || isSame) return check(found, isSame, from)
      // A refusal from memory must take as long as one that needs a read.
      const lookedFor = keys.find(otherThan(id), from)
      return lookedFor instanceof Promise
        ? lookedFor.then(() => check(found, false, from))
        : check(found, false, from)
    },
  }
}

interface SentKey {
  readonly id: string
  readonly digest: Buffer
}

/** A connection that repeats its header has the same credentials, and their key is read and hashed once. */
function createSentKeyReader() {
  const read = new WeakMap<Credentials, SentKey>()
  /** Undefined: it is no key. Throws `caller_unauthenticated`. */
  return (credentials: Credentials): SentKey | undefined => {
    const known = read.get(credentials)
    if (known) return known
    const { bearer } = credentials
    if (bearer === undefined || !bearer.startsWith('vk_')) return undefined
    const id = idOfApiKey(bearer)
    if (id === undefined) throw refusedBearer('KEY_MALFORMED')
    const sent = { id, digest: digestOfApiKey(bearer) }
    // Credentials from elsewhere than a header are new each time.
    if (credentials.socket) read.set(credentials, sent)
    return sent
  }
}

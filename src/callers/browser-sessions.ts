/** Sessions of browsers: a sealed text, kept by the browser as a cookie, that names the API key with which it signed in. It is worth nothing without that key: it ends with it, and does not reveal it. */
import { timingSafeEqual } from 'node:crypto'
import { Type } from 'typebox'
import type { Keyring } from '../crypto/keyring.ts'
import type { Secret } from '../crypto/secret.ts'
import { BrokerError } from '../errors/errors.ts'
import { isCorrupt } from '../store/integrity/record-schema.ts'
import { bodyReader } from '../store/record-body.ts'
import { digestOfApiKey } from './api-key.ts'
import { ADMIN } from './authentication/admin-key.ts'
import { type KnownApiKey, keyRefusal } from './authentication/api-key-authenticator.ts'
import type { Asking, Gate } from './index.ts'
import type { Principal } from './policy.ts'
import type { Origin, RememberedDocuments } from './remembered-documents.ts'

export interface BrowserSessions {
  /** The key is checked, and wrong keys are counted, as the key of any request. Rejects with `caller_unauthenticated`, `rate_limited`, and `caller_forbidden` for a credential that is no API key. */
  begin(request: Asking, key: string): Promise<BegunSession>
  /** Undefined: the session is over, its key does not count any more, or the text is no session. Rejects with `store_unavailable`. */
  find(session: string, from: Origin): Promise<Principal | undefined>
}

interface BegunSession {
  readonly principal: Principal
  /** ASCII without spaces, commas and semicolons. */
  readonly session: string
  /** Epoch milliseconds. */
  readonly endsAt: number
}

const SESSION_MS = 8 * 3_600_000
/** The record name that a session is sealed for. No record has it. */
const SEALED_FOR = 'browser-session'

const SessionBody = Type.Object({
  /** Id of the API key. Null: the admin key. */
  key: Type.Union([Type.String(), Type.Null()]),
  /** Of the key, in base64url: another key with the id of this one is not this one. */
  digest: Type.String(),
  endsAt: Type.Number(),
})

const readBody = bodyReader(SessionBody)

export function createBrowserSessions(dependencies: {
  readonly keyring: Pick<Keyring, 'seal' | 'open'>
  readonly gate: Pick<Gate, 'identifyBearer'>
  readonly apiKeys: Pick<RememberedDocuments<KnownApiKey>, 'find'>
  readonly adminKeys: readonly Secret[]
  readonly now: () => number
}): BrowserSessions {
  const { keyring, gate, apiKeys, adminKeys, now } = dependencies
  const admins = adminKeys.map((key) => digestOfApiKey(key.reveal()))

  const openedOf = async (session: string) => {
    try {
      return readBody(await keyring.open(SEALED_FOR, session), SEALED_FOR)
    } catch (error) {
      if (isCorrupt(error)) return undefined
      throw error
    }
  }

  return {
    async begin(request, key) {
      const principal = await gate.identifyBearer(request, key)
      if (principal.kind !== 'api_key' && principal.kind !== 'admin') {
        throw new BrokerError('caller_forbidden', 'Only an API key signs a browser in')
      }
      const endsAt = Math.min(now() + SESSION_MS, principal.key?.expiresAt ?? Infinity)
      const body = {
        key: principal.key?.id ?? null,
        digest: digestOfApiKey(key).toString('base64url'),
        endsAt,
      }
      const session = await keyring.seal(SEALED_FOR, JSON.stringify(body))
      return { principal, session, endsAt }
    },
    async find(session, from) {
      const opened = await openedOf(session)
      if (!opened || opened.endsAt <= now()) return undefined
      const digest = Buffer.from(opened.digest, 'base64url')
      const isOf = (known: Buffer) =>
        known.length === digest.length && timingSafeEqual(known, digest)
      if (opened.key === null) return admins.some(isOf) ? ADMIN : undefined
      const known = await apiKeys.find(opened.key, from)
      if (!known || !isOf(known.digest)) return undefined
      return keyRefusal(known, from, now()) === undefined ? known.principal : undefined
    },
  }
}

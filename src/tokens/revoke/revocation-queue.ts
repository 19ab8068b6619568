/** Queue of tokens to revoke at Salesforce. Tokens are sealed in the store, and tried again for seven days. */

import { Type } from 'typebox'
import type { Keyring } from '../../crypto/keyring.ts'
import { Secret } from '../../crypto/secret.ts'
import { StoredDpopKey } from '../../dpop/dpop-key.ts'
import type { TokenEndpoint } from '../../grants/token-endpoint/token-endpoint.ts'
import type { OutageLogger } from '../../runtime/outage-logger.ts'
import type { Runtime } from '../../runtime/runtime.ts'
import { createTask, pauseUntil } from '../../runtime/tasks.ts'
import { within } from '../../runtime/timeout.ts'
import { documentKind } from '../../store/documents.ts'
import { type BodyOf, bodyReader } from '../../store/record-body.ts'
import type { Documents } from '../../store/store.ts'
import type { Lease } from '../serve/lease.ts'

export interface RevocationQueue {
  /** Called before the first try, so that a crash does not lose the token. */
  add(
    issuer: string,
    lease: Pick<Lease, 'integration' | 'tokenId' | 'accessToken' | 'dpop'>,
  ): Promise<void>
  done(tokenId: string): Promise<void>
  start(): void
  wake(): void
  tick(): void
  stop(): Promise<void>
}

interface RevocationQueueDependencies {
  readonly documents: Documents
  readonly keyring: Keyring
  readonly endpoint: Pick<TokenEndpoint, 'revoke'>
  readonly runtime: Runtime
  /** Called after Salesforce revoked a queued token. Must not throw. */
  readonly onRevoked: (tokenId: string, integration: string | null) => void
  /** Called if a token was not revoked within seven days, or does not open. It is not tried again. Must not throw. */
  readonly onGivenUp: (tokenId: string, integration: string | null, error: unknown) => void
  /** The outage ends when each attempt of a pass succeeded, or the queue is empty. */
  readonly outage: OutageLogger
}

const Queued = Type.Object({
  /** Absent: a former release wrote the entry. */
  integration: Type.Optional(Type.String()),
  /** The issuer, for display: the seal has the issuer that is used. Only entries of a former release lack it there. */
  loginUrl: Type.String(),
  sealed: Type.String(),
  tries: Type.Number(),
  /** Absent: a former release wrote the entry. Then its time starts with the next try. */
  queuedAt: Type.Optional(Type.Number()),
  nextAt: Type.Number(),
})

type Queued = BodyOf<typeof Queued>

const REVOCATIONS = documentKind({ kind: 'revocation', schema: Queued })
export const REVOCATION_KIND = REVOCATIONS.kind
const readSealed = bodyReader(
  Type.Object({
    loginUrl: Type.String(),
    token: Type.String(),
    /** The key that the token is bound to. Absent: a bearer token. */
    dpopKey: Type.Optional(StoredDpopKey),
  }),
)
const KEPT_MS = 7 * 86_400_000
/** Shortest time between reads of the queue. */
const LOOK_MS = 5_000
const RETRY_MS = { least: 10_000, most: 3_600_000 }
/** One attempt at Salesforce. */
const ATTEMPT_MS = 4_000

const sealName = (tokenId: string) => `revocation:${tokenId}`

export function createRevocationQueue(dependencies: RevocationQueueDependencies): RevocationQueue {
  const { documents, keyring, endpoint, runtime, onRevoked, onGivenUp, outage } = dependencies
  const { now } = runtime

  const write = (tokenId: string, queued: Queued, expected: number | 'any') =>
    REVOCATIONS.claim(documents, tokenId, queued, {
      expected,
      // Later than the end of the tries, so that the final failure is reported.
      expiresAt: now() + KEPT_MS + RETRY_MS.most,
    })

  /** The replica that first postpones an entry tries it. Others see it as postponed. */
  const retry = async (tokenId: string, version: number, queued: Queued): Promise<void> => {
    const pauseMs = Math.min(RETRY_MS.most, RETRY_MS.least * 2 ** queued.tries)
    const { queuedAt = now() } = queued
    const next = { ...queued, queuedAt, tries: queued.tries + 1, nextAt: now() + pauseMs }
    if (!(await write(tokenId, next, version))) return
    try {
      const text = await keyring.open(sealName(tokenId), queued.sealed)
      const request = sealedIn(text, queued)
      await within(ATTEMPT_MS, (signal) => endpoint.revoke({ ...request, signal }))
    } catch (error) {
      if (now() - queuedAt < KEPT_MS) throw error
      await REVOCATIONS.erase(documents, tokenId)
      onGivenUp(tokenId, queued.integration ?? null, error)
      return
    }
    await REVOCATIONS.erase(documents, tokenId)
    onRevoked(tokenId, queued.integration ?? null)
  }

  /** Returns when the next entry is due. */
  const look = async (): Promise<number> => {
    let nextAt = Number.POSITIVE_INFINITY
    let isTroubled = false
    let waiting = 0
    let tried = 0
    for await (const { id, version, body: queued } of REVOCATIONS.all(documents)) {
      if (task.stopped.aborted) return nextAt
      waiting += 1
      if (queued.nextAt > now()) {
        nextAt = Math.min(nextAt, queued.nextAt)
        continue
      }
      tried += 1
      await retry(id, version, queued).catch((error: unknown) => {
        isTroubled = true
        // Its time may not be written.
        nextAt = Math.min(nextAt, now())
        outage.report(error)
      })
    }
    if (!isTroubled && (tried > 0 || waiting === 0)) outage.over()
    return nextAt
  }

  const task = createTask({
    ...{ runtime, firstMs: LOOK_MS },
    async work() {
      try {
        return pauseUntil(await look(), now(), LOOK_MS)
      } catch (error) {
        outage.report(error)
        return LOOK_MS
      }
    },
  })

  return {
    async add(loginUrl, { integration, tokenId, accessToken, dpop }) {
      const token = accessToken.reveal()
      const text = JSON.stringify({ loginUrl, token, dpopKey: dpop?.key })
      const sealed = await keyring.seal(sealName(tokenId), text)
      const nextAt = now() + RETRY_MS.least
      const queuedAt = now()
      await write(tokenId, { integration, loginUrl, sealed, tries: 0, queuedAt, nextAt }, 'any')
    },
    async done(tokenId) {
      await REVOCATIONS.erase(documents, tokenId)
    },
    start: task.start,
    wake: task.wake,
    tick: task.tick,
    stop: task.stop,
  }
}

/** The issuer is sealed too, so that an attacker with write access to the store cannot send a token to another host. A token is never JSON. */
function sealedIn(
  text: string,
  { loginUrl }: Queued,
): { readonly loginUrl: string; readonly token: Secret; readonly dpopKey?: StoredDpopKey } {
  if (!text.startsWith('{')) return { loginUrl, token: new Secret(text) }
  const { token, ...sealed } = readSealed(text, 'of a token to revoke')
  return { ...sealed, token: new Secret(token) }
}

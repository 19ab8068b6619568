/** Queue of tokens to revoke at Salesforce. Tokens are sealed in the store, and tried again for seven days. */

import { Type } from 'typebox'
import type { Keyring } from '../../crypto/keyring.ts'
import { Secret } from '../../crypto/secret.ts'
import { StoredDpopKey } from '../../dpop/dpop-key.ts'
import { BrokerError } from '../../errors/errors.ts'
import type { WaitingToken } from '../../freezes/frozen-tokens.ts'
import type { TokenEndpoint } from '../../grants/token-endpoint/token-endpoint.ts'
import type { OutageLogger } from '../../runtime/outage-logger.ts'
import type { Runtime } from '../../runtime/runtime.ts'
import { createTask, pauseUntil } from '../../runtime/tasks.ts'
import { within } from '../../runtime/timeout.ts'
import { documentKind, type StoredDocument } from '../../store/documents.ts'
import { type BodyOf, bodyReader } from '../../store/record-body.ts'
import type { Documents } from '../../store/store.ts'
import type { Lease } from '../serve/lease.ts'

export interface RevocationQueue {
  /** Called before the first try, so that a crash does not lose the token. `freeze`: the freeze that found it; then the queue also makes the first try, as soon as it is woken. */
  add(
    issuer: string,
    lease: Pick<Lease, 'integration' | 'tokenId' | 'accessToken' | 'dpop'>,
    freeze?: string,
  ): Promise<void>
  /** The tokens that freezes found and Salesforce has not ended yet. */
  ofFreezes(): AsyncIterable<WaitingToken>
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
  readonly onGivenUp: (
    tokenId: string,
    integration: string | null,
    error: unknown,
    freeze: string | undefined,
  ) => void
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
  /** Id of the freeze that found the token. */
  freeze: Type.Optional(Type.String()),
  /** The code of the last failure. */
  reason: Type.Optional(Type.String()),
})

type Queued = BodyOf<typeof Queued>

/** One pass over the queue. */
interface Pass {
  /** When the next entry is due. */
  nextAt: number
  isTroubled: boolean
  /** Failures in a row, by issuer. */
  readonly failures: Map<string, number>
}

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
/** Most attempts of this replica at once. */
const CONCURRENCY = 16
/** Entries that are read before they are tried. */
const BATCH = 128
/** A host that failed so often in one pass is left alone until the next, so that it does not delay the others. */
const FAILURES_MAX = 3

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
    const claimed = await write(tokenId, next, version)
    if (!claimed) return
    try {
      const text = await keyring.open(sealName(tokenId), queued.sealed)
      const request = sealedIn(text, queued)
      await within(ATTEMPT_MS, (signal) => endpoint.revoke({ ...request, signal }))
    } catch (error) {
      if (now() - queuedAt < KEPT_MS) {
        const reason = error instanceof BrokerError ? error.code : 'internal'
        await write(tokenId, { ...next, reason }, claimed.version)
        throw error
      }
      await REVOCATIONS.erase(documents, tokenId)
      onGivenUp(tokenId, queued.integration ?? null, error, queued.freeze)
      return
    }
    await REVOCATIONS.erase(documents, tokenId)
    onRevoked(tokenId, queued.integration ?? null)
  }

  /** Tries the entries, several at once, in any order, so that replicas rarely meet at the same one. */
  const tryAll = async (due: StoredDocument<Queued>[], pass: Pass): Promise<void> => {
    const left = due.sort(() => runtime.random() - 0.5)
    const failuresAt = ({ loginUrl }: Queued) => pass.failures.get(loginUrl) ?? 0
    const worker = async () => {
      for (let next = left.pop(); next && !task.stopped.aborted; next = left.pop()) {
        const { id, version, body } = next
        if (failuresAt(body) >= FAILURES_MAX) {
          pass.nextAt = Math.min(pass.nextAt, now())
          continue
        }
        try {
          await retry(id, version, body)
          pass.failures.delete(body.loginUrl)
        } catch (error) {
          pass.failures.set(body.loginUrl, failuresAt(body) + 1)
          pass.isTroubled = true
          // Its time may not be written.
          pass.nextAt = Math.min(pass.nextAt, now())
          outage.report(error)
        }
      }
    }
    await Promise.all(Array.from({ length: CONCURRENCY }, worker))
  }

  /** Returns when the next entry is due. */
  const look = async (): Promise<number> => {
    const pass: Pass = {
      nextAt: Number.POSITIVE_INFINITY,
      isTroubled: false,
      failures: new Map(),
    }
    let waiting = 0
    let tried = 0
    let due: StoredDocument<Queued>[] = []
    const tryDue = async () => {
      tried += due.length
      await tryAll(due, pass)
      due = []
    }
    for await (const entry of REVOCATIONS.all(documents)) {
      if (task.stopped.aborted) return pass.nextAt
      waiting += 1
      if (entry.body.nextAt <= now()) due.push(entry)
      else pass.nextAt = Math.min(pass.nextAt, entry.body.nextAt)
      if (due.length === BATCH) await tryDue()
    }
    await tryDue()
    if (!pass.isTroubled && (tried > 0 || waiting === 0)) outage.over()
    return pass.nextAt
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
    async add(loginUrl, { integration, tokenId, accessToken, dpop }, freeze) {
      const token = accessToken.reveal()
      const text = JSON.stringify({ loginUrl, token, dpopKey: dpop?.key })
      const sealed = await keyring.seal(sealName(tokenId), text)
      const queuedAt = now()
      const nextAt = freeze === undefined ? queuedAt + RETRY_MS.least : queuedAt
      const of = { integration, loginUrl, sealed, ...(freeze !== undefined && { freeze }) }
      await write(tokenId, { ...of, tries: 0, queuedAt, nextAt }, 'any')
    },
    async *ofFreezes() {
      for await (const { id, body } of REVOCATIONS.all(documents)) {
        const { integration = null, freeze, reason = null, tries, nextAt } = body
        if (freeze !== undefined) yield { freeze, tokenId: id, integration, reason, tries, nextAt }
      }
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

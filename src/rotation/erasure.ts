/** Erases the secret of a retired credential after its successor is proven: 15 minutes without a refusal, and one more mint. */

import { Type } from 'typebox'
import { NOBODY } from '../audit/event.ts'
import { activeOf, type Credential, FALLBACK_MS } from '../credentials/credential.ts'
import { BrokerError } from '../errors/errors.ts'
import { refusalOf } from '../grants/refusals/refusals.ts'
import type { CredentialWriter } from '../integrations/credential-writer.ts'
import { everyIntegration } from '../integrations/every.ts'
import { type Integration, isDraft } from '../integrations/integration.ts'
import type { IntegrationStore } from '../integrations/integration-store.ts'
import { createOutageLogger } from '../runtime/outage-logger.ts'
import type { Log, Runtime } from '../runtime/runtime.ts'
import { createTask, pauseUntil } from '../runtime/tasks.ts'
import { documentKind } from '../store/documents.ts'
import { unlessUnusable } from '../store/integrity/record-schema.ts'
import { type BodyOf, nullable } from '../store/record-body.ts'
import type { Documents } from '../store/store.ts'
import { isSignatureRefusal } from '../tokens/mint/candidates.ts'
import type { CredentialProver } from '../tokens/mint/prover.ts'

export type Erasure = ReturnType<typeof createErasure>

/** A watch for each integration with a retired credential. */
const Watch = Type.Object({
  uid: Type.String(),
  retiredId: Type.String(),
  /** The time that the promotion set. A credential that was activated and retired again has a new time. Absent: a former release wrote it. */
  retiresAt: Type.Optional(nullable(Type.Number())),
  quietFrom: Type.Number(),
  /** Earliest time of the next look. Only one replica works until then. */
  nextAt: Type.Number(),
})

type Watch = BodyOf<typeof Watch>

const WATCHES = documentKind({ kind: 'retired', schema: Watch })
export const RETIRED_KIND = WATCHES.kind
/** Shortest time between reads of all watches. */
const LOOK_MS = 5_000
const DISCOVER_MS = FALLBACK_MS
/** Pause after a proof that failed for another reason. */
const AGAIN_MS = 60_000
/** Pause if Salesforce refuses the user or the app. Each proof is a login, and an operator must act first. */
const REFUSED_AGAIN_MS = 10 * 60_000
/** Shortest time between two postponements, because there are many refusals during propagation. */
const UNQUIET_MS = 10_000
/** Most remembered credentials with a recent refusal. */
const REMEMBERED = 1_000

const retiredOf = ({ credentials }: Integration): Credential | undefined =>
  credentials.find(({ state }) => state === 'retired')

function isOf(watch: Watch, integration: Integration): boolean {
  const retired = retiredOf(integration)
  return (
    watch.uid === integration.uid &&
    watch.retiredId === retired?.id &&
    (watch.retiresAt === undefined || watch.retiresAt === retired.retiresAt)
  )
}

/** An early retry would only cost logins. */
function needsSomebody(error: unknown): boolean {
  const refusal = refusalOf(error)
  return refusal
    ? refusal.class !== 'transient'
    : error instanceof BrokerError && error.code === 'identity_changed'
}

export function createErasure(dependencies: {
  readonly store: Pick<IntegrationStore, 'read' | 'list'>
  readonly credentials: Pick<CredentialWriter, 'change'>
  readonly documents: Documents
  /** The token of a proof becomes the lease, because a lease of the retired credential's client becomes invalid. */
  readonly prover: CredentialProver
  readonly runtime: Runtime
  readonly log: Log
}) {
  const { store, credentials, documents, prover, runtime, log } = dependencies
  const { now, monotonic } = runtime
  let discoveredAt = Number.NEGATIVE_INFINITY
  /** By id of the retired credential, in time of the monotonic clock. */
  const lastUnquiet = new Map<string, number>()

  const begin = async (integration: Integration): Promise<void> => {
    const retired = retiredOf(integration)
    if (!retired) return
    const { name, uid } = integration
    const stored = await WATCHES.read(documents, name)
    if (stored && isOf(stored.body, integration)) return
    const { id: retiredId, retiresAt } = retired
    const quietFrom = now()
    const nextAt = quietFrom + FALLBACK_MS
    const watch: Watch = { uid, retiredId, retiresAt, quietFrom, nextAt }
    // If another replica was faster, it wrote the same watch.
    await WATCHES.claim(documents, name, watch, { expected: stored?.version ?? 'absent' })
  }

  /** The margin covers refusals until the next postponement. */
  const move = async (integration: Integration): Promise<void> => {
    const moved = await WATCHES.update(documents, integration.name, (stored) => {
      if (!stored || !isOf(stored.body, integration)) return undefined
      const quietFrom = now()
      return { ...stored.body, quietFrom, nextAt: quietFrom + FALLBACK_MS + UNQUIET_MS }
    })
    if (moved) return
    // The integration changed since the mint began, or has no watch yet.
    const current = await store.read(integration.name)
    if (current) await begin(current)
  }

  const background = (work: Promise<unknown>, integration: string) => {
    work.catch((error: unknown) => {
      log.warn(
        { err: error, integration },
        'the quiet time of a retired credential could not be recorded',
      )
    })
  }

  const erase = async (name: string, watch: Watch): Promise<void> => {
    const { retiredId } = watch
    const detail = { credential: retiredId }
    const entry = { action: 'credential.erased', integration: name, detail } as const
    const written = await credentials.change(name, (sealed) => {
      if (!sealed || !isOf(watch, sealed.integration)) return undefined
      const kept = sealed.integration.credentials.filter(({ id }) => id !== retiredId)
      return { credentials: kept, audited: { by: NOBODY, entry } }
    })
    if (!written) return
    log.info({ integration: name, credentialId: retiredId }, 'a retired credential was erased')
    await WATCHES.erase(documents, name)
  }

  const settle = async (name: string, watch: Watch, version: number): Promise<void> => {
    const integration = await store.read(name)
    const active = integration && activeOf(integration.credentials)
    if (!integration || !active || !isOf(watch, integration)) {
      await WATCHES.erase(documents, name)
      if (integration) await begin(integration)
      return
    }
    // A proof is not possible, and no tokens are served.
    if (!integration.enabled || isDraft(integration)) return
    try {
      const lease = await prover.prove(name, active.id, 'once')
      if (lease) await prover.adopt(lease, NOBODY)
    } catch (error) {
      if (!isSignatureRefusal(error)) {
        log.warn({ err: error, integration: name }, 'the active credential could not be proven yet')
        if (needsSomebody(error)) await postpone(name, watch, version)
        return
      }
      log.error(
        { err: error, integration: name, credentialId: active.id },
        'Salesforce refuses the active credential; the retired one is kept',
      )
      await move(integration)
      return
    }
    // If the clock of this machine was wrong, the proof has corrected the time by the store.
    if (now() < watch.quietFrom + FALLBACK_MS) return
    await erase(name, watch)
  }

  const postpone = async (name: string, watch: Watch, expected: number): Promise<void> => {
    const next = { ...watch, nextAt: now() + REFUSED_AGAIN_MS }
    await WATCHES.claim(documents, name, next, { expected })
  }

  /** Returns when the next watch is due. */
  const look = async (): Promise<number> => {
    let nextAt = Number.POSITIVE_INFINITY
    for await (const { id: name, version, body } of WATCHES.all(documents)) {
      if (body.nextAt > now()) nextAt = Math.min(nextAt, body.nextAt)
      if (body.nextAt > now() || task.stopped.aborted) continue
      const next = { ...body, nextAt: now() + AGAIN_MS }
      const mine = await WATCHES.claim(documents, name, next, { expected: version })
      if (mine) await settle(name, body, mine.version).catch((error) => later(error, name))
    }
    return nextAt
  }

  const later = (error: unknown, integration: string) =>
    log.warn({ err: error, integration }, 'a retired credential could not be erased yet')

  /** A replica that promoted a credential may have died before it wrote the watch. */
  const discover = async (): Promise<void> => {
    if (monotonic() < discoveredAt + DISCOVER_MS) return
    for await (const integration of everyIntegration(store)) {
      if (task.stopped.aborted) return
      await unlessUnusable(begin(integration))
    }
    discoveredAt = monotonic()
  }

  const task = createTask({
    ...{ runtime, retryMs: LOOK_MS },
    outage: createOutageLogger(log, 'retired credentials cannot be maintained', runtime),
    async work() {
      await discover()
      return pauseUntil(await look(), now(), LOOK_MS)
    },
  })

  return {
    /** Called if the integration has a retired credential. Must not throw. */
    watch(integration: Integration): void {
      if (retiredOf(integration)) background(begin(integration), integration.name)
    },
    /** Called if Salesforce refused the signature of the active credential. The quiet time begins again. Must not throw. */
    unquiet(integration: Integration): void {
      const retiredId = retiredOf(integration)?.id
      if (retiredId === undefined) return
      const before = lastUnquiet.get(retiredId) ?? Number.NEGATIVE_INFINITY
      if (monotonic() - before < UNQUIET_MS) return
      if (lastUnquiet.size > REMEMBERED) lastUnquiet.clear()
      lastUnquiet.set(retiredId, monotonic())
      background(move(integration), integration.name)
    },
    /** The integration with the earliest time of erasure of its retired credential. Each refusal of the active one postpones it. */
    async dated(integration: Integration): Promise<Integration> {
      const watch =
        retiredOf(integration) && (await WATCHES.read(documents, integration.name))?.body
      if (!watch || !isOf(watch, integration)) return integration
      const quietUntil = watch.quietFrom + FALLBACK_MS
      const credentials = integration.credentials.map((credential) =>
        credential.id === watch.retiredId
          ? { ...credential, retiresAt: Math.max(quietUntil, credential.retiresAt ?? 0) }
          : credential,
      )
      return { ...integration, credentials }
    },
    /** Checks all integrations at intervals, for credentials that a crash left without a watch, and then the watched ones. */
    start: task.start,
    wake: task.wake,
    tick: task.tick,
    stop: task.stop,
  }
}

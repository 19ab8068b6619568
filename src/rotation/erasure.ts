/** Erases the secret of a retired credential once its successor has proven itself: 15 quiet minutes, and one more mint. */
import { type Actor, type Happening, NOBODY } from '../audit/event.ts'
import { activeOf, type Credential, FALLBACK_MS, keepSecrets } from '../credentials/credential.ts'
import { digestsOf, type Integration } from '../integrations/integration.ts'
import type { IntegrationStore } from '../integrations/integration-store.ts'
import type { Documents } from '../store/store.ts'
import { isSignatureRefusal } from '../tokens/candidates.ts'

export interface Erasure {
  /** The integration has a retired credential, perhaps a new one. Must not throw. */
  watch(integration: Integration): void
  /** Salesforce refused the active credential by its signature: the quiet time begins anew. Must not throw. */
  unquiet(integration: Integration): void
  /** Looks at all integrations now and then, for what a crash may have left unwatched, and after those that are watched. */
  start(): void
  stop(): Promise<void>
}

export interface ErasureDependencies {
  readonly store: Pick<IntegrationStore, 'read' | 'readSealed' | 'list' | 'change'>
  readonly documents: Documents
  /** One real mint with just this credential, in one request. */
  readonly prove: (name: string, credentialId: string) => Promise<unknown>
  readonly audit: { background(by: Actor, happening: Happening): void }
  readonly now: () => number
  /** Ends early, without a failure, when the signal does. */
  readonly sleep: (ms: number, signal: AbortSignal) => Promise<void>
  readonly log: {
    info(bindings: object, message: string): void
    warn(bindings: object, message: string): void
    error(bindings: object, message: string): void
  }
}

/** One for each integration with a retired credential. */
interface Watch {
  readonly uid: string
  readonly retiredId: string
  readonly quietFrom: number
  /** Not to be looked at before, so that one replica alone works on it. */
  readonly nextAt: number
}

const KIND = 'retired'
const LOOK_MS = 5_000
const DISCOVER_MS = FALLBACK_MS
/** After a proof that failed for another reason. */
const AGAIN_MS = 60_000
/** A refusal moves the quiet time at most this often: in the propagation window there are many. */
const UNQUIET_MS = 10_000
/** Races with other replicas that move it too. */
const ATTEMPTS = 3
const READ_LIMIT = 1_000

const retiredOf = ({ credentials }: Integration): Credential | undefined =>
  credentials.find(({ state }) => state === 'retired')

const isOf = (watch: Watch, integration: Integration): boolean =>
  watch.uid === integration.uid && watch.retiredId === retiredOf(integration)?.id

export function createErasure(dependencies: ErasureDependencies): Erasure {
  const { store, documents, prove, audit, now, sleep, log } = dependencies
  const stopped = new AbortController()
  let running: Promise<void> | undefined
  let discoveredAt = Number.NEGATIVE_INFINITY
  /** By the id of the retired credential. */
  const lastUnquiet = new Map<string, number>()

  const begin = async (integration: Integration): Promise<void> => {
    const retiredId = retiredOf(integration)?.id
    if (retiredId === undefined) return
    const record = await documents.read(KIND, integration.name)
    if (record && isOf(JSON.parse(record.body) as Watch, integration)) return
    const quietFrom = now()
    const nextAt = quietFrom + FALLBACK_MS
    const watch: Watch = { uid: integration.uid, retiredId, quietFrom, nextAt }
    const expected = record?.version ?? 'absent'
    await documents.write(KIND, integration.name, JSON.stringify(watch), { expected })
  }

  /** Further refusals that come before it is moved again are covered by the margin. */
  const move = async (integration: Integration): Promise<void> => {
    for (let tries = 0; tries < ATTEMPTS; tries += 1) {
      const record = await documents.read(KIND, integration.name)
      const watch = record && (JSON.parse(record.body) as Watch)
      if (!record || !watch || !isOf(watch, integration)) {
        // It was changed since the mint began, or nobody watches yet.
        const current = await store.read(integration.name)
        if (current) await begin(current)
        return
      }
      const quietFrom = now()
      const moved: Watch = { ...watch, quietFrom, nextAt: quietFrom + FALLBACK_MS + UNQUIET_MS }
      const { version: expected } = record
      if (await documents.write(KIND, integration.name, JSON.stringify(moved), { expected })) return
    }
  }

  const background = (work: Promise<unknown>, integration: string) => {
    work.catch((error: unknown) => {
      log.warn({ err: error, integration }, 'the quiet time of a retired credential is not noted')
    })
  }

  /** ERASE. */
  const erase = async (name: string, { uid, retiredId }: Watch): Promise<void> => {
    const sealed = await store.readSealed(name)
    if (sealed?.integration.uid !== uid || retiredOf(sealed.integration)?.id !== retiredId) return
    const { integration } = sealed
    const credentials = integration.credentials.filter(({ id }) => id !== retiredId)
    const changed = { ...integration, credentials }
    const written = await store.change(integration, {
      integration: changed,
      digests: digestsOf(changed, credentials),
      secrets: keepSecrets(await sealed.open(), credentials),
    })
    if (!written) return
    audit.background(NOBODY, {
      action: 'credential.erased',
      integration: name,
      detail: { credential: retiredId },
    })
    log.info({ integration: name, credential: retiredId }, 'a retired credential was erased')
    await documents.remove(KIND, name, 'any')
  }

  const settle = async (name: string, watch: Watch): Promise<void> => {
    const integration = await store.read(name)
    const active = integration && activeOf(integration.credentials)
    if (!integration || !active || !isOf(watch, integration)) {
      await documents.remove(KIND, name, 'any')
      if (integration) await begin(integration)
      return
    }
    try {
      await prove(name, active.id)
    } catch (error) {
      if (!isSignatureRefusal(error)) throw error
      log.error(
        { err: error, integration: name, credential: active.id },
        'Salesforce refuses the active credential; the retired one stays',
      )
      await move(integration)
      return
    }
    await erase(name, watch)
  }

  const look = async (): Promise<void> => {
    let after: string | undefined
    do {
      const page = await documents.list(KIND, {
        limit: READ_LIMIT,
        ...(after !== undefined && { after }),
      })
      for (const { id: name, version, body } of page.items) {
        const watch = JSON.parse(body) as Watch
        if (watch.nextAt > now() || stopped.signal.aborted) continue
        const next: Watch = { ...watch, nextAt: now() + AGAIN_MS }
        const mine = await documents.write(KIND, name, JSON.stringify(next), { expected: version })
        if (mine) await settle(name, watch).catch((error) => later(error, name))
      }
      after = page.next ?? undefined
    } while (after !== undefined)
  }

  const later = (error: unknown, integration: string) =>
    log.warn({ err: error, integration }, 'the active credential could not be proven yet')

  /** A replica that flipped may have died before it began to watch, and may never come back. */
  const discover = async (): Promise<void> => {
    if (now() < discoveredAt + DISCOVER_MS) return
    let after: string | undefined
    do {
      const page = await store.list({ limit: READ_LIMIT, ...(after !== undefined && { after }) })
      for (const integration of page.items) await begin(integration)
      after = page.next ?? undefined
    } while (after !== undefined)
    discoveredAt = now()
  }

  const run = async () => {
    while (!stopped.signal.aborted) {
      try {
        await discover()
        await look()
      } catch (error) {
        log.warn({ err: error }, 'retired credentials cannot be looked after now')
      }
      await sleep(LOOK_MS, stopped.signal)
    }
  }

  return {
    watch(integration) {
      if (retiredOf(integration)) background(begin(integration), integration.name)
    },
    unquiet(integration) {
      const retiredId = retiredOf(integration)?.id
      if (retiredId === undefined) return
      if (now() - (lastUnquiet.get(retiredId) ?? 0) < UNQUIET_MS) return
      if (lastUnquiet.size > READ_LIMIT) lastUnquiet.clear()
      lastUnquiet.set(retiredId, now())
      background(move(integration), integration.name)
    },
    start() {
      running ??= run()
    },
    async stop() {
      stopped.abort()
      await running
    },
  }
}

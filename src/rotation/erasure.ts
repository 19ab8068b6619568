/** Erases the secret of a retired credential once its successor has proven itself: 15 quiet minutes, and one more mint. */
import { type Actor, type Happening, NOBODY } from '../audit/event.ts'
import { FALLBACK_MS, keepSecrets } from '../credentials/credential.ts'
import { digestsOf, type Integration } from '../integrations/integration.ts'
import type { IntegrationStore } from '../integrations/integration-store.ts'
import type { Documents } from '../store/store.ts'
import { isSignatureRefusal } from '../tokens/candidates.ts'

export interface Erasure {
  /** The integration has a retired credential, perhaps a new one. Must not throw. */
  watch(integration: Integration): void
  /** Salesforce refused the active credential by its signature: the quiet time begins anew. Must not throw. */
  unquiet(integration: Integration): void
  /** Looks at all integrations once, for what a crash may have left unwatched, and then after those that are watched. */
  start(): void
  stop(): Promise<void>
}

export interface ErasureDependencies {
  readonly store: IntegrationStore
  readonly documents: Documents
  /** A real mint with just this credential. */
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
/** After a proof that failed for another reason. */
const AGAIN_MS = 60_000
/** A refusal moves the quiet time at most this often: in the propagation window there are many. */
const UNQUIET_MS = 10_000
const READ_LIMIT = 1_000

export function createErasure(dependencies: ErasureDependencies): Erasure {
  const { store, documents, prove, audit, now, sleep, log } = dependencies
  const stopped = new AbortController()
  let running: Promise<void> | undefined
  const lastUnquiet = new Map<string, number>()

  const retiredOf = ({ credentials }: Integration) =>
    credentials.find(({ state }) => state === 'retired')
  const activeOf = ({ credentials }: Integration) =>
    credentials.find(({ state }) => state === 'active')

  const begin = async (integration: Integration): Promise<void> => {
    const retired = retiredOf(integration)
    if (!retired) return
    const record = await documents.read(KIND, integration.name)
    const known = record && (JSON.parse(record.body) as Watch)
    if (known?.uid === integration.uid && known.retiredId === retired.id) return
    await write(integration, { quietFrom: now() }, record?.version ?? 'absent')
  }

  const write = (
    integration: Integration,
    { quietFrom, nextAt = quietFrom + FALLBACK_MS }: { quietFrom: number; nextAt?: number },
    expected: number | 'absent' | 'any',
  ) => {
    const watch: Watch = {
      uid: integration.uid,
      retiredId: retiredOf(integration)?.id ?? '',
      quietFrom,
      nextAt,
    }
    return documents.write(KIND, integration.name, JSON.stringify(watch), { expected })
  }

  const background = (work: Promise<unknown>, integration: string) => {
    work.catch((error: unknown) => {
      log.warn({ err: error, integration }, 'the quiet time of a retired credential is not noted')
    })
  }

  const erase = async (name: string, retiredId: string): Promise<void> => {
    const sealed = await store.readSealed(name)
    if (!sealed || retiredOf(sealed.integration)?.id !== retiredId) return
    const { integration } = sealed
    const credentials = integration.credentials.filter(({ id }) => id !== retiredId)
    const changed = { ...integration, credentials }
    const written = await store.change(integration, {
      integration: changed,
      digests: digestsOf(changed, credentials),
      secrets: keepSecrets(await sealed.open(), credentials),
    })
    if (!written) return
    await documents.remove(KIND, name, 'any')
    audit.background(NOBODY, {
      action: 'credential.erased',
      integration: name,
      detail: { credential: retiredId },
    })
    log.info({ integration: name, credential: retiredId }, 'a retired credential was erased')
  }

  const settle = async (name: string, watch: Watch): Promise<void> => {
    const integration = await store.read(name)
    const active = integration && activeOf(integration)
    const isCurrent =
      integration?.uid === watch.uid && retiredOf(integration)?.id === watch.retiredId
    if (!integration || !isCurrent || !active) {
      await documents.remove(KIND, name, 'any')
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
      await write(integration, { quietFrom: now() }, 'any')
      return
    }
    await erase(name, watch.retiredId)
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

  const discover = async (): Promise<void> => {
    let after: string | undefined
    do {
      const page = await store.list({ limit: READ_LIMIT, ...(after !== undefined && { after }) })
      for (const integration of page.items) await begin(integration)
      after = page.next ?? undefined
    } while (after !== undefined)
  }

  const run = async () => {
    let isDiscovered = false
    while (!stopped.signal.aborted) {
      try {
        if (!isDiscovered) await discover()
        isDiscovered = true
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
      const { uid, name } = integration
      if (!retiredOf(integration) || now() - (lastUnquiet.get(uid) ?? 0) < UNQUIET_MS) return
      if (lastUnquiet.size > READ_LIMIT) lastUnquiet.clear()
      lastUnquiet.set(uid, now())
      background(write(integration, { quietFrom: now() }, 'any'), name)
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

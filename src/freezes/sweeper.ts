/**
 * Carries freezes out: finds the live tokens of what is frozen, and has them revoked at Salesforce. One
 * replica at a time, under a lock, looks at all selected integrations. It puts each token into the queue
 * of revocations, notes it in the record of the freeze, drops it everywhere, and moves on. Each step may
 * be done twice, so another replica goes on where it died, and counts no token twice.
 */

import { everyIntegration } from '../integrations/every.ts'
import type { Integration } from '../integrations/integration.ts'
import type { IntegrationStore } from '../integrations/integration-store.ts'
import type { OutageLogger } from '../runtime/outage-logger.ts'
import type { Runtime } from '../runtime/runtime.ts'
import { createTask } from '../runtime/tasks.ts'
import { isLostRace, lostRace } from '../store/compare-and-set.ts'
import type { StoredDocument } from '../store/documents.ts'
import { unlessUnusable } from '../store/integrity/record-schema.ts'
import type { Change, Documents, Locks } from '../store/store.ts'
import { type Freeze, newProgress, PROGRESS, type Progress, REGISTER } from './freeze.ts'
import type { FreezeGate } from './freeze-gate.ts'
import type { FrozenTokens } from './frozen-tokens.ts'
import { selectorTest } from './selection.ts'

interface FreezeSweeperDependencies {
  readonly gate: Pick<FreezeGate, 'list' | 'of' | 'count'>
  readonly store: { readonly documents: Documents; readonly locks: Locks }
  readonly integrations: Pick<IntegrationStore, 'list' | 'read'> & {
    /** The org of the last token of an integration. */
    orgOf(integration: Integration): Promise<string | undefined>
  }
  readonly tokens: FrozenTokens & {
    /** Ends the connection of an integration. False: it has none. `note` is called with the id of its refresh token, which is queued for revocation, before it ends here. */
    endConnection(
      integration: Integration,
      freeze: Freeze,
      note: (tokenId: string) => Promise<void>,
    ): Promise<boolean>
  }
  readonly runtime: Runtime
  readonly outage: OutageLogger
}

const LOCK = 'freezes:sweep'
const LOCK_MS = 5_000
/** Time between renewals of the lock, and between looks at integrations that were changed. */
const PERIOD_MS = 1_000
/** Integrations that are looked at together. */
const BATCH = 50
/** A mint that began before an integration was changed may save its token so long. */
const MINT_MS = 15_000
/** More integrations were changed than are remembered: all are looked at again. */
const CHANGED_MAX = 10_000

type Stored = StoredDocument<Progress>
type Trouble = (error: unknown) => void

export function createFreezeSweeper(dependencies: FreezeSweeperDependencies) {
  const { gate, store, integrations, tokens, runtime, outage } = dependencies
  const { documents, locks } = store
  const { now, monotonic } = runtime
  const owner = runtime.uniqueId()
  let isHolder = false
  /** When the lock was taken or renewed. Monotonic time. */
  let heldAt = Number.NEGATIVE_INFINITY
  /** Freezes whose integrations this holder has looked at. Another one may have missed changes. */
  const swept = new Set<string>()
  /** Changes with each reason to look at all integrations again. */
  let generation = 0
  /** Integrations that were changed, and until when they are looked at. Monotonic time. */
  const changed = new Map<string, number>()

  const sweepAgain = (): void => {
    generation += 1
    swept.clear()
  }

  const hold = async (): Promise<boolean> => {
    const was = isHolder
    const begunAt = monotonic()
    isHolder = await (was ? locks.renew : locks.acquire)(LOCK, owner, LOCK_MS)
    if (isHolder) heldAt = begunAt
    if (!isHolder || !was) sweepAgain()
    return isHolder
  }

  /** Between steps of long work: renews the lock in time. Throws where another replica has it, or this one stops. */
  const goOn = async (): Promise<void> => {
    const isFresh = isHolder && monotonic() - heldAt < PERIOD_MS
    if (task.stopped.aborted || !(isFresh || (isHolder && (await hold())))) throw lostRace(LOCK)
  }

  const read = async (freeze: Freeze): Promise<Stored> => {
    const stored = await PROGRESS.update(documents, freeze.id, (found) =>
      found ? undefined : newProgress(freeze),
    )
    const found = stored ?? (await PROGRESS.read(documents, freeze.id))
    if (!found) throw lostRace(`freeze ${freeze.id}`)
    return found
  }

  /** Another replica that sweeps, or an operator that lifts the freeze, was faster: it is read again. */
  const write = (was: Stored, change: Partial<Progress>): Promise<Stored> =>
    PROGRESS.write(documents, was.id, { ...was.body, ...change }, { expected: was.version })

  const namesOf = async ({ selector }: Freeze): Promise<readonly string[]> => {
    const selects = selectorTest(selector)
    const usesOrgs = selector.orgIds.length > 0
    const names: string[] = []
    for await (const integration of everyIntegration(integrations)) {
      await goOn()
      // Where it is not readable, the gate hands out nothing either.
      const org = usesOrgs ? await unlessUnusable(integrations.orgOf(integration)) : undefined
      if (selects(integration, org === undefined ? [] : [org])) names.push(integration.name)
    }
    return names.sort()
  }

  const note = async (was: Stored, tokenIds: readonly string[]): Promise<Stored> => {
    const { pending } = was.body
    const found = new Set([...pending, ...tokenIds])
    return found.size === pending.length ? was : write(was, { pending: [...found] })
  }

  /** Queues the tokens, then notes them, then drops them. After a crash, each step may be done again, and counts each token once. */
  const end = async (stored: Stored, names: readonly string[]): Promise<Stored> => {
    const { freeze } = stored.body
    if (!freeze.revoke) return stored
    const looks = names.map((name) => unlessUnusable(tokens.hold(name, freeze.id)))
    const held = (await Promise.all(looks)).filter((one) => one !== undefined)
    const noted = await note(
      stored,
      held.map(({ tokenId }) => tokenId),
    )
    const by = { principal: freeze.by, requestId: null }
    await Promise.all(held.map((one) => tokens.drop(one, by)))
    if (held.length > 0) tokens.wake()
    return noted
  }

  /** The same for refresh tokens, one after another, so that each is noted before its connection ends. */
  const endConnections = async (stored: Stored, names: readonly string[]) => {
    const { freeze } = stored.body
    let noted = stored
    let connections = 0
    if (!freeze.revokeRefreshTokens) return { noted, connections }
    for (const name of names) {
      await goOn()
      const integration = await unlessUnusable(integrations.read(name))
      if (!integration) continue
      const ending = tokens.endConnection(integration, freeze, async (tokenId) => {
        noted = await note(noted, [tokenId])
      })
      if (await unlessUnusable(ending)) connections += 1
    }
    if (connections > 0) tokens.wake()
    return { noted, connections }
  }

  const batch = async (was: Stored, names: readonly string[]): Promise<Stored> => {
    const { noted, connections } = await endConnections(await end(was, names), names)
    const { body } = noted
    if (body.pending.length === 0 && connections === 0) return noted
    return write(noted, {
      pending: [],
      found: body.found + body.pending.length,
      connections: body.connections + connections,
    })
  }

  const sweep = async (freeze: Freeze): Promise<void> => {
    const begun = generation
    let stored = await read(freeze)
    const names = await namesOf(freeze)
    const { cursor } = stored.body
    const rest = cursor === null ? names : names.filter((name) => name > cursor)
    const isFirst = stored.body.sweptAt === null
    stored = await write(stored, {
      selected: names.length,
      ...(isFirst && { lookedAt: names.length - rest.length }),
    })
    for (let from = 0; from < rest.length; from += BATCH) {
      await goOn()
      const some = rest.slice(from, from + BATCH)
      stored = await batch(stored, some)
      const { lookedAt } = stored.body
      stored = await write(stored, {
        cursor: some.at(-1) ?? null,
        ...(isFirst && { lookedAt: lookedAt + some.length }),
      })
    }
    await write(stored, {
      cursor: null,
      lookedAt: names.length,
      sweptAt: stored.body.sweptAt ?? now(),
    })
    if (begun === generation) swept.add(freeze.id)
  }

  /** An integration that was changed may be selected now. */
  const lookAt = async (name: string, trouble: Trouble): Promise<void> => {
    const integration = await unlessUnusable(integrations.read(name))
    const freezes = integration ? await gate.of(integration) : []
    for (const freeze of freezes) {
      await read(freeze)
        .then((stored) => batch(stored, [name]))
        .catch(trouble)
    }
  }

  const lookAtChanged = async (trouble: Trouble): Promise<void> => {
    for (const [name, until] of changed) {
      await goOn()
      await lookAt(name, trouble)
      if (monotonic() > until) changed.delete(name)
    }
  }

  const release = async (): Promise<void> => {
    if (!isHolder) return
    isHolder = false
    await locks.release(LOCK, owner)
  }

  const task = createTask({
    ...{ runtime, outage, retryMs: PERIOD_MS },
    async work() {
      const freezes = await gate.list()
      if (freezes.length === 0) {
        changed.clear()
        await release()
        return Number.POSITIVE_INFINITY
      }
      if (!(await hold())) {
        changed.clear()
        return PERIOD_MS
      }
      const troubles: unknown[] = []
      const trouble = (error: unknown): void => {
        // It was lifted, or another replica sweeps it: the next round sees.
        if (!isLostRace(error)) troubles.push(error)
      }
      for (const freeze of freezes) if (!swept.has(freeze.id)) await sweep(freeze).catch(trouble)
      await lookAtChanged(trouble).catch(trouble)
      // What one freeze lacks keeps no other from being carried out.
      if (troubles.length > 0) throw troubles[0]
      return PERIOD_MS
    },
  })

  return {
    start: task.start,
    wake: task.wake,
    /** Applies a change of the stream. */
    heard(change: Change): void {
      if (change.type === 'document' && change.kind === REGISTER.kind) task.wake()
      if (change.type !== 'integration' || change.isNewer || gate.count() === 0) return
      if (changed.size >= CHANGED_MAX) sweepAgain()
      else changed.set(change.name, monotonic() + MINT_MS)
    },
    /** Changes may have been missed. */
    distrust(): void {
      sweepAgain()
      task.wake()
    },
    async stop(): Promise<void> {
      await task.stop()
      await release().catch(outage.report)
    },
  }
}

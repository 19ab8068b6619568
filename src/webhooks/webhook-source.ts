/** Creates events from audit entries: one for each health transition, on all replicas together. */

import type { Actor, AuditEntry } from '../audit/event.ts'
import { isStoreTrouble } from '../errors/errors.ts'
import { PROBLEMS } from '../errors/problems.ts'
import type { OutageLogger } from '../runtime/outage-logger.ts'
import type { Runtime } from '../runtime/runtime.ts'
import { createTask } from '../runtime/tasks.ts'
import { waitFor } from '../runtime/timeout.ts'
import { isLostRace } from '../store/compare-and-set.ts'
import { documentKind, type StoredDocument } from '../store/documents.ts'
import type { Documents, Store } from '../store/store.ts'
import { isUnusual, type UnusualAction } from '../usage/unusual.ts'
import {
  HealthState,
  type HealthTransition,
  type Sign,
  signOf,
  transitionOf,
} from './health-transition.ts'
import {
  eventIdOf,
  type WebhookData,
  type WebhookEvent,
  type WebhookType,
} from './webhook-event.ts'
import type { WebhookQueue } from './webhook-queue.ts'

/** Data of an event besides its name. Undefined: the integration is gone. */
export interface Described {
  readonly uid: string
  /** Whether what is unusual about it makes events. */
  readonly isWatched: boolean
  readonly common: WebhookData
  readonly certificate: (credential: string) => WebhookData
  readonly refusal: (reason: string | null) => WebhookData
  readonly activatedAt: (credential: string) => number | null
  /** Whether it is the first credential of the integration, so that none was replaced. */
  readonly isFirst: (credential: string) => boolean
  readonly identity: () => Promise<WebhookData>
}

interface Noted {
  readonly by: Actor
  readonly entry: AuditEntry & { readonly integration: string }
  readonly at: number
}

const STATES = documentKind({ kind: 'webhook-edge', schema: HealthState })
const EDGE_KEPT_MS = 366 * 86_400_000
const HOUR_MS = 3_600_000
const WAITING_MAX = 1_000
const AGAIN_MS = 1_000
const STOP_MS = 2_000

export function createWebhookSource(dependencies: {
  /** Id of the store. A transition that was counted in another store is another one. */
  readonly store: Pick<Store, 'identity'> & {
    readonly documents: Pick<Documents, 'read' | 'write'>
  }
  readonly queue: Pick<WebhookQueue, 'add'>
  readonly describe: (name: string) => Promise<Described | undefined>
  readonly runtime: Runtime
  /** An event was queued. Must not throw. */
  readonly onQueued: () => void
  /** An event was lost: the queue is full, too many wait for the store, it cannot be created, or the process stopped before the store accepted it. Must not throw. */
  readonly onLost: (why: 'full' | 'failed' | 'stopped') => void
  /** Reports failures of the store. */
  readonly outage: OutageLogger
}) {
  const { store, queue, describe, runtime, outage, onQueued, onLost } = dependencies
  const { documents } = store
  const { now } = runtime
  const waiting: Noted[] = []

  const add = async (event: WebhookEvent) => {
    const result = await queue.add(event)
    if (result === 'added') onQueued()
    if (result === 'full') onLost('full')
  }

  /** The event is queued before the transition is written. After a crash in between, it is found again with the same id. */
  const turn = async ({ entry, at }: Noted, sign: Sign, described: Described) => {
    const { integration } = entry
    const change = async (stored: StoredDocument<HealthState> | undefined) => {
      const found = transitionOf(stored?.body, described.uid, sign, now())
      if (!found) return undefined
      const { type, data } = await told(found, stored?.body, described)
      if (type) {
        const id = eventIdOf(type, (await store.identity()).id, described.uid, stored?.version ?? 0)
        await add({ id, type, integration, at, data: { ...described.common, ...data } })
      }
      return found.next
    }
    await STATES.update(documents, integration, change, () => now() + EDGE_KEPT_MS)
  }

  const told = async (
    { tell, next }: HealthTransition,
    before: HealthState | undefined,
    described: Described,
  ): Promise<{ readonly type?: WebhookType; readonly data?: WebhookData }> => {
    if (tell === undefined) return {}
    const type = `integration.${tell}` as const
    if (tell === 'recovered') {
      const since = before?.since ?? now()
      const was = { state: before?.down, reason: before?.reason }
      return { type, data: { was: { ...was, since: new Date(since).toISOString() } } }
    }
    if (tell === 'refused') return { type, data: { refusal: described.refusal(next.reason) } }
    if (tell === 'not_connected') return { type, data: { reason: next.reason } }
    return { type, data: await described.identity() }
  }

  const tellCredential = async ({ by, entry, at }: Noted, described: Described) => {
    const { action, integration, detail = {} } = entry
    const { credential = '', days } = detail
    const isExpiring = action === 'certificate.expiring'
    if (!isExpiring && described.isFirst(credential)) return
    const type: WebhookType = isExpiring ? 'certificate.expiring' : 'credential.activated'
    const which = isExpiring ? (days ?? 0) : (described.activatedAt(credential) ?? at)
    const data = isExpiring ? { days } : { by: by.principal }
    await add({
      ...{ id: eventIdOf(type, described.uid, credential, which), type, integration, at },
      data: {
        ...described.common,
        ...data,
        credential: { id: credential, ...described.certificate(credential) },
      },
    })
  }

  /** Replicas that notice the same loop make one event. */
  const tellLoop = async ({ by, entry, at }: Noted, { uid, common }: Described) => {
    const { integration, tokenId = '' } = entry
    const type: WebhookType = 'integration.login_loop'
    const hour = Math.floor(at / HOUR_MS)
    await add({
      ...{ id: eventIdOf(type, uid, tokenId, by.principal ?? '', hour), type, integration, at },
      data: { ...common, by: by.principal, remedy: PROBLEMS.token_still_live.remedy },
    })
  }

  /** `principal` is null for a token. */
  const tellUnusual = async (
    { by: { principal }, entry, at }: Noted,
    type: WebhookType,
    { uid, common }: Described,
  ) => {
    const { integration, detail: { network, reads, usual } = {} } = entry
    await add({
      ...{ id: eventIdOf(type, uid, principal ?? '', network ?? '', at), type, integration, at },
      data: {
        ...common,
        ...(principal !== null && { by: principal }),
        ...(network !== undefined && { network }),
        ...(reads !== undefined && { reads, usual }),
      },
    })
  }

  const tellFreeze = async ({ by, entry, at }: Noted, type: 'freeze.created' | 'freeze.lifted') => {
    const { freeze = '' } = entry.detail ?? {}
    const data = { freeze, by: by.principal }
    await add({ id: eventIdOf(type, freeze), type, integration: '', at, data })
  }

  const handle = async (noted: Noted) => {
    const { action, integration } = noted.entry
    if (action === 'freeze.created' || action === 'freeze.lifted') {
      await tellFreeze(noted, action)
      return
    }
    const described = await describe(integration)
    if (!described) return
    if (action === 'certificate.expiring' || action === 'credential.activated') {
      await tellCredential(noted, described)
      return
    }
    if (action === 'login.looped') {
      await tellLoop(noted, described)
      return
    }
    if (isUnusual(action)) {
      if (described.isWatched) await tellUnusual(noted, UNUSUAL_TYPES[action], described)
      return
    }
    const sign = signOf(noted.entry)
    if (sign) await turn(noted, sign, described)
  }

  const drain = async () => {
    for (let noted = waiting[0]; noted; noted = waiting[0]) {
      try {
        await handle(noted)
      } catch (error) {
        // An event that the store always refuses must not block the others.
        if (!mayPass(error)) {
          waiting.shift()
          onLost('failed')
        }
        throw error
      }
      waiting.shift()
      outage.over()
    }
  }

  const task = createTask({
    runtime,
    async work() {
      try {
        await drain()
        return Number.POSITIVE_INFINITY
      } catch (error) {
        outage.report(error)
        // Sleeps for the whole time, so that new entries do not wake it.
        await runtime.sleep(AGAIN_MS, task.stopped)
        return 0
      }
    },
  })

  return {
    /** Never throws. */
    note(by: Actor, entry: AuditEntry): void {
      const { action, integration } = entry
      if ((integration === null && !isOfFreeze(entry)) || !isOfInterest(entry)) return
      if (waiting.length >= WAITING_MAX) {
        if (action !== 'token.minted') onLost('full')
        return
      }
      waiting.push({ by, entry: { ...entry, integration: integration ?? '' }, at: now() })
      task.wake()
    },
    start: task.start,
    /** Queues pending events first, for at most 2 s. */
    async stop(): Promise<void> {
      const rest = task.stop().then(drain).catch(outage.report)
      await waitFor(rest, { ms: STOP_MS, late: () => undefined })
      for (const { entry } of waiting) {
        if (entry.action !== 'token.minted') onLost('stopped')
      }
    },
  }
}

const UNUSUAL_TYPES = {
  'caller.new': 'caller.new',
  'caller.new_network': 'caller.new_network',
  'caller.unusual_rate': 'caller.unusual_rate',
  'scope.changed': 'integration.scopes_changed',
  'instance.changed': 'integration.instance_changed',
} as const satisfies Record<UnusualAction, WebhookType>

/** Whether the error may be temporary. Then the work is retried and nothing is lost. */
const mayPass = (error: unknown): boolean => isStoreTrouble(error) || isLostRace(error)

const isOfFreeze = ({ action }: AuditEntry): boolean =>
  action === 'freeze.created' || action === 'freeze.lifted'

const isOfInterest = (entry: AuditEntry): boolean => {
  const { action, outcome = 'success' } = entry
  if (isOfFreeze(entry) || isUnusual(action)) return true
  if (action === 'certificate.expiring' || action === 'login.looped') return true
  if (action === 'credential.activated') return outcome === 'success'
  return signOf(entry) !== undefined
}

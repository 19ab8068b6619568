/** The audit trail. Each event is written as a line. All except token reads are also stored. */

import type { Principal } from '../callers/policy.ts'
import type { Emitter } from '../runtime/events.ts'
import type { Log, Runtime } from '../runtime/runtime.ts'
import type { EventLog } from '../store/store.ts'
import { createDenials } from './denials.ts'
import { type Actor, type AuditEntry, type AuditEvents, eventText, NOBODY } from './event.ts'
import { createEventIds } from './event-ids.ts'
import { createHistory } from './history.ts'
import { type AuditWriter, auditUnavailable } from './output/writer.ts'
import { createStoredEvents } from './stored-events.ts'

/** A request with an authenticated caller. */
export interface Asker {
  readonly id: string
  readonly principal: Pick<Principal, 'id'>
}

/** What the line of a proof says. */
interface ProvedLine {
  readonly method: string
  readonly path: string
  readonly jti: string
}

export type AuditLog = ReturnType<typeof createAuditLog>

const REPLICA_CHARACTERS = 8
/** Of the path of a proof. */
const PATH_MAX = 1_024

export function createAuditLog(dependencies: {
  readonly writer: AuditWriter
  readonly store: { readonly events: Pick<EventLog, 'append' | 'put'> }
  readonly mode: 'batched' | 'strict'
  readonly runtime: Runtime
  readonly log: Pick<Log, 'warn'>
  readonly events: Pick<Emitter<AuditEvents>, 'emit'>
}) {
  const { writer, store, mode, events, runtime, log } = dependencies
  const eventIds = createEventIds({
    now: runtime.wall,
    replica: runtime.uniqueId().slice(0, REPLICA_CHARACTERS),
  })
  const stored = createStoredEvents({ events: store.events, log })
  const history = createHistory({ stored, runtime })
  const quoted = new WeakMap<Asker['principal'], string>()

  const record = (by: Actor, entry: AuditEntry): Promise<void> => {
    const eventId = eventIds.next()
    writer.write(`${eventText(eventId, by, entry)}\n`)
    events.emit('audit.recorded', { by, entry })
    return history.add(eventId, by, entry)
  }

  /** Records an event for which no request waits. Never throws. */
  const background = (by: Actor, entry: AuditEntry): void => {
    // `add` never rejects.
    void record(by, entry)
  }

  const denials = createDenials({
    runtime,
    isBlocked: writer.isBlocked,
    line: (by, entry) => writer.write(`${eventText(eventIds.next(), by, entry)}\n`),
    store: (by, entry) => void history.add(eventIds.next(), by, entry),
  })

  /** The id never changes. Quoting it each time would cost a tenth of a read. */
  const quotedId = (principal: Asker['principal']) => {
    const known = quoted.get(principal)
    if (known !== undefined) return known
    const text = JSON.stringify(principal.id)
    quoted.set(principal, text)
    return text
  }

  /** Throws `audit_unavailable` while lines cannot be written. Called before anything is handed out or changed. */
  const requireWritable = (): void => {
    if (writer.isBlocked()) throw auditUnavailable()
  }

  return {
    isBlocked: writer.isBlocked,
    requireWritable,
    /** Called before a token is handed out. Throws `audit_unavailable`. Batched: returns nothing, and the line follows within 100 ms. Strict: resolves when the line is written. */
    read(asker: Asker, integration: string, tokenId: string): Promise<void> | undefined {
      requireWritable()
      const { id, at } = eventIds.next()
      // Concatenated, because only the principal may contain characters that JSON escapes.
      writer.write(
        `{"id":"${id}","at":"${at}","principal":${quotedId(asker.principal)},"action":"token.read","integration":"${integration}","outcome":"success","request_id":"${asker.id}","token_id":"${tokenId}"}\n`,
      )
      return mode === 'strict' ? writer.flushed() : undefined
    },
    /** The same for proofs, called before they are handed out. Only for methods and paths that a pattern permits, because these have no character that JSON escapes. */
    proved(
      asker: Asker,
      integration: string,
      tokenId: string,
      proofs: readonly ProvedLine[],
    ): Promise<void> | undefined {
      requireWritable()
      const same = `"principal":${quotedId(asker.principal)},"action":"token.proved","integration":"${integration}","outcome":"success","request_id":"${asker.id}","token_id":"${tokenId}"`
      for (const { method, path, jti } of proofs) {
        const { id, at } = eventIds.next()
        writer.write(
          `{"id":"${id}","at":"${at}",${same},"detail":{"method":"${method}","path":"${path.slice(0, PATH_MAX)}","jti":"${jti}"}}\n`,
        )
      }
      return mode === 'strict' ? writer.flushed() : undefined
    },
    /** Records a change. Resolves when the line is written and the store has it. Otherwise throws `audit_unavailable`, and the line follows later. */
    async change(asker: Asker, ...entries: readonly AuditEntry[]): Promise<void> {
      if (entries.length === 0) return
      const by = { principal: asker.principal.id, requestId: asker.id }
      const copies = entries.map((entry) => record(by, entry))
      await Promise.all([writer.flushed(), ...copies])
    },
    background,
    /** Records an answer with 401, 403 or 429. Repeated ones are counted. Never throws. */
    denied: denials.add,
    /** Records the start of the service. The audit is blocked until this line is written. */
    start(): void {
      denials.start()
      history.start()
      background(NOBODY, { action: 'service.started', integration: null })
    },
    /** Records the stop of the service, and writes waiting lines for at most 2 s. */
    async close(): Promise<void> {
      await denials.stop()
      background(NOBODY, { action: 'service.stopped', integration: null })
      await history.stop()
      await stored.close()
      const lost = await writer.close()
      if (lost > 0) log.warn({ code: 'audit_unavailable', lost }, 'audit lines were not written')
    },
  }
}

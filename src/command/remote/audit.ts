/** `valetkey audit`: what was done, oldest first, and on request what is done from now on. */
import type { AuditEvent } from '../../client/api/service.ts'
import type { RequestOf, ValetkeyClient } from '../../client/client.ts'
import { unlessAway } from '../away.ts'
import { durationIn } from '../durations.ts'
import { CommandError, EXITS } from '../exits.ts'
import { untilInterrupted } from '../interrupt.ts'
import type { CommandInput } from '../spec.ts'
import { pause, type Terminal, withoutControls } from '../terminal.ts'

const POLL_MS = 2_000
/** The clocks of replicas differ, and an event may be stored some seconds after its time. */
const DISORDER_MS = 60_000
const LIMIT = 50
const PAGE = 200

interface AuditFilter {
  readonly integration?: string
  readonly principal?: string
  readonly action?: string
  readonly since?: string
  readonly until?: string
  readonly limit?: number
  readonly follow?: boolean
  readonly json?: boolean
}

type Query = NonNullable<RequestOf<'listAuditEvents'>['query']>

export async function runAudit({ options, terminal, broker }: CommandInput) {
  const { since, until, limit, follow = false, json = false, ...rest } = options as AuditFilter
  const { client } = await broker()
  const query = {
    ...(rest.integration !== undefined && { integration: rest.integration }),
    ...(rest.principal !== undefined && { principal: rest.principal }),
    ...(rest.action !== undefined && { action: rest.action }),
    ...(since !== undefined && { since: timeIn(since) }),
    ...(until !== undefined && { until: timeIn(until) }),
  } as Query
  const print = (event: AuditEvent) =>
    terminal.print(json ? JSON.stringify(event) : lineOf(event, terminal))
  const events = await eventsOf(client, query, limit ?? LIMIT)
  for (const event of events) print(event)
  if (!follow) return EXITS.ok
  return untilInterrupted((signal) => followed(client, query, events, print, signal))
}

/** Milliseconds before now, or a time. */
function timeIn(text: string): string {
  const ms = durationIn(text)
  const at = ms === undefined ? Date.parse(text) : Date.now() - ms
  if (Number.isFinite(at)) return new Date(at).toISOString()
  throw new CommandError(
    EXITS.usage,
    `${withoutControls(text)} is neither a time nor a duration such as 2h`,
  )
}

/** The newest, in the order of time. */
async function eventsOf(
  client: ValetkeyClient,
  query: Query,
  limit: number,
  signal?: AbortSignal,
): Promise<readonly AuditEvent[]> {
  const events: AuditEvent[] = []
  let cursor: string | null = null
  do {
    const page = Math.min(PAGE, limit - events.length)
    const part: Query = { ...query, limit: page, ...(cursor !== null && { cursor }) }
    const { body } = await client.request('listAuditEvents', {
      query: part,
      ...(signal && { signal }),
    })
    events.push(...body.items)
    cursor = body.next_cursor
  } while (cursor !== null && events.length < limit)
  return events.toReversed()
}

async function followed(
  client: ValetkeyClient,
  query: Query,
  before: readonly AuditEvent[],
  print: (event: AuditEvent) => void,
  signal: AbortSignal,
): Promise<never> {
  const start = before.at(-1)?.at ?? timeBefore(new Date().toISOString())
  let newest = start
  let known = new Set(before.map(({ id }) => id))
  for (;;) {
    await pause(POLL_MS, signal)
    const late = timeBefore(newest)
    const part = { ...query, since: late > start ? late : start }
    const reading = eventsOf(client, part, Number.POSITIVE_INFINITY, signal)
    const events = await unlessAway(reading, () => undefined)
    if (!events) continue
    for (const event of events) if (!known.has(event.id)) print(event)
    newest = events.reduce((last, { at }) => (at > last ? at : last), newest)
    known = new Set(events.map(({ id }) => id))
  }
}

const timeBefore = (at: string) => new Date(Date.parse(at) - DISORDER_MS).toISOString()

function lineOf(event: AuditEvent, { paint }: Terminal): string {
  const { at, action, integration, principal, outcome, detail, token_id } = event
  const isBad = outcome !== 'success'
  const more = Object.entries({ ...detail, ...(token_id !== undefined && { token_id }) }).map(
    ([name, value]) => `${name}=${typeof value === 'object' ? JSON.stringify(value) : value}`,
  )
  const words = [action, integration ?? '-', principal ?? '-', ...more].map(withoutControls)
  const colour = isBad ? 'yellow' : 'green'
  return [paint('dim', withoutControls(at)), paint(colour, outcome.padEnd(7)), ...words].join(' ')
}

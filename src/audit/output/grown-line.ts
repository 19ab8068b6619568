/** One stored event for several: their common members, their number, and the times of the first and the last. Pure. */
import { networkOf } from '../../http/address.ts'
import type { AuditEvent, EventDetail } from '../event.ts'

export interface GrownLine {
  readonly event: AuditEvent
  readonly count: number
  readonly since: string
}

/** Most names of integrations in a line. */
const NAMES_MAX = 20

/** The part of an address that one host shares. Undefined without an address. */
export const networkIn = (address: string | undefined): string | undefined =>
  address === undefined ? undefined : networkOf(address)

/** Has the id of the first event and the time of the last. */
export function grown(former: GrownLine | undefined, event: AuditEvent): GrownLine {
  const { since, count } = former
    ? { since: former.since, count: former.count + 1 }
    : { since: event.at, count: 1 }
  const { token_id, ...common } = former ? inCommon(former.event, event) : event
  const detail = { ...common.detail, count, since }
  return {
    event: { ...common, ...(token_id !== undefined && { token_id }), detail },
    count,
    since,
  }
}

function inCommon(former: AuditEvent, event: AuditEvent): AuditEvent {
  const { id, action, outcome } = former
  return {
    ...{ id, at: event.at, principal: same(former.principal, event.principal) ?? null, action },
    integration: same(former.integration, event.integration) ?? null,
    outcome,
    request_id: same(former.request_id, event.request_id) ?? null,
    ...defined({ token_id: same(former.token_id, event.token_id) }),
    detail: detailInCommon(former, event),
  }
}

function detailInCommon(former: AuditEvent, event: AuditEvent): EventDetail {
  const { detail: before = {} } = former
  const { detail: after = {} } = event
  const members = Object.entries(before).filter(
    ([name, value]) => Reflect.get(after, name) === value,
  )
  return {
    ...(Object.fromEntries(members) as EventDetail),
    ...defined({ address: addressInCommon(before, after), integrations: namesOf(former, event) }),
  }
}

const addressInCommon = (before: EventDetail, after: EventDetail): string | undefined =>
  same(before.address, after.address) ?? same(networkIn(before.address), networkIn(after.address))

/** The integrations of the events, if there are several. */
function namesOf(former: AuditEvent, event: AuditEvent): readonly string[] | undefined {
  const known = former.detail?.integrations ?? [former.integration]
  const names = [...new Set([...known, event.integration])].filter((name) => name !== null)
  const isSame =
    former.detail?.integrations === undefined && former.integration === event.integration
  return isSame || names.length === 0 ? undefined : names.slice(0, NAMES_MAX)
}

const same = <Value>(one: Value, other: Value): Value | undefined =>
  one === other ? one : undefined

function defined<Members extends object>(
  members: Members,
): {
  readonly [Name in keyof Members]?: Exclude<Members[Name], undefined>
} {
  return Object.fromEntries(Object.entries(members).filter(([, value]) => value !== undefined)) as {
    [Name in keyof Members]?: Exclude<Members[Name], undefined>
  }
}

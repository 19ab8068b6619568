/** Who may make one definition of another. Pure; each question throws `caller_forbidden`. */
import { isDeepStrictEqual } from 'node:util'
import { allows, gainedBy, type Permission, type Principal } from '../callers/policy.ts'
import { BrokerError } from '../errors/errors.ts'
import type { Integration } from './integration.ts'

type Labels = Integration['labels']
type Labelled = Pick<Integration, 'labels'>
type Written = Pick<Integration, 'labels' | 'credentials' | 'credentialFrom'>

/** `current`: the very record that is replaced. Undefined: there is none, and a permission that labels limit does not reach it. */
export function checkMayChange(
  principal: Principal,
  name: string,
  current: Labelled | undefined,
): void {
  const target = current ? { name, labels: current.labels } : { name }
  require(principal, 'integrations:write', target)
}

/** Nobody labels an integration out of a limit of their own, or into one. */
export function checkMayLabel(
  principal: Principal,
  name: string,
  current: Labelled | undefined,
  labels: Labels,
): void {
  const after = { name, labels }
  const refused = 'You may not give the integration these labels'
  if (!allows(principal, 'integrations:write', after)) {
    throw new BrokerError('caller_forbidden', refused)
  }
  const gained = current ? gainedBy(principal, { name, labels: current.labels }, after) : []
  if (gained.length > 0) {
    const why = `${refused}: by them you would gain ${gained.join(', ')} for it`
    throw new BrokerError('caller_forbidden', why)
  }
}

/** All of it; and whoever may not write its credentials does not change them by the way. One that is yet to be made has none to change. */
export function checkMayWrite(
  principal: Principal,
  name: string,
  current: Written | undefined,
  next: Written,
): void {
  checkMayChange(principal, name, current)
  checkMayLabel(principal, name, current, next.labels)
  if (!current || isSameProof(current, next)) return
  for (const { labels } of [current, next])
    require(principal, 'credentials:write', { name, labels })
}

const isSameProof = (one: Written, other: Written): boolean =>
  one.credentialFrom === other.credentialFrom &&
  isDeepStrictEqual(one.credentials, other.credentials)

function require(
  principal: Principal,
  permission: Permission,
  target: { readonly name: string; readonly labels?: Labels },
): void {
  if (allows(principal, permission, target)) return
  throw new BrokerError('caller_forbidden', `You lack ${permission} for this integration`)
}

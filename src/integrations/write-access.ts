/** Checks whether a principal may replace one definition with another. Pure. Each check throws `caller_forbidden`. */
import { isDeepStrictEqual } from 'node:util'
import { allows, gainedBy, type Permission, type Principal } from '../callers/policy.ts'
import { BrokerError } from '../errors/errors.ts'
import type { Integration } from './integration.ts'

type Labels = Integration['labels']
type Labelled = Pick<Integration, 'labels'>
type Written = Pick<Integration, 'labels' | 'credentials' | 'credentialFrom'>

/** `current`: the record that is replaced. Undefined: there is none, so a permission that labels limit does not apply. */
export function checkMayChange(
  principal: Principal,
  name: string,
  current: Labelled | undefined,
): void {
  const target = current ? { name, labels: current.labels } : { name }
  require(principal, 'integrations:write', target)
}

/** A principal must not use labels to move an integration out of or into its own limit. */
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

/** Runs all checks. A principal without write permission for credentials must not change them indirectly. A new integration has none to change. */
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

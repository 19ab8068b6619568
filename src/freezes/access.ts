/** Who may freeze what. */

import { matchesGlob } from '../callers/glob.ts'
import {
  allows,
  allowsAll,
  allowsSome,
  mightAllow,
  type Permit,
  type Principal,
} from '../callers/policy.ts'
import type { Integration } from '../integrations/integration.ts'
import type { Freeze, Selector } from './freeze.ts'

type ReadIntegration = (name: string) => Promise<Integration | undefined>

/** Whether it may do everything with freezes. */
export const managesFreezes = (principal: Principal): boolean =>
  allowsAll(principal, 'service:manage')

/** Whether it may freeze anything at all. */
export const mightFreeze = (principal: Principal): boolean =>
  managesFreezes(principal) || allowsSome(principal, 'tokens:revoke')

/** Whether the principal may freeze all that the selector selects, now and later: by `service:manage`, or by `tokens:revoke` over all of it. Apps and orgs may select any integration. */
export async function mayFreeze(
  principal: Principal,
  selector: Selector,
  read: ReadIntegration,
): Promise<boolean> {
  if (managesFreezes(principal) || allowsAll(principal, 'tokens:revoke')) return true
  const { integrations, labels, clientIds, orgIds, all } = selector
  if (all || clientIds.length > 0 || orgIds.length > 0) return false
  if (Object.keys(labels).length > 0 && !principal.permits.some((one) => covers(one, labels))) {
    return false
  }
  // No lookup for a name that is forbidden anyway, so that the time tells nothing of it.
  if (!integrations.every((name) => mightAllow(principal, 'tokens:revoke', name))) return false
  for (const name of integrations) {
    const found = await read(name)
    const target = found ? { name, labels: found.labels } : { name }
    if (!allows(principal, 'tokens:revoke', target)) return false
  }
  return true
}

/** `tokens:revoke` lifts what the same principal froze. Who has one key must not undo what others did about it. */
export const mayLift = async (
  principal: Principal,
  { by, selector }: Freeze,
  read: ReadIntegration,
): Promise<boolean> =>
  managesFreezes(principal) || (by === principal.id && mayFreeze(principal, selector, read))

/** Whether the permit is over every integration with these labels. */
const covers = (
  { permission, integrations, labels, requests }: Permit,
  selected: Readonly<Record<string, string>>,
): boolean =>
  permission === 'tokens:revoke' &&
  requests === undefined &&
  integrations.some((glob) => matchesGlob(glob, '*')) &&
  Object.entries(labels).every(([key, value]) => selected[key] === value)

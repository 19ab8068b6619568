/** What a principal may see: the integration in the path, and the names of others in its answer. */
import { allows, mightAllow, type Permission, type Principal } from '../../callers/policy.ts'
import { NAMED_IN_ANSWERS } from '../../callers/reference-table.ts'
import { BrokerError } from '../../errors/errors.ts'
import { withoutSource } from '../../grants/refusals/refusals.ts'
import { isUnusable, unlessUnusable } from '../../store/integrity/record-schema.ts'
import type { Integration } from '../integration.ts'

interface Visibility {
  readonly integrations: { read(name: string): Promise<Integration | undefined> }
  readonly principal: Principal
  readonly permission: Permission
}

/** Throws `caller_forbidden` in the same way for an existing and a missing integration. Throws `integration_not_found` if the principal may know. */
export async function visibleIntegration(
  name: string,
  { integrations, principal, permission }: Visibility,
): Promise<Integration> {
  if (!mightAllow(principal, permission, name)) throw lacks(permission)
  const integration = await readFor(name, { integrations, principal, permission })
  return visible(name, integration, principal, permission)
}

/** The labels of an unusable record are unknown. So a principal with a label limit gets `caller_forbidden`, and others get `record_corrupt`. */
export async function readFor(
  name: string,
  { integrations, principal, permission }: Visibility,
): Promise<Integration | undefined> {
  try {
    return await integrations.read(name)
  } catch (error) {
    if (isUnusable(error) && !allows(principal, permission, { name })) throw lacks(permission)
    throw error
  }
}

/** Checks the principal at the moment of a change, with the record that is replaced. Labels and permissions may have changed since the request began. Throws as `visibleIntegration` does, and `caller_unauthenticated`. */
export type Authorise = (name: string, integration: Integration | undefined) => Promise<Integration>

export const authoriseBy =
  (confirm: () => Promise<Principal>, permission: Permission): Authorise =>
  async (name, integration) =>
    visible(name, integration, await confirm(), permission)

/** For changes by the broker itself. */
export const byItself: Authorise = async (_name, integration) => found(integration)

function visible(
  name: string,
  integration: Integration | undefined,
  principal: Principal,
  permission: Permission,
): Integration {
  const target = integration ? { name, labels: integration.labels } : { name }
  if (!allows(principal, permission, target)) throw lacks(permission)
  return found(integration)
}

function found(integration: Integration | undefined): Integration {
  if (integration) return integration
  throw new BrokerError('integration_not_found', 'No integration has this name')
}

const lacks = (permission: Permission) =>
  new BrokerError('caller_forbidden', `You lack ${permission} for this integration`)

/** Whether an answer about another integration may show its name. */
export const isShown = (
  principal: Principal,
  { name, labels }: Pick<Integration, 'name' | 'labels'>,
): boolean => allows(principal, NAMED_IN_ANSWERS, { name, labels })

/** The names that the principal may see, in their order. Labels are only read if labels limit a permission. Unusable records have no known labels. `known`: what was looked up before for this principal; it grows. */
export async function shownNames(
  names: readonly string[],
  { integrations, principal }: Omit<Visibility, 'permission'>,
  known: Map<string, Promise<boolean>> = new Map(),
): Promise<readonly string[]> {
  const look = async (name: string): Promise<boolean> => {
    if (allows(principal, NAMED_IN_ANSWERS, { name })) return true
    if (!mightAllow(principal, NAMED_IN_ANSWERS, name)) return false
    const integration = await unlessUnusable(integrations.read(name))
    return integration !== undefined && isShown(principal, integration)
  }
  const shown = await Promise.all(
    names.map((name) => {
      const looked = known.get(name) ?? look(name)
      known.set(name, looked)
      return looked
    }),
  )
  return names.filter((_name, at) => shown[at])
}

/** Whether the source of a token may be named in an answer about an integration that exchanges it. The labels of the source are not read. */
export const isSourceShown = (principal: Principal | undefined, source: string): boolean =>
  principal !== undefined && allows(principal, NAMED_IN_ANSWERS, { name: source })

/** The problem in words for this principal. A problem at the source of a token names the source only if the principal may see it. `principal`: undefined if the caller is not authenticated. */
export function problemShownTo(principal: Principal | undefined, error: BrokerError): BrokerError {
  const { source } = error.members
  return typeof source !== 'string' || isSourceShown(principal, source)
    ? error
    : withoutSource(error)
}

/** A read of another integration, whose name the caller may not know. Throws `record_corrupt` and `another_version` without that name; the cause has it for the log. */
export async function unnamed<Found>(work: Promise<Found>): Promise<Found> {
  try {
    return await work
  } catch (error) {
    if (!isUnusable(error)) throw error
    const { code, status, isTold } = error
    const detail = 'A record of another integration, to which this one refers, cannot be used'
    throw new BrokerError(code, detail, { cause: error, status, isTold })
  }
}

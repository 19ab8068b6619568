/** Integrations whose token is made of another's: what they may name, and who depends on whom. */
import { allows, type Principal } from '../callers/policy.ts'
import { activeOf } from '../credentials/credential.ts'
import { BrokerError } from '../errors.ts'
import { grantOf } from '../grants/index.ts'
import { everyIntegration } from './every.ts'
import { clientIdOf, type Definition, digestOf, type Integration, sourceOf } from './integration.ts'
import type { IntegrationStore } from './integration-store.ts'

export interface SourceCheck {
  readonly name: string
  readonly definition: Definition
  readonly current: Integration | undefined
  readonly principal: Principal
  readonly read: (name: string) => Promise<Integration | undefined>
}

/** Whoever sets it, or sends it to another host, must be allowed to read that token. Throws `caller_forbidden`, `request_invalid`. */
export async function checkTokenSource(check: SourceCheck): Promise<void> {
  const { name, definition, current, principal, read } = check
  const former = current?.loginUrl === definition.loginUrl ? current : undefined
  const file = fileOf(definition)
  if (file !== undefined && file !== (former && fileOf(former))) {
    throw wrong(
      '/subject_token/file may be named, and its token sent elsewhere, in the configuration file alone',
    )
  }
  const source = sourceOf(definition)
  if (source === undefined || source === (former && sourceOf(former))) return
  const other = source === name ? undefined : await read(source)
  const target = other ? { name: source, labels: other.labels } : { name: source }
  if (!allows(principal, 'tokens:read', target)) {
    throw new BrokerError('caller_forbidden', 'The token of that integration is not yours to use')
  }
  if (!other) throw wrong(': its source names no other integration')
  await checkNoCircle(name, definition, read)
}

/** Throws `request_invalid` where its own token would be needed to make it. One that is not there yet is no circle. */
export async function checkNoCircle(
  name: string,
  definition: Pick<Definition, 'grant'>,
  read: SourceCheck['read'],
): Promise<void> {
  const passed = new Set([name])
  let source = sourceOf(definition)
  while (source !== undefined) {
    if (passed.has(source)) throw wrong(': its own token would be needed to make it')
    passed.add(source)
    const next: Integration | undefined = await read(source)
    source = next && sourceOf(next)
  }
}

/** Throws `credential_state` while another integration's token is made of this one's. */
export async function checkNobodyExchanges(
  store: Pick<IntegrationStore, 'list'>,
  name: string,
): Promise<void> {
  const [dependent] = await dependentsOf(store, name)
  if (dependent === undefined) return
  throw new BrokerError('credential_state', `Integration ${dependent} exchanges its token`)
}

/** By name. */
export async function dependentsOf(
  store: Pick<IntegrationStore, 'list'>,
  name: string,
): Promise<readonly string[]> {
  const found: string[] = []
  for await (const one of everyIntegration(store)) if (sourceOf(one) === name) found.push(one.name)
  return found
}

/** Whether its tokens are for another login URL, subject or app than before, as far as it says. */
export const hasOtherTokens = (before: Integration, after: Integration): boolean =>
  mintsFor(before) !== mintsFor(after)

const mintsFor = (integration: Integration) =>
  digestOf(integration, clientIdOf(integration, activeOf(integration.credentials)) ?? '')

const fileOf = ({ grant }: Pick<Definition, 'grant'>) => grantOf(grant.type).fileOf?.(grant)

const wrong = (what: string) => new BrokerError('request_invalid', `body/grant${what}`)

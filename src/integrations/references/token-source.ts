/** Rules for integrations whose token is derived from another's: which sources they may name, and who depends on whom. */
import { isDeepStrictEqual } from 'node:util'
import type { Principal } from '../../callers/policy.ts'
import { activeOf } from '../../credentials/credential.ts'
import { BrokerError } from '../../errors/errors.ts'
import { grantOf } from '../../grants/index.ts'
import { everyIntegration } from '../every.ts'
import {
  clientIdOf,
  type Definition,
  digestOf,
  type Integration,
  sourceOf,
} from '../integration.ts'
import type { IntegrationStore } from '../integration-store.ts'
import { namedOf } from './lending.ts'
import { referenced } from './referenced.ts'
import { unnamed } from './visible.ts'

interface SourceCheck {
  readonly name: string
  readonly definition: Definition
  readonly current: Integration | undefined
  readonly principal: Principal
  readonly read: (name: string) => Promise<Integration | undefined>
}

/** A principal that sets the source, or sends its token to another host, must be allowed to read that token. The owner of the source must allow the exchange there. Throws `caller_forbidden`, `request_invalid`. */
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
  if (source === undefined || (former && isSameExchange(former, definition))) return
  const other = await referenced('source', source, { by: name, principal, read })
  if (!other) throw wrong(': its source names no other integration')
  const why = exchangeTrouble(other, exchangesAt(definition), [])
  if (why !== undefined) throw new BrokerError('caller_forbidden', why)
  await checkNoCircle(name, definition, read)
}

/** For the configuration file, whose owner may name any source. Throws `request_invalid` if the source does not serve its token. A missing source is checked at the mint. */
export async function checkDeclaredSource(
  definition: Definition,
  read: SourceCheck['read'],
): Promise<void> {
  const name = sourceOf(definition)
  const source = name === undefined ? undefined : await read(name)
  const why = source && exchangeTrouble(source, exchangesAt(definition), undefined)
  if (why !== undefined) throw wrong(`: ${why}`)
}

/** Whether both definitions send the token of the same source to the same place. Their login URLs are equal. */
const isSameExchange = (former: Definition, definition: Definition) =>
  sourceOf(former) === sourceOf(definition) && exchangesAt(former) === exchangesAt(definition)

/** The login URL that gets the token of the source. Undefined: the token's own instance. */
const exchangesAt = ({ grant, loginUrl }: Pick<Definition, 'grant' | 'loginUrl'>) =>
  grantOf(grant.type).exchangesAtInstance ? undefined : loginUrl

/** Throws `caller_forbidden` if the owner of the source does not allow the exchange there. Checked at each exchange, because either record may have changed. */
export function requireExchange(source: Definition, at: string | undefined): void {
  const why = exchangeTrouble(source, at, undefined)
  if (why !== undefined) throw new BrokerError('caller_forbidden', why)
}

/** Why the exchange is refused. Undefined: it is allowed. `unsaid`: the allowed URLs for a record of a former release, whose owner never set a limit; undefined: any URL. */
function exchangeTrouble(
  { serveTokens, loginUrl, exchangeLoginUrls = undefined }: Definition,
  at: string | undefined,
  unsaid: readonly string[] | undefined,
): string | undefined {
  if (!serveTokens) return 'The token of that integration stays inside the broker'
  const said = exchangeLoginUrls ?? unsaid
  if (at === undefined || said === undefined) return undefined
  const isAllowed = [loginUrl, ...said].some((one) => originOf(one) === originOf(at))
  return isAllowed
    ? undefined
    : 'That integration lets its token be exchanged at no such login_url: it must be its own, or one of its exchange_login_urls'
}

const originOf = (url: string) => new URL(url).origin

/** Throws `request_invalid` if its own token would be needed to derive it. A missing integration ends the chain. */
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
    const next: Integration | undefined = await unnamed(read(source))
    source = next && sourceOf(next)
  }
}

/** Throws `credential_state` if another integration derives its token from this one's. */
export async function checkNobodyExchanges(
  store: Pick<IntegrationStore, 'list'>,
  name: string,
  principal: Principal,
): Promise<void> {
  const dependents = await dependentsOf(store, name)
  if (dependents.length === 0) return
  throw new BrokerError('credential_state', `${namedOf(dependents, principal)} exchanges its token`)
}

/** In order of name. */
export async function dependentsOf(
  store: Pick<IntegrationStore, 'list'>,
  name: string,
): Promise<readonly Integration[]> {
  const found: Integration[] = []
  for await (const one of everyIntegration(store)) if (sourceOf(one) === name) found.push(one)
  return found
}

/** Whether integrations that sign with its credential, or exchange its tokens, may do less than before. */
export const isNarrowed = (before: Integration, after: Integration): boolean =>
  (before.serveTokens && !after.serveTokens) ||
  !isDeepStrictEqual(before.exchangeLoginUrls, after.exchangeLoginUrls)

/** Whether its tokens are for another login URL, subject or app than before, as far as the definition shows. */
export const hasOtherTokens = (before: Integration, after: Integration): boolean =>
  mintsFor(before) !== mintsFor(after)

const mintsFor = (integration: Integration) =>
  digestOf(integration, clientIdOf(integration, activeOf(integration.credentials)) ?? '')

const fileOf = ({ grant }: Pick<Definition, 'grant'>) => grantOf(grant.type).fileOf?.(grant)

const wrong = (what: string) => new BrokerError('request_invalid', `body/grant${what}`)

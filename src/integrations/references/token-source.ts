/** Integrations whose token is made of another's: what they may name, and who depends on whom. */
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

interface SourceCheck {
  readonly name: string
  readonly definition: Definition
  readonly current: Integration | undefined
  readonly principal: Principal
  readonly read: (name: string) => Promise<Integration | undefined>
}

/** Whoever sets it, or sends it to another host, must be allowed to read that token, and the owner of the source must let it be exchanged there. Throws `caller_forbidden`, `request_invalid`. */
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

/** Of the configuration file, whose owner may name any source. Throws `request_invalid` where the source keeps its token inside; one that is not there yet is asked at the mint. */
export async function checkDeclaredSource(
  definition: Definition,
  read: SourceCheck['read'],
): Promise<void> {
  const name = sourceOf(definition)
  const source = name === undefined ? undefined : await read(name)
  const why = source && exchangeTrouble(source, exchangesAt(definition), undefined)
  if (why !== undefined) throw wrong(`: ${why}`)
}

/** Of two with the same login URL: whether the token of the same source is sent to the same place. */
const isSameExchange = (former: Definition, definition: Definition) =>
  sourceOf(former) === sourceOf(definition) && exchangesAt(former) === exchangesAt(definition)

/** Where the token of the source is sent: a login URL; undefined: to the instance that it is of. */
const exchangesAt = ({ grant, loginUrl }: Pick<Definition, 'grant' | 'loginUrl'>) =>
  grantOf(grant.type).exchangesAtInstance ? undefined : loginUrl

/** Throws `caller_forbidden` where the owner of the source does not let its token be exchanged there. Asked at each exchange: either record may have changed since. */
export function requireExchange(source: Definition, at: string | undefined): void {
  const why = exchangeTrouble(source, at, undefined)
  if (why !== undefined) throw new BrokerError('caller_forbidden', why)
}

/** Why not. `unsaid`: what is allowed where the record is of a former release, and the owner was never asked; undefined: anything. */
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
  principal: Principal,
): Promise<void> {
  const dependents = await dependentsOf(store, name)
  if (dependents.length === 0) return
  throw new BrokerError('credential_state', `${namedOf(dependents, principal)} exchanges its token`)
}

/** By name. */
export async function dependentsOf(
  store: Pick<IntegrationStore, 'list'>,
  name: string,
): Promise<readonly Integration[]> {
  const found: Integration[] = []
  for await (const one of everyIntegration(store)) if (sourceOf(one) === name) found.push(one)
  return found
}

/** Whether less may be done with its tokens than before, by those who sign with its credential or exchange them. */
export const isNarrowed = (before: Integration, after: Integration): boolean =>
  (before.serveTokens && !after.serveTokens) ||
  !isDeepStrictEqual(before.exchangeLoginUrls, after.exchangeLoginUrls)

/** Whether its tokens are for another login URL, subject or app than before, as far as it says. */
export const hasOtherTokens = (before: Integration, after: Integration): boolean =>
  mintsFor(before) !== mintsFor(after)

const mintsFor = (integration: Integration) =>
  digestOf(integration, clientIdOf(integration, activeOf(integration.credentials)) ?? '')

const fileOf = ({ grant }: Pick<Definition, 'grant'>) => grantOf(grant.type).fileOf?.(grant)

const wrong = (what: string) => new BrokerError('request_invalid', `body/grant${what}`)

import { timingSafeEqual } from 'node:crypto'
import { type App, type Client, type ConsumerPair, livePairs } from './apps.ts'
import { assertSignedBy, parseAssertion } from './assertion.ts'
import type { Exchange } from './exchange.ts'
import type { Org } from './orgs.ts'
import { Refused } from './refusals.ts'
import type { World } from './world.ts'

const ASSERTION_TYPE = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer'

/** Finds the app of a consumer key on this host, and checks that it may be used. */
export function findClient(exchange: Exchange, world: World, clientId: string | undefined): Client {
  const app = clientId === undefined ? undefined : world.apps.find(clientId)
  const configuration = app?.configuration.at(exchange.node)
  if (clientId !== undefined) exchange.identify({ clientId })
  if (clientId === undefined || app === undefined || configuration === undefined) {
    throw new Refused('client_identifier_invalid')
  }
  const pairs = livePairs(configuration, clientId, world.clock.now())
  if (pairs.length === 0) throw new Refused('client_identifier_invalid')
  const org = world.directory.org(app.orgId)
  exchange.identify({ app: app.name, orgId: org.id })
  assertServedHere(exchange, app, org)
  if (!configuration.installed) {
    throw new Refused(app.kind === 'connected_app' ? 'app_not_installed' : 'app_not_found')
  }
  if (configuration.blocked) throw new Refused('app_blocked')
  return { app, org, clientId, configuration, pairs }
}

function assertServedHere({ role }: Exchange, app: App, org: Org): void {
  if (role.kind === 'my_domain' || role.kind === 'site') {
    if (role.org.id === org.id) return
    throw new Refused(app.kind === 'connected_app' ? 'client_identifier_invalid' : 'app_not_found')
  }
  const isOwnEnvironment = (role.kind === 'test') === (org.kind === 'sandbox')
  if (!isOwnEnvironment) throw new Refused('client_identifier_invalid')
}

/** As {@link findClient}. The client must also authenticate, unless `secretOptional` allows it not to. */
export function authenticateClient(
  exchange: Exchange,
  world: World,
  { secretOptional = () => false }: { secretOptional?: (client: Client) => boolean } = {},
): Client {
  const form = exchange.form ?? new Map<string, string>()
  const assertion = form.get('client_assertion')
  if (assertion !== undefined) {
    return authenticateByAssertion(exchange, world, assertion, form.get('client_assertion_type'))
  }
  const basic = basicCredentials(exchange.headers.authorization)
  const client = findClient(exchange, world, basic?.clientId ?? form.get('client_id'))
  const secret = basic?.clientSecret ?? form.get('client_secret')
  if (secret === undefined && secretOptional(client)) return client
  if (!client.pairs.some(({ clientSecret }) => isSame(clientSecret, secret ?? ''))) {
    throw new Refused('client_credentials_invalid')
  }
  return client
}

function authenticateByAssertion(
  exchange: Exchange,
  world: World,
  text: string,
  type: string | undefined,
): Client {
  if (type !== ASSERTION_TYPE) throw new Refused('client_credentials_invalid')
  const assertion = parseAssertion(text)
  const client = findClient(exchange, world, assertion.issuer)
  if (assertion.claims.sub !== assertion.issuer) throw new Refused('client_credentials_invalid')
  assertSignedBy(client, assertion, exchange, world, 'client')
  return client
}

/** Does not percent-decode key and secret. It is unknown whether Salesforce does, and they have no characters that need it. */
function basicCredentials(header: string | undefined): ConsumerPair | undefined {
  const encoded = /^Basic +([A-Za-z0-9+/=]+)$/i.exec(header ?? '')?.[1]
  if (encoded === undefined) return undefined
  const decoded = Buffer.from(encoded, 'base64').toString('utf8')
  const colon = decoded.indexOf(':')
  if (colon < 0) return undefined
  return { clientId: decoded.slice(0, colon), clientSecret: decoded.slice(colon + 1) }
}

function isSame(left: string, right: string): boolean {
  const [a, b] = [Buffer.from(left), Buffer.from(right)]
  return a.length === b.length && timingSafeEqual(a, b)
}

import { verify, X509Certificate } from 'node:crypto'
import { admit } from '../admission.ts'
import type { Client } from '../apps.ts'
import { authenticateClient } from '../client.ts'
import type { Exchange } from '../exchange.ts'
import type { User } from '../orgs.ts'
import { Refused } from '../refusals.ts'
import type { World } from '../world.ts'
import { type Grant, scopesWithout } from './grant.ts'

/** Token exchange (protocol, section 3.4), and asset tokens (3.5). The simulator's handler finds the user of a live token of the org, or the username in `sub` of a JWT. It verifies no signature, because a handler decides that. */
export const tokenExchange: Grant = {
  type: 'urn:ietf:params:oauth:grant-type:token-exchange',
  takesScope: true,
  grant(exchange, world) {
    const { form, role } = exchange
    if (role.kind !== 'my_domain' && role.kind !== 'site') throw new Refused('wrong_domain')
    const client = authenticateClient(exchange, world, {
      secretOptional: ({ configuration }) => !configuration.secretRequiredForExchange,
    })
    const { configuration } = client
    if (!configuration.tokenExchangeFlow) throw new Refused('grant_not_supported')
    const handler = form?.get('token_handler') ?? configuration.tokenHandlers[0]
    if (handler === undefined || !configuration.tokenHandlers.includes(handler)) {
      throw new Refused('token_handler_failed')
    }
    const user = userOf(form?.get('subject_token') ?? '', client, world)
    if (user === undefined) throw new Refused('token_handler_failed')
    const isAsset = form?.has('actor_token') === true
    if (isAsset) assertActor(exchange, client)
    admit({ client, user, grant: 'jwtBearer' }, exchange, world)
    const scopes = scopesWithout(configuration.scopes, ['refresh_token', 'offline_access'])
    return { client, user, scopes, signed: true, isAsset }
  },
}

const LONGEST_SUBJECT_TOKEN = 10_000

function userOf(token: string, { org }: Client, world: World): User | undefined {
  if (token.length > LONGEST_SUBJECT_TOKEN) return undefined
  const session = world.sessions.find(token)
  if (session) return session.orgId === org.id ? world.directory.user(session.userId) : undefined
  const { sub } = claimsOf(token)
  return typeof sub === 'string' ? world.directory.findUser(org.id, sub) : undefined
}

/** The device signs with the key of the app's certificate, and states its own name. */
function assertActor({ form }: Exchange, { configuration }: Client): void {
  const [header = '', payload = '', signature = ''] = (form?.get('actor_token') ?? '').split('.')
  const { certificatePem } = configuration
  const { did, Name, cnf } = claimsOf(form?.get('actor_token') ?? '')
  const isComplete = [did, Name].every((claim) => typeof claim === 'string') && cnf !== undefined
  const isSigned =
    certificatePem !== null &&
    verify(
      'sha256',
      Buffer.from(`${header}.${payload}`),
      new X509Certificate(certificatePem).publicKey,
      Buffer.from(signature, 'base64url'),
    )
  if (!isComplete || !isSigned) throw new Refused('assertion_invalid')
}

function claimsOf(token: string): Readonly<Record<string, unknown>> {
  try {
    const claims: unknown = JSON.parse(
      Buffer.from(token.split('.')[1] ?? '', 'base64url').toString('utf8'),
    )
    return typeof claims === 'object' && claims !== null ? { ...claims } : {}
  } catch (error) {
    if (error instanceof SyntaxError) return {}
    throw error
  }
}

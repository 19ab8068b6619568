/** The web server flow: an operator begins it, a person decides in a browser, and the replica that gets the callback completes it. */
import { createHash, timingSafeEqual } from 'node:crypto'
import type { Absent } from '../callers/permission-resolver.ts'
import { Secret } from '../crypto/secret.ts'
import type { StoredDpopKey } from '../dpop/dpop-key.ts'
import { isStoreTrouble } from '../errors/errors.ts'
import { classify } from '../grants/refusals/refusals.ts'
import type { TokenEndpoint } from '../grants/token-endpoint/token-endpoint.ts'
import { authorizationUrl, exchangeCode } from '../grants/web-server-flow.ts'
import type { Integration } from '../integrations/integration.ts'
import { within } from '../runtime/timeout.ts'
import { type Connection, type ConnectionEnding, statusOf, targetOf } from './connection.ts'
import type { ConnectionSecrets, StoredConnection } from './connection-store.ts'
import type { ConnectionStates } from './end.ts'
import { type Client, connectionFailed, endingAfter, type Finish } from './finish.ts'

export interface Beginning {
  readonly integration: Integration
  readonly clientId: string
  /** The key that the tokens are to be bound to. Absent: they are not. */
  readonly dpopKey?: StoredDpopKey | undefined
  /** The current family of refresh tokens. */
  readonly replaces: string | null
  /** Null: all scopes of the app. */
  readonly scopes: readonly string[] | null
  readonly by: Absent
  readonly requestId: string
  /** Called just before the connection is written. */
  readonly authorise: () => Promise<void>
}

/** Unchecked parameters of the callback. A repeated parameter is an array. */
export interface Callback {
  readonly state?: unknown
  readonly code?: unknown
  readonly error?: unknown
  readonly error_description?: unknown
}

export type CallbackResult =
  /** The callback is incomplete or its state is unknown. No connection was changed. */
  | { readonly type: 'invalid' }
  /** The state was used before, or has expired. */
  | { readonly type: 'over'; readonly connection: Connection }
  | { readonly type: 'ended'; readonly connection: Connection }

export interface WebServerFlow {
  begin(
    beginning: Beginning,
  ): Promise<{ readonly connection: Connection; readonly authorizationUrl: string }>
  /** Throws `store_unavailable` and similar problems. Then it may be tried again. */
  finish(callback: Callback, requestId: string): Promise<CallbackResult>
}

interface Prepared {
  readonly integration: Integration
  readonly client: Client
  readonly secrets: ConnectionSecrets
}

/** Lifetime of a state. */
const LIFETIME_MS = 10 * 60_000
/** Longest time of the exchange of a code, for which the person waits. */
const EXCHANGE_MS = 10_000
const CODE = /^[!-~]{1,4096}$/

export function createWebServerFlow(dependencies: {
  readonly connections: ConnectionStates
  readonly endpoint: Pick<TokenEndpoint, 'token'>
  readonly finish: Finish
  readonly clientOf: (integration: Integration) => Promise<Client>
  readonly redirectUri: string
  readonly randomBytes: (size: number) => Buffer
  readonly now: () => number
}): WebServerFlow {
  const { connections, endpoint, finish, clientOf, redirectUri, randomBytes, now } = dependencies
  const random = (size: number) => randomBytes(size).toString('base64url')

  const find = async (text: unknown): Promise<StoredConnection | undefined> => {
    const state = parseState(text)
    const stored = state && (await connections.read(state.id))
    const isProven = state && provesState(state.secret, stored?.connection.stateDigest ?? null)
    return isProven ? stored : undefined
  }

  /** The input of the exchange, or how the connection ends without one. Throws if the store is unavailable. Then the link stays valid. */
  const prepare = async (connection: Connection): Promise<Prepared | ConnectionEnding> => {
    const integration = await finish.check(connection)
    if (typeof integration === 'string') return connectionFailed(integration)
    try {
      const client = await clientOf(integration)
      return { integration, client, secrets: await connections.open(connection) }
    } catch (error) {
      if (isStoreTrouble(error)) throw error
      return endingAfter(error)
    }
  }

  const exchange = async (
    connection: Connection,
    { integration, client, secrets }: Prepared,
    code: string,
  ): Promise<ConnectionEnding> => {
    const { clientId, clientAuth } = client
    const { secret: codeVerifier, dpopKey } = secrets
    const answer = await finish.ask(integration, dpopKey, (onRefreshToken) =>
      within(EXCHANGE_MS, (signal) =>
        exchangeCode(
          {
            ...{ loginUrl: integration.loginUrl, redirectUri, codeVerifier, clientId, clientAuth },
            ...{ code: new Secret(code), dpopKey, signal, onRefreshToken },
          },
          endpoint,
        ),
      ),
    )
    return finish.settle(connection, { integration, client, answer, dpopKey })
  }

  const refused = ({ error, error_description: text }: Callback): ConnectionEnding => {
    const refusal = classify({
      error: String(error),
      ...(typeof text === 'string' && { errorDescription: text }),
      tried: { grant: 'authorization', proof: 'none' },
    })
    const state = refusal.reason === 'access_denied' ? 'denied' : 'failed'
    return { state, reason: 'grant_refused', refusal }
  }

  return {
    async begin({ integration, clientId, dpopKey, replaces, scopes, by, requestId, authorise }) {
      const state = { id: random(16), secret: random(32) }
      const codeVerifier = new Secret(random(64))
      const beganAt = now()
      await authorise()
      const connection = await connections.create(
        {
          ...newConnection(integration, { replaces, scopes, by, requestId }),
          ...{ id: state.id, flow: 'authorization_code', stateDigest: stateDigest(state.secret) },
          ...{ beganAt, expiresAt: beganAt + LIFETIME_MS },
        },
        { secret: codeVerifier, ...(dpopKey && { dpopKey }) },
      )
      const url = authorizationUrl({
        loginUrl: integration.loginUrl,
        state: stateText(state),
        ...{ clientId, redirectUri, codeVerifier, scopes, dpopJkt: dpopKey?.thumbprint },
      })
      return { connection, authorizationUrl: url }
    },

    async finish(callback, requestId) {
      const stored = await find(callback.state)
      if (!stored) return { type: 'invalid' }
      const { connection } = stored
      if (connection.state !== 'pending' || statusOf(connection, now()) !== 'pending') {
        return { type: 'over', connection }
      }
      const { error, code } = callback
      const isRefused = typeof error === 'string' && error !== ''
      if (!isRefused && !(typeof code === 'string' && CODE.test(code))) return { type: 'invalid' }
      const prepared = isRefused ? refused(callback) : await prepare(connection)
      const mine = await connections.claim(stored)
      if (!mine) return { type: 'over', connection }
      const ending =
        'state' in prepared
          ? prepared
          : await exchange(connection, prepared, String(code)).catch(endingAfter)
      return { type: 'ended', connection: await connections.end(mine, ending, requestId) }
    },
  }
}

/** The first step of both flows. */
export function newConnection(
  integration: Integration,
  begun: Pick<Connection, 'replaces' | 'scopes' | 'by' | 'requestId'>,
) {
  return {
    name: integration.name,
    uid: integration.uid,
    target: targetOf(integration),
    ...begun,
    state: 'pending',
    claimedAt: null,
    endedAt: null,
    stateDigest: null,
    reason: null,
    refusal: null,
    identity: null,
  } as const
}

/** 16 bytes that find the connection, and 32 that prove it, both in base64url. */
const STATE = /^([A-Za-z0-9_-]{22})\.([A-Za-z0-9_-]{43})$/

/** The `state` parameter. It names a connection, and proves that this service sent the browser. */
interface StateParameter {
  readonly id: string
  readonly secret: string
}

const stateText = ({ id, secret }: StateParameter): string => `${id}.${secret}`

/** Undefined: this service did not create it. */
function parseState(text: unknown): StateParameter | undefined {
  const [, id, secret] = (typeof text === 'string' && STATE.exec(text)) || []
  return id !== undefined && secret !== undefined ? { id, secret } : undefined
}

const stateDigest = (secret: string): string => digest(secret).toString('base64url')

/** Compares in constant time. Only the digest is stored, so that an attacker who reads the store cannot complete a connection. */
function provesState(secret: string, kept: string | null): boolean {
  const expected = Buffer.from(kept ?? '', 'base64url')
  const given = digest(secret)
  return expected.length === given.length && timingSafeEqual(expected, given)
}

const digest = (text: string) => createHash('sha256').update(text).digest()

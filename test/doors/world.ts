/** A broker with integrations and keys, and requests to its doors as clients send them. */
import type { Test } from 'tap'
import { startSimulator } from '../../simulator/simulator.ts'
import { type BrokerOptions, startBroker } from '../support/broker.ts'
import type { Parsed } from '../support/parsed.ts'

export const JWT_BEARER = 'urn:ietf:params:oauth:grant-type:jwt-bearer'
export const CLIENT_ASSERTION = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer'

export interface DoorRequest {
  readonly path?: string
  readonly method?: string
  readonly form?: Readonly<Record<string, string>> | string | Uint8Array
  /** The pair after `Basic`, encoded as RFC 6749 says. */
  readonly basic?: readonly [id: string, secret: string]
  readonly headers?: Readonly<Record<string, string>>
}

/** How much slower the clock runs during {@link slowClock}'s `slowly`. */
const SLOWNESS = 1_000

/** The broker's own clock. A loop is 20 logins in two seconds, for which a busy machine takes longer: time passes slowly meanwhile, and does not stand still. */
export function slowClock() {
  let from: number | undefined
  let lostMs = 0
  const lostAt = (at: number) =>
    lostMs + (from === undefined ? 0 : (at - from) * (1 - 1 / SLOWNESS))
  const monotonic = () => {
    const at = performance.now()
    return at - lostAt(at)
  }
  return {
    monotonic,
    async slowly<Result>(work: () => Promise<Result>): Promise<Result> {
      from = performance.now()
      try {
        return await work()
      } finally {
        lostMs = lostAt(performance.now())
        from = undefined
      }
    },
  }
}

export interface DoorAnswer {
  readonly status: number
  readonly headers: Headers
  readonly body: Parsed
}

export async function doorWorld(t: Test, options: Partial<BrokerOptions> = {}) {
  const simulator = await startSimulator()
  t.teardown(() => simulator.stop())
  const { myDomain } = simulator.origins
  const broker = await startBroker(t, {
    loginHosts: [myDomain, 'http://127.0.0.1:9'],
    ...options,
    env: { VALETKEY_TRUST_PROXY: '127.0.0.1/32', ...options.env },
  })
  const { url, call } = broker
  const app = simulator.addClientCredentialsApp()
  const integration = {
    login_url: myDomain,
    grant: { type: 'client_credentials', client_id: app.clientId },
    credential: { client_secret: app.clientSecret },
  }
  for (const name of ['billing', 'shipping']) {
    await call('PUT', `/integrations/${name}`, { body: integration })
  }
  const makeKey = async (name: string, change: object = {}) =>
    (
      await call('POST', '/api-keys', {
        body: { name, permissions: ['tokens:read'], integrations: ['*'], ...change },
      })
    ).body as { readonly id: string; readonly key: string }

  let addresses = 0
  /** Each request comes from an address of its own, so that failures hold up nobody. */
  const ask = async (request: DoorRequest): Promise<DoorAnswer> => {
    const { path = '/login/billing/services/oauth2/token', method = 'POST', form = {} } = request
    const { basic, headers = {} } = request
    addresses += 1
    const pair = basic?.map((part) => encodeURIComponent(part)).join(':')
    const isRaw = typeof form === 'string' || form instanceof Uint8Array
    const response = await fetch(`${url}${path}`, {
      method,
      headers: {
        'x-forwarded-for': `198.51.${Math.floor(addresses / 250)}.${(addresses % 250) + 1}`,
        'content-type': 'application/x-www-form-urlencoded',
        ...(pair !== undefined && { authorization: `Basic ${btoa(pair)}` }),
        ...headers,
      },
      ...(method === 'POST' && {
        body: isRaw
          ? (form as string)
          : new URLSearchParams(form as Record<string, string>).toString(),
      }),
    })
    const text = await response.text()
    const isJson = /json/.test(response.headers.get('content-type') ?? '')
    return {
      status: response.status,
      headers: response.headers,
      body: isJson && text !== '' ? JSON.parse(text) : text,
    }
  }
  return { simulator, broker, integration, makeKey, ask, ...broker }
}

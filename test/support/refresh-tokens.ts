/** Integrations with a rotating refresh token in a fleet, and what was presented of them. */
import { Redis } from 'ioredis'
import type { AppSeed, NewAppSeed, Simulator } from '../../simulator/handle.ts'
import type { Call } from './caller.ts'
import type { Fleet } from './fleet.ts'

/** So long after a use its answer may still come. */
export const SETTLE_MS = 60_000

const credentialOf = (simulator: Simulator, { clientId, clientSecret }: AppSeed) => ({
  refresh_token: simulator.approve({ clientId }).refreshToken,
  client_secret: clientSecret,
})

export async function integrateConnected(
  { simulator, call }: Pick<Fleet, 'simulator' | 'call'>,
  name: string,
  seed: NewAppSeed = {},
): Promise<AppSeed> {
  const app = simulator.addRefreshTokenApp({ name, refreshTokenRotation: true, ...seed })
  const put = await call('PUT', `/integrations/${name}`, {
    body: {
      login_url: app.loginUrl,
      grant: { type: 'refresh_token', client_id: app.clientId },
      credential: credentialOf(simulator, app),
      logins_per_hour: 3_600,
    },
  })
  if (put.status !== 201) throw new Error(`PUT ${name}: ${JSON.stringify(put.body)}`)
  return app
}

/** As an operator does: with a refresh token that the user has approved just now. */
export async function reconnect(
  simulator: Simulator,
  call: Call,
  name: string,
  app: AppSeed,
): Promise<boolean> {
  const patched = await call('PATCH', `/integrations/${name}`, {
    body: { credential: credentialOf(simulator, app) },
    headers: { 'if-match': '*' },
  })
  return patched.status === 200
}

/** Announces as the scripts of the store do, so that nobody waits any longer for a time that has gone by. */
const ANNOUNCE = `
local seq = redis.call('HINCRBY', KEYS[1], 'seq', 1)
redis.call('XADD', KEYS[2], '*', 'seq', seq, 'type', 'custody', 'name', ARGV[1])`

/** Moves what is stored of a refresh token into the past, as if time had gone by. */
export async function ageBy(url: string, name: string, ms: number): Promise<void> {
  const redis = new Redis(url)
  try {
    await redis.hincrby(`vk:{vk}:c:${name}`, 'at', -ms)
    await redis.zincrby('vk:{vk}:custodies', -ms, name)
    await redis.eval(ANNOUNCE, 2, 'vk:{vk}:meta', 'vk:{vk}:chg', name)
  } finally {
    redis.disconnect()
  }
}

export interface Presented {
  readonly count: number
  /** Presented again though nobody had asked Salesforce whether they live. */
  readonly unasked: readonly string[]
  /** Presented though they were used up, or revoked: the requests that Salesforce refused. */
  readonly replays: number
  /** Answers with a successor that Salesforce gave. */
  readonly answered: number
}

export function presentedTo({ log }: Pick<Simulator, 'log'>): Presented {
  const presented = new Set<string>()
  const asked = new Set<string>()
  const unasked: string[] = []
  let count = 0
  let replays = 0
  let answered = 0
  for (const { endpoint, form, outcome } of log) {
    if (endpoint === 'introspect' && form?.token) asked.add(form.token)
    const token = endpoint === 'token' ? form?.refresh_token : undefined
    if (token === undefined) continue
    count += 1
    if (presented.has(token) && !asked.has(token)) unasked.push(token)
    presented.add(token)
    asked.delete(token)
    if (outcome?.errorDescription === 'expired access/refresh token') replays += 1
    if (outcome?.handled && outcome.status === 200) answered += 1
  }
  return { count, unasked, replays, answered }
}

/** The token of this service at Vault: got by a login, kept valid in the background, replaced when it is over. */
import type { Secret } from '../../crypto/secret.ts'
import type { Outbound } from '../../http/outbound/outbound.ts'
import type { OutageLogger } from '../../runtime/outage-logger.ts'
import type { Runtime } from '../../runtime/runtime.ts'
import { createTask } from '../../runtime/tasks.ts'
import { within } from '../../runtime/timeout.ts'
import { isObject, type VaultClient } from './vault-client.ts'
import { tokenIn, type VaultLogin, type VaultToken } from './vault-login.ts'

interface VaultSessionDependencies {
  readonly login: VaultLogin
  readonly client: VaultClient
  readonly outbound: Pick<Outbound, 'send'>
  /** Whether another program may replace the token, so that it is read for each use. */
  readonly isFromFile: boolean
  readonly runtime: Pick<Runtime, 'monotonic' | 'sleep'>
  readonly outage: OutageLogger
}

interface Held extends VaultToken {
  /** Time of the monotonic clock. Infinite: it does not end. */
  readonly endsAt: number
}

/** Longest time of one renewal. */
const RENEWAL_MS = 5_000
/** A token is renewed when less than this share of its life is left. */
const RENEWED_BELOW = 0.5
/** A renewed token that lives shorter than this share of the former life is near its longest life. */
const WORTH_KEEPING = 0.5
/** Pause after a failed renewal. */
const RETRY_MS = 2_000
/** A token from a file is looked at, at least, at this interval. */
const LOOK_MS = 600_000
const LEAST_MS = 500

export type VaultSession = ReturnType<typeof createVaultSession>

export function createVaultSession(dependencies: VaultSessionDependencies) {
  const { login, client, outbound, isFromFile, runtime, outage } = dependencies
  const { monotonic } = runtime
  let held: Held | undefined
  let loggingIn: Promise<Held> | undefined

  const keep = (token: VaultToken): Held => {
    const endsAt = token.lifeMs === 0 ? Number.POSITIVE_INFINITY : monotonic() + token.lifeMs
    held = { ...token, endsAt }
    return held
  }

  /** One login for all that wait. It is not aborted, because it serves the next one too. */
  const logIn = (): Promise<Held> => {
    loggingIn ??= within(RENEWAL_MS, login.token)
      .then((token) => {
        task.wake()
        return keep(token)
      })
      .finally(() => {
        loggingIn = undefined
      })
    return loggingIn
  }

  const ask = (path: string, token: Secret, body?: object) =>
    within(RENEWAL_MS, (signal) =>
      client.ask(outbound, {
        ...{ method: body ? ('POST' as const) : ('GET' as const), path, token, signal },
        ...(body && { body }),
      }),
    )

  /** Undefined: the token cannot be renewed any more. */
  const renewed = async (token: Secret): Promise<VaultToken | undefined> => {
    const { status, body } = await ask('auth/token/renew-self', token, {})
    return status === 200 ? tokenIn(body.auth) : undefined
  }

  /** Renews the token of a file while its life allows. Who wrote the file may also replace it. */
  const tendFile = async (): Promise<number> => {
    const { token } = keep(await login.token(new AbortController().signal))
    const { status, body } = await ask('auth/token/lookup-self', token)
    const data = isObject(body.data) ? body.data : {}
    const lifeMs = typeof data.ttl === 'number' ? data.ttl * 1000 : 0
    if (status !== 200 || lifeMs === 0) return LOOK_MS
    const wholeMs = typeof data.creation_ttl === 'number' ? data.creation_ttl * 1000 : lifeMs
    const isDue = lifeMs < wholeMs * RENEWED_BELOW
    const next = isDue && data.renewable === true ? await renewed(token) : undefined
    const leftMs = next?.lifeMs ?? lifeMs
    return Math.max(LEAST_MS, Math.min(LOOK_MS, leftMs - wholeMs * RENEWED_BELOW, leftMs / 2))
  }

  const tendLogin = async (): Promise<number> => {
    // The first mint need not wait for a login.
    if (!held) await logIn()
    if (!held || !Number.isFinite(held.endsAt)) return Number.POSITIVE_INFINITY
    const { lifeMs, endsAt, token, isRenewable } = held
    const dueInMs = endsAt - lifeMs * RENEWED_BELOW - monotonic()
    if (dueInMs > 0) return dueInMs
    const next = isRenewable ? await renewed(token) : undefined
    if (next && next.lifeMs >= lifeMs * WORTH_KEEPING) keep(next)
    else await logIn()
    return LEAST_MS
  }

  const task = createTask({
    ...{ runtime, retryMs: RETRY_MS, outage },
    work: isFromFile ? tendFile : tendLogin,
  })

  return {
    /** Logs in where there is no valid token. Throws `signer_unavailable`, `signing_refused`. */
    async token(signal: AbortSignal): Promise<Secret> {
      if (isFromFile) return (await login.token(signal)).token
      const current = held && held.endsAt > monotonic() ? held : await logIn()
      return current.token
    },
    /** Whether Vault knows the token no more, so that another one may help. Forgets it then. */
    async isOver(token: Secret): Promise<boolean> {
      const { status } = await ask('auth/token/lookup-self', token)
      if (status !== 403) return false
      if (held?.token === token) held = undefined
      return true
    },
    start: task.start,
    stop: task.stop,
  }
}

/** The token of this service at Vault: got by a login, kept valid in the background, replaced when it is over. */
import type { Secret } from '../../crypto/secret.ts'
import type { Outbound } from '../../http/outbound/outbound.ts'
import type { OutageLogger } from '../../runtime/outage-logger.ts'
import type { Log, Runtime } from '../../runtime/runtime.ts'
import { createTask } from '../../runtime/tasks.ts'
import { within } from '../../runtime/timeout.ts'
import type { VaultSettings } from '../signer-settings.ts'
import { signerAway, signingRefused } from '../signing-problem.ts'
import { isObject, type VaultClient } from './vault-client.ts'
import { tokenIn, type VaultLogin, type VaultToken } from './vault-login.ts'

interface VaultSessionDependencies {
  /** The token of a file is read for each use, because another program may replace it. */
  readonly settings: Pick<VaultSettings, 'name' | 'auth'>
  readonly login: VaultLogin
  readonly client: VaultClient
  readonly outbound: Pick<Outbound, 'send'>
  readonly runtime: Pick<Runtime, 'monotonic' | 'sleep'>
  readonly outage: OutageLogger
  readonly log: Pick<Log, 'warn'>
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
const RETRY_MS = 5_000
/** A token from a file is looked at, at least, at this interval. */
const LOOK_MS = 600_000
/** Shortest pause, so that a token that lives for seconds does not keep Vault busy. */
const LEAST_MS = 5_000
/** Longest time for the revocation at the end. */
const REVOCATION_MS = 1_000

export type VaultSession = ReturnType<typeof createVaultSession>

export function createVaultSession(dependencies: VaultSessionDependencies) {
  const { settings, login, client, outbound, runtime, outage, log } = dependencies
  const { name, auth } = settings
  const isFromFile = auth.type === 'token_file'
  const { monotonic } = runtime
  let held: Held | undefined
  let loggingIn: Promise<Held> | undefined

  const late = () => {
    throw signerAway(name, `did not answer within ${RENEWAL_MS / 1000} seconds`)
  }

  const keep = (token: VaultToken): Held => {
    const endsAt = token.lifeMs === 0 ? Number.POSITIVE_INFINITY : monotonic() + token.lifeMs
    held = { ...token, endsAt }
    return held
  }

  /** One login for all that wait. It is not aborted, because it serves the next one too. */
  const logIn = (): Promise<Held> => {
    loggingIn ??= within(RENEWAL_MS, login.token, { late })
      .then((token) => {
        task.wake()
        return keep(token)
      })
      .finally(() => {
        loggingIn = undefined
      })
    return loggingIn
  }

  /** Each of these may be done twice. */
  const ask = (path: string, token: Secret, body?: object, ms = RENEWAL_MS) =>
    within(
      ms,
      (signal) =>
        client.ask(outbound, {
          ...{ method: body ? ('POST' as const) : ('GET' as const), path, token, signal },
          ...(body && { body, repeatable: true }),
        }),
      { late },
    )

  const renew = async (token: Secret) => {
    const { status, body } = await ask('auth/token/renew-self', token, {})
    return { status, token: status === 200 ? tokenIn(body.auth) : undefined }
  }

  /** Throws `signing_refused` if Vault does not say how long the token of a file lives. */
  const lookedUp = async (token: Secret): Promise<Readonly<Record<string, unknown>>> => {
    const { status, body } = await ask('auth/token/lookup-self', token)
    if (status === 200) return isObject(body.data) ? body.data : {}
    throw signingRefused(name, `does not accept the token in the file, or hides it (${status})`, {
      remedy:
        'Put a valid token into the token_file of this signer. If it is valid, allow read on auth/token/lookup-self, as the policy default does.',
    })
  }

  /** Renews the token of a file while its life allows. Who wrote the file may also replace it. */
  const tendFile = async (): Promise<number> => {
    const { token } = await login.token(new AbortController().signal)
    const data = await lookedUp(token)
    const lifeMs = typeof data.ttl === 'number' ? data.ttl * 1000 : 0
    if (lifeMs === 0) return LOOK_MS
    const wholeMs = typeof data.creation_ttl === 'number' ? data.creation_ttl * 1000 : lifeMs
    const isDue = lifeMs < wholeMs * RENEWED_BELOW
    const next = isDue && data.renewable === true ? await renew(token) : undefined
    if (next && !next.token) throw unrenewed(name, next.status)
    const leftMs = next?.token?.lifeMs ?? lifeMs
    const earlyMs = leftMs - wholeMs * RENEWED_BELOW
    return Math.min(LOOK_MS, Math.max(LEAST_MS, earlyMs > 0 ? earlyMs : leftMs / 2))
  }

  const tendLogin = async (): Promise<number> => {
    // The first mint need not wait for a login.
    if (!held) await logIn()
    if (!held || !Number.isFinite(held.endsAt)) return Number.POSITIVE_INFINITY
    const { lifeMs, endsAt, token, isRenewable } = held
    const dueInMs = endsAt - lifeMs * RENEWED_BELOW - monotonic()
    if (dueInMs > 0) return Math.max(LEAST_MS, dueInMs)
    const next = isRenewable ? (await renew(token)).token : undefined
    if (next && next.lifeMs >= lifeMs * WORTH_KEEPING) keep(next)
    else await logIn()
    return LEAST_MS
  }

  /** A token of a login is of no use to anybody after the end of this process. */
  const revoke = async (): Promise<void> => {
    if (!held) return
    const { token } = held
    held = undefined
    try {
      await ask('auth/token/revoke-self', token, {}, REVOCATION_MS)
    } catch (err) {
      log.warn({ signer: name, err }, 'the token of this service was not revoked: it ends later')
    }
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
    /** Ends the background work, then the token of a login. Not that of a file. */
    async stop(): Promise<void> {
      await task.stop()
      await revoke()
    },
  }
}

const unrenewed = (name: string, status: number) =>
  signingRefused(name, `does not renew the token in the file (${status}), which ends soon`, {
    remedy:
      'Allow update on auth/token/renew-self, as the policy default does, or put a new token into the token_file of this signer.',
  })

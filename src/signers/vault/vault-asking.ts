/** A request to Vault with the token of this service, and the two reasons why Vault denies it. */
import type { Secret } from '../../crypto/secret.ts'
import type { Outbound } from '../../http/outbound/outbound.ts'
import type { VaultAuth } from '../signer-settings.ts'
import { signingRefused } from '../signing-problem.ts'
import type { VaultAnswer, VaultClient, VaultRequest } from './vault-client.ts'
import type { VaultSession } from './vault-session.ts'

interface VaultAskingDependencies {
  /** Of the signer. */
  readonly name: string
  readonly auth: VaultAuth
  readonly client: VaultClient
  readonly outbound: Pick<Outbound, 'send'>
  readonly session: Pick<VaultSession, 'token' | 'isOver'>
  /** Default: `key`. */
  readonly what?: 'key' | 'secret'
  /** What the policy of this service needs for one of them. */
  readonly cureOf: (key: string) => string
}

/** Without it, nobody can tell a token that ended from a policy that denies. */
const LOOKUP = 'allow read on auth/token/lookup-self, as the policy default does'

/** Throws `signer_unavailable`, `signing_refused`. Other refusals than 403 are answers. */
type VaultAsking = (
  key: string,
  request: Omit<VaultRequest, 'token' | 'signal'>,
  signal: AbortSignal,
) => Promise<VaultAnswer>

export function createVaultAsking(dependencies: VaultAskingDependencies): VaultAsking {
  const { name, auth, client, outbound, session, cureOf } = dependencies
  const { what = 'key' } = dependencies

  const denied = (key: string, isTokenOver: boolean) =>
    isTokenOver
      ? signingRefused(name, 'does not know the token of this service: it expired or was revoked', {
          remedy:
            auth.type === 'token_file'
              ? `Put a valid token into ${auth.tokenFile}; it is read at each use. If the token is valid, ${LOOKUP}.`
              : `Check the role of this service at Vault: its tokens end before they can be used, or its policies do not ${LOOKUP}.`,
        })
      : signingRefused(name, `denies this service the ${what} ${key} (403)`, {
          remedy: cureOf(key),
        })

  /** Another token may help once, if Vault does not know this one. */
  return async (key, request, signal) => {
    const attempt = async (token: Secret) => client.ask(outbound, { ...request, token, signal })
    const token = await session.token(signal)
    const first = await attempt(token)
    if (first.status !== 403) return first
    const isOver = await session.isOver(token)
    const other = isOver ? await session.token(signal) : token
    if (other.reveal() === token.reveal()) throw denied(key, isOver)
    const second = await attempt(other)
    if (second.status === 403) throw denied(key, await session.isOver(other))
    return second
  }
}

/** The login of this service at Vault: with what it authenticates, and the token that it gets. */
import { Secret } from '../../crypto/secret.ts'
import type { Outbound } from '../../http/outbound/outbound.ts'
import type { VaultAuth } from '../signer-settings.ts'
import { signerAway, signingRefused } from '../signing-problem.ts'
import { isObject, type VaultClient } from './vault-client.ts'

export interface VaultToken {
  readonly token: Secret
  /** From now on, in milliseconds. 0: for ever, or unknown. */
  readonly lifeMs: number
  readonly isRenewable: boolean
}

/** A certificate and a key, in PEM. */
export interface ClientPair {
  readonly cert: string
  readonly key: string
}

interface VaultLoginDependencies {
  readonly name: string
  readonly auth: VaultAuth
  readonly client: VaultClient
  readonly outbound: Pick<Outbound, 'send'>
  /** A client with its own certificate. */
  readonly outboundWith: (pair: ClientPair) => Outbound
  readonly readFile: (path: string) => Promise<string>
}

export function createVaultLogin(dependencies: VaultLoginDependencies) {
  const { name, auth, client, outbound, outboundWith, readFile } = dependencies

  const contentOf = async (path: string): Promise<string> => {
    try {
      return (await readFile(path)).trim()
    } catch (error) {
      const { code = 'unknown' } = error as NodeJS.ErrnoException
      throw signerAway(name, `needs a file that cannot be read (${code})`, {
        remedy: `Let this service read ${path}, which the file of VALETKEY_SIGNERS names.`,
        cause: error,
      })
    }
  }

  const logIn = async (
    by: Pick<Outbound, 'send'>,
    mount: string,
    body: object,
    signal: AbortSignal,
  ): Promise<VaultToken> => {
    const path = `auth/${mount}/login`
    const answer = await client.ask(by, { method: 'POST', path, body, signal })
    const token = answer.status === 200 ? tokenIn(answer.body.auth) : undefined
    if (token) return token
    throw signingRefused(name, `refuses the login of this service (${answer.status})`, {
      remedy: `Check the role and the mount of this signer, and ${PROOFS[auth.type]}.`,
    })
  }

  return {
    /** Throws `signer_unavailable`, `signing_refused`. */
    async token(signal: AbortSignal): Promise<VaultToken> {
      switch (auth.type) {
        case 'token_file':
          return {
            token: new Secret(await contentOf(auth.tokenFile)),
            lifeMs: 0,
            isRenewable: false,
          }
        case 'app_role': {
          const secretId = await contentOf(auth.secretIdFile)
          const body = { role_id: auth.roleId, secret_id: secretId }
          return logIn(outbound, auth.mount, body, signal)
        }
        case 'jwt':
        case 'kubernetes': {
          const jwt = await contentOf(auth.tokenFile)
          return logIn(outbound, auth.mount, { role: auth.role, jwt }, signal)
        }
        case 'certificate': {
          const cert = await contentOf(auth.certificateFile)
          const pair = { cert, key: await contentOf(auth.keyFile) }
          const own = outboundWith(pair)
          try {
            const body = auth.role === undefined ? {} : { name: auth.role }
            return await logIn(own, auth.mount, body, signal)
          } finally {
            await own.close()
          }
        }
      }
    },
  }
}

export type VaultLogin = ReturnType<typeof createVaultLogin>

const PROOFS: Readonly<Record<VaultAuth['type'], string>> = {
  token_file: 'the token in the file',
  app_role: 'that the secret id is of this role and has not expired',
  jwt: 'that the role accepts the audience and the subject of the JWT in the file',
  kubernetes: 'that the role is bound to the service account and the namespace of this pod',
  certificate: 'that the certificate is of the CA of the role and has not expired',
}

/** The `auth` member of an answer. */
export function tokenIn(auth: unknown): VaultToken | undefined {
  if (!isObject(auth) || typeof auth.client_token !== 'string') return undefined
  const { client_token: token, lease_duration: seconds, renewable } = auth
  return {
    token: new Secret(token),
    lifeMs: typeof seconds === 'number' ? seconds * 1000 : 0,
    isRenewable: renewable === true,
  }
}

/** Reads who asks, where no token is handed out. Pure. */
import type { CallerProof } from '../tokens/oauth/client-identity.ts'
import type { TokenForm } from '../tokens/oauth/oauth-request.ts'
import { readLogin } from './login-request.ts'

const BEARER = /^Bearer +([\x21-\x7e]+)$/i

/** The credential after `Bearer`. Undefined: there is none. */
export const bearerIn = (authorization: string | undefined): string | undefined =>
  BEARER.exec(authorization ?? '')?.[1]

interface DoorClient {
  /** Undefined: the request has no readable credential. */
  readonly proof: CallerProof | undefined
  /** Names of integrations beside the URL. */
  readonly named: readonly string[]
}

/** A client id and secret or a client assertion as at the token endpoint, or the same credential after `Bearer`. Throws `request_invalid`. */
export function readDoorClient(form: TokenForm, authorization: string | undefined): DoorClient {
  const bearer = bearerIn(authorization)
  if (bearer === undefined) return readLogin('client_credentials', form, authorization)
  return { proof: { kind: 'bearer', bearer }, named: [] }
}

/** Whether the request has anything that may be a credential of a caller. */
export const hasCredential = (form: TokenForm, authorization: string | undefined): boolean =>
  authorization !== undefined ||
  form.client_secret !== undefined ||
  form.client_assertion !== undefined

/** Derives the grant and the client proof from a request to Salesforce. */

/**
 * In addition to the grants of integrations: `authorization_code` and `device` connect an
 * integration, `authorization` is the authorization request of a browser, and `other` is about an
 * existing token.
 */
export const TRIED_GRANTS = [
  'jwt_bearer',
  'client_credentials',
  'refresh_token',
  'token_exchange',
  'data_cloud',
  'authorization_code',
  'device',
  'authorization',
  'other',
] as const

export type TriedGrant = (typeof TRIED_GRANTS)[number]

/** What was signed or sent to authenticate the client. */
export type ClientProof = 'certificate' | 'client_secret' | 'none'

export interface Tried {
  readonly grant: TriedGrant
  /** Absent: unknown. */
  readonly proof?: ClientProof
}

/** A filter of requests. Absent members match any request. */
export interface Requests {
  readonly grants?: readonly TriedGrant[]
  readonly proofs?: readonly ClientProof[]
}

export const isAbout = ({ grants, proofs }: Requests, { grant, proof }: Tried): boolean =>
  (grants?.includes(grant) ?? true) &&
  (proofs === undefined || (proof !== undefined && proofs.includes(proof)))

const BY_TYPE: Readonly<Record<string, TriedGrant>> = {
  'urn:ietf:params:oauth:grant-type:jwt-bearer': 'jwt_bearer',
  'urn:ietf:params:oauth:grant-type:token-exchange': 'token_exchange',
  'urn:salesforce:grant-type:external:cdp': 'data_cloud',
  client_credentials: 'client_credentials',
  refresh_token: 'refresh_token',
  authorization_code: 'authorization_code',
  device: 'device',
}

const SIGNED = ['assertion', 'client_assertion', 'actor_token']

/** `authorization` is the header, if present. Undefined: the grant is unknown. */
export function triedIn(
  form: URLSearchParams,
  authorization: string | undefined,
): Tried | undefined {
  const grant = grantIn(form)
  return grant && { grant, proof: proofIn(form, authorization) }
}

function grantIn(form: URLSearchParams): TriedGrant | undefined {
  const type = form.get('grant_type')
  if (type === null) return form.get('response_type') === 'device_code' ? 'device' : 'other'
  return Object.hasOwn(BY_TYPE, type) ? BY_TYPE[type] : undefined
}

function proofIn(form: URLSearchParams, authorization: string | undefined): ClientProof {
  if (SIGNED.some((member) => form.has(member))) return 'certificate'
  return form.has('client_secret') || authorization !== undefined ? 'client_secret' : 'none'
}

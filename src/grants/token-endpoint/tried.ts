/** What a request to Salesforce tried, as far as the request itself tells: which grant, and by which proof of the client. Pure. */

/**
 * Beside the grants of integrations: `authorization_code` and `device` are how a person connects one,
 * `authorization` is what a browser asks for before, `other` is about a token that is there already.
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

/** What was signed or sent to prove the client; `none`: nothing. */
export type ClientProof = 'certificate' | 'client_secret' | 'none'

export interface Tried {
  readonly grant: TriedGrant
  /** Absent: it is not known. */
  readonly proof?: ClientProof
}

/** Which requests something is about. What is left out is any. */
export interface Requests {
  readonly grants?: readonly TriedGrant[]
  readonly proofs?: readonly ClientProof[]
}

/** Whether it is about such a request. */
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

/** `authorization`: the header, where there is one. Undefined: a grant that is not known here. */
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

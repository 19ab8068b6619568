/** Members by which one integration refers to another: what whoever writes one must be allowed to do to the integration that it names. */
import { BrokerError } from '../errors/errors.ts'
import { type AccessTarget, allows, type Permission, type Principal } from './policy.ts'

export interface ReferenceRow {
  /** Where it stands in the body of `PUT` and `PATCH /integrations/{name}`: of one grant, or of another. */
  readonly members: readonly string[]
  /** Needed on the integration that the member names, when it is written. */
  readonly permission: Permission
  /** What makes a write one that needs it: a new integration, or a change of one of these members. */
  readonly changes: readonly string[]
  /** Detail of the 403, the same whether there is such an integration or not. */
  readonly refusal: string
}

/** The closed set. To add a reference, add a row: the table of access has it then. */
export const REFERENCES = {
  credential: {
    members: ['credential.from'],
    permission: 'credentials:write',
    changes: ['credential.from', 'login_url', 'grant'],
    refusal: 'The credential of that integration is not yours to lend: it takes credentials:write',
  },
  source: {
    members: ['grant.subject_token.integration', 'grant.integration'],
    permission: 'tokens:read',
    changes: ['grant.subject_token.integration', 'grant.integration', 'login_url'],
    refusal: 'The token of that integration is not yours to use: it takes tokens:read',
  },
  deployment: {
    members: ['deployment.through', 'certificate_deployment.through'],
    permission: 'credentials:write',
    changes: ['deployment'],
    refusal:
      'That integration is not yours to deploy through: whoever does may replace the certificate or the secret of any app of its org, and it takes credentials:write',
  },
} as const satisfies Record<string, ReferenceRow>

export type Reference = keyof typeof REFERENCES

/** Needed on an integration to be shown its name in the answer about another one. */
export const NAMED_IN_ANSWERS: Permission = 'integrations:read'

/** Throws `caller_forbidden`. `target` without labels: there is no such integration. */
export function requireReference(
  principal: Principal,
  reference: Reference,
  target: AccessTarget,
): void {
  const { permission, refusal } = REFERENCES[reference]
  if (!allows(principal, permission, target)) throw new BrokerError('caller_forbidden', refusal)
}

/** Members by which one integration refers to another, and the permission that a writer needs on the named integration. */
import { BrokerError } from '../errors/errors.ts'
import { type AccessTarget, allows, type Permission, type Principal } from './policy.ts'

export interface ReferenceRow {
  /** Where the member is in the body of `PUT` and `PATCH /integrations/{name}`. Each grant has its own place. */
  readonly members: readonly string[]
  /** The permission on the named integration that the write needs. */
  readonly permission: Permission
  /** A write needs the permission if the integration is new or one of these members changes. */
  readonly changes: readonly string[]
  /** Detail of the 403. It is the same whether the integration exists or not. */
  readonly refusal: string
}

/** The closed set. A new row also appears in the access table. */
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

/** Permission on an integration that is needed to see its name in answers about others. */
export const NAMED_IN_ANSWERS: Permission = 'integrations:read'

/** Throws `caller_forbidden`. `target` without labels: the integration does not exist. */
export function requireReference(
  principal: Principal,
  reference: Reference,
  target: AccessTarget,
): void {
  const { permission, refusal } = REFERENCES[reference]
  if (!allows(principal, permission, target)) throw new BrokerError('caller_forbidden', refusal)
}

/** Tells the audit of revocations that clients asked for. Nothing is revoked, because every other holder has the same token. */
import type { AuditLog } from '../audit/log.ts'
import { isStoreTrouble } from '../errors/errors.ts'
import type { GivenTokens } from '../tokens/look/given-tokens.ts'
import { type DoorRequest, integrationInUrl } from './door-scope.ts'
import type { ShownTokens } from './shown-tokens.ts'

interface IgnoredRevocationsDependencies {
  readonly audit: Pick<AuditLog, 'denied'>
  readonly shown: ShownTokens
  readonly givenTo: GivenTokens['givenTo']
}

/** Never rejects. `operation`: its `operationId`. A client without a credential of its own is named if the token was handed to one principal at its address. */
export type IgnoreRevocation = (
  request: DoorRequest,
  operation: string,
  token: string | undefined,
) => Promise<void>

export function createIgnoredRevocations(
  dependencies: IgnoredRevocationsDependencies,
): IgnoreRevocation {
  const { audit, shown, givenTo } = dependencies

  const leaseOf = async (request: DoorRequest, token: string | undefined) => {
    if (token === undefined) return undefined
    try {
      return await shown.leaseOf(request, token)
    } catch (error) {
      if (isStoreTrouble(error)) return undefined
      request.log.warn({ err: error }, 'a token to revoke could not be looked up')
      return undefined
    }
  }

  return async (request, operation, token) => {
    // Set by the door only where the client has a credential.
    const { principal } = request as { readonly principal?: DoorRequest['principal'] }
    const lease = await leaseOf(request, token)
    if (principal === undefined && token !== undefined && !lease) await shown.countStranger(request)
    const named = principal && integrationInUrl(request)
    const integration = lease?.integration ?? named
    const client = principal?.id ?? (lease && givenTo(lease, request.ip))
    audit.denied({
      ...{ requestId: request.id, principal: principal?.id ?? null },
      ...{ code: 'revoke_ignored', address: request.ip, operation },
      ...(integration !== undefined && { integration }),
      ...(lease && { tokenId: lease.tokenId }),
      ...(client !== undefined && { client }),
    })
  }
}

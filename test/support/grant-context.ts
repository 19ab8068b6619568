import type { GrantContext } from '../../src/grants/grant.ts'
import type { TokenEndpoint } from '../../src/grants/token-endpoint/token-endpoint.ts'
import { NO_SIGNERS } from './no-signers.ts'

const unexpected = async () => {
  throw new Error('The test expects no such request')
}

/** What a grant is given, with the requests that a test expects. */
export const grantContextOf = (
  endpoint: Partial<TokenEndpoint>,
  changes: Partial<Omit<GrantContext, 'endpoint'>> = {},
): GrantContext => ({
  endpoint: {
    ...{ token: unexpected, deviceCode: unexpected, introspect: unexpected, revoke: unexpected },
    ...{ probe: unexpected, userPermissions: unexpected, aheadMs: () => 0 },
    ...endpoint,
  },
  subjectTokens: { of: unexpected, in: unexpected },
  signers: NO_SIGNERS,
  ...{ now: Date.now, uniqueId: () => 'id' },
  ...changes,
})

/** Probes with the token that is there, for a grant that presents a refresh token: no request of these presents it. */
import type { Integration } from '../../integrations/integration.ts'
import type { Lease } from '../../tokens/serve/lease.ts'
import type { ProbeClient } from './probe-client.ts'
import { es256Key } from './probe-keys.ts'
import { finding, notRun, type ProbeName } from './probes.ts'
import { type BoundToken, probeResources, type RunProbe } from './resource-probes.ts'
import type { TokenAsker } from './token-asker.ts'
import { probeIntrospection } from './token-probes.ts'

const OF_TOKENS: readonly ProbeName[] = [
  ...(['token_nonce', 'other_key', 'without_proof', 'same_key', 'rs256', 'eddsa'] as const),
  'nonce_age',
]
const USES_UP = 'it would use up the refresh token'
const NO_TOKEN = 'no token is there: get one, and probe again'
const NO_PROOF = 'the token that is there was asked for without a proof'
const NO_KEY = 'the token that is there is bound to no key'

/** Calls with the token, and asks for none. `lease` undefined: there is no token. */
export async function probeHeldToken(
  lease: Lease | undefined,
  { loginUrl, grant }: Pick<Integration, 'loginUrl' | 'grant'>,
  asker: Pick<TokenAsker, 'introspect'>,
  client: ProbeClient,
  run: RunProbe,
): Promise<void> {
  const key = lease?.dpop?.key
  const bound: BoundToken | undefined = lease &&
    key && {
      ...{ key: es256Key(key), loginUrl },
      accessToken: lease.accessToken,
      instanceUrl: lease.instanceUrl,
    }
  const why = !lease ? NO_TOKEN : lease.dpop ? NO_KEY : NO_PROOF
  for (const name of OF_TOKENS) await run(name, async () => notRun(USES_UP))
  await run('binds', async () =>
    lease?.dpop ? finding(key ? 'yes' : 'no', 'the token that is there') : notRun(why),
  )
  await probeResources(bound, client, run, why)
  await run('introspection', async () =>
    bound ? probeIntrospection(asker, grant.type, bound.accessToken, bound.key) : notRun(why),
  )
  await run('revoke_without_proof', async () => notRun('it would end the token that is in use'))
}

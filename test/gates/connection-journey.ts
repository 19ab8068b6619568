/** Connections with everything that can go wrong, while all that is said is written down. */
import type { Fault } from '../../simulator/faults.ts'
import { canary } from '../support/canaries.ts'
import { eventually } from '../support/eventually.ts'
import { decide, enterCode } from '../support/salesforce-user.ts'
import type { createWitness, Scene } from './secret-journeys.ts'

/** Where browsers would be sent; the test brings what they bring to the broker itself. */
export const PUBLIC_URL = 'https://valetkey.example'

const FAULTS: readonly (Fault | undefined)[] = [
  undefined,
  { kind: 'html' },
  { kind: 'invalid_json' },
  { kind: 'foreign_instance_url' },
  { kind: 'members', set: { signature: 'AAAA' } },
  { kind: 'members', remove: ['refresh_token'] },
  { kind: 'refusal', refusal: 'code_verifier_invalid' },
]

const SOUGHT = 4

export async function runConnections(
  call: ReturnType<typeof createWitness>,
  { simulator, canaries }: Scene,
): Promise<void> {
  simulator.configure({ deviceIntervalMs: 1_000 })
  const app = simulator.addRefreshTokenApp({
    callbackUrls: [`${PUBLIC_URL}/oauth/callback`],
    deviceFlow: true,
    refreshTokenRotation: true,
  })
  canaries.push(canary('client secret', app.clientSecret))
  const body = {
    login_url: app.loginUrl,
    grant: { type: 'refresh_token', client_id: app.clientId },
    credential: { client_secret: app.clientSecret },
  }
  await call('PUT', '/integrations/connected', { body })
  const begin = (flow: string) =>
    call('POST', '/integrations/connected/connections', { body: { flow } })
  for (const fault of FAULTS) {
    for (const isCodeSpoilt of fault === undefined ? [true, false] : [false]) {
      const begun = (await begin('authorization_code')).body
      const { search, searchParams } = await decide(begun.authorization_url)
      canaries.push(canary('state', searchParams.get('state')?.split('.')[1] ?? ''))
      const brought = isCodeSpoilt ? search.replace('code=', 'code=x') : search
      const ordered = fault && simulator.addFault({ ...fault, afterCommit: true })
      for (const query of [`${brought}x`, brought, brought]) {
        await call('GET', `/oauth/callback${query}`, { authorization: null })
      }
      ordered?.remove()
      await call('GET', `/integrations/connected/connections/${begun.id}`)
      await call('GET', '/tokens/connected')
    }
  }
  const device = (await begin('device')).body
  await enterCode(device.verification_uri, device.user_code)
  const path = `/integrations/connected/connections/${device.id}`
  await eventually(async () => (await call('GET', path)).body.status === 'connected')
  const served = await call('GET', '/tokens/connected')
  if (served.status !== 200) throw new Error(`not connected: ${JSON.stringify(served.body)}`)
  // Each is looked for in each form in all that was said, so some of each kind will do.
  for (const member of ['code', 'code_verifier', 'refresh_token'] as const) {
    const sent = new Set(simulator.tokenRequests().flatMap(({ form }) => form?.[member] ?? []))
    for (const secret of [...sent].slice(-SOUGHT)) canaries.push(canary(member, secret))
  }
  await call('DELETE', '/integrations/connected/connection')
}

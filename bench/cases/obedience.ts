/** What is acknowledged on one replica holds on all of them a second later. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Fleet } from '../../test/support/fleet.ts'
import { createAsker, type Seen, startLoad } from '../../test/support/load.ts'
import { newSigningKey } from '../../test/support/signing-key.ts'

/** What befalls the last replica while changes are made on the first. */
export type Trouble = 'none' | 'paused' | 'deaf'

export interface Obedience {
  /** Answers to requests that began more than a second after the acknowledgement. */
  readonly checked: number
  /** Those among them that do not know of the change. */
  readonly violations: readonly Seen[]
  /** The same, by a replica that could not reach the store, and said so. */
  readonly degraded: readonly Seen[]
}

const GRACE_MS = 1_000
const PAUSE_MS = 5_000
const WATCH_MS = 3_500

interface Change {
  readonly name: string
  make(): Promise<{ readonly status: number }>
  /** Whether the answer knows of the change. */
  knows(seen: Seen, old: string | undefined): boolean
}

export async function obedience(
  fleet: Fleet,
  trouble: Trouble,
  perSecond: number,
): Promise<Obedience> {
  const { key, call, simulator } = fleet
  const ifMatch = { headers: { 'if-match': '*' } }
  const nameOf = (what: string) => `${what}-${trouble}`
  const isNew = (seen: Seen, old: string | undefined) =>
    seen.token !== undefined && seen.token !== old
  // Two apps that trust the same key, so that only the client changes.
  const signer = await newSigningKey()
  const [app, other] = [1, 2].map(() => simulator.addJwtApp({ certificatePem: signer.certificate }))
  const changes: readonly Change[] = [
    {
      name: nameOf('revoked'),
      make: () => call('DELETE', `/tokens/${nameOf('revoked')}`),
      knows: isNew,
    },
    {
      name: nameOf('disabled'),
      make: () =>
        call('PATCH', `/integrations/${nameOf('disabled')}`, {
          body: { enabled: false },
          ...ifMatch,
        }),
      knows: ({ code }) => code === 'integration_disabled',
    },
    {
      name: nameOf('frozen'),
      make: () =>
        call('POST', '/freezes', {
          body: { selector: { integrations: [nameOf('frozen')] }, reason: 'a measurement' },
        }),
      knows: ({ code }) => code === 'integration_frozen',
    },
    {
      name: nameOf('deleted'),
      make: () => call('DELETE', `/integrations/${nameOf('deleted')}`, ifMatch),
      knows: ({ code }) => code === 'integration_not_found',
    },
    {
      name: nameOf('moved'),
      make: () =>
        call('PATCH', `/integrations/${nameOf('moved')}`, {
          body: { grant: { client_id: other?.clientId } },
          ...ifMatch,
        }),
      knows: isNew,
    },
  ]
  for (const { name } of changes) {
    if (name !== nameOf('moved')) await fleet.integrate(name)
    else if (app) {
      await fleet.integrate(name, {
        app,
        members: {
          grant: { type: 'jwt_bearer', client_id: app.clientId, username: app.username },
          credential: { private_key: signer.privateKey, certificate: signer.certificate },
        },
      })
    }
  }
  const asker = createAsker({ key })
  const old = new Map<string, string | undefined>()
  for (const { name } of changes) {
    for (const url of fleet.urls()) old.set(name, (await asker.ask([url], name)).token)
  }
  await asker.close()

  const load = startLoad({
    names: changes.map(({ name }) => name),
    perSecond,
    key,
    urls: fleet.urls,
  })
  await sleep(500)
  const victim = fleet.replica(fleet.replicas.length - 1)
  if (trouble === 'paused') victim.signal('SIGSTOP')
  if (trouble === 'deaf') victim.proxy.set('stall', 'readers')
  const acknowledged = new Map<string, number>()
  for (const { name, make } of changes) {
    const { status } = await make()
    if (status >= 300) throw new Error(`${name}: ${status}`)
    acknowledged.set(name, Date.now())
  }
  await sleep(trouble === 'paused' ? PAUSE_MS : WATCH_MS)
  if (trouble === 'paused') victim.signal('SIGCONT')
  if (trouble === 'deaf') victim.proxy.set('pass')
  await sleep(1_500)
  const seen = await load.stop()

  const late = seen.filter(
    ({ start, name }) => start > (acknowledged.get(name) ?? Number.NaN) + GRACE_MS,
  )
  const wrong = late.filter((one) => {
    const change = changes.find(({ name }) => name === one.name)
    return !change?.knows(one, old.get(one.name))
  })
  const isDegraded = ({ via }: Seen) => via.includes('store-unreachable')
  return {
    checked: late.length,
    violations: wrong.filter((one) => !isDegraded(one)),
    degraded: wrong.filter(isDegraded),
  }
}

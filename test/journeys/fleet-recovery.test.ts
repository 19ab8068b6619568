/** Salesforce is away and comes back, and one app is ill beside others: who is refused, and how many logins it takes. */
import { setTimeout as sleep } from 'node:timers/promises'
import t, { type Test } from 'tap'
import type { Fault } from '../../simulator/faults.ts'
import type { Answer } from '../support/caller.ts'
import { eventually } from '../support/eventually.ts'
import { startFleet } from '../support/fleet.ts'
import { newSigningKey } from '../support/signing-key.ts'

const fleet = await startFleet(t, { replicas: 2 })
const { simulator } = fleet

/** Tries of the first login, before the rest begins. */
const TRIES = 4
/** A caller asks again so long after an answer. */
const PAUSE_MS = 50
/** Longer than any time limit of a login. */
const NEVER_MS = 60_000

/** Callers of each replica ask again and again, until the end. */
function askOn(t: Test, name: string) {
  const answers: Answer[][] = fleet.replicas.map(() => [])
  let isOver = false
  const asking = fleet.replicas.map(async ({ call }, index) => {
    for (; !isOver; await sleep(PAUSE_MS))
      answers[index]?.push(await call('GET', `/tokens/${name}`))
  })
  const end = async () => {
    isOver = true
    await Promise.all(asking)
    return answers.flat()
  }
  t.teardown(end)
  const isServed = () => answers.every((of) => of.at(-1)?.status === 200)
  return { end, isServed }
}

const OUTAGES: Readonly<Record<string, Fault>> = {
  'it answers 503': { kind: 'html' },
  'it resets connections': { kind: 'reset' },
  'it hangs': { kind: 'delay', ms: NEVER_MS },
}

for (const [how, fault] of Object.entries(OUTAGES)) {
  t.test(`Salesforce is away and comes back: ${how}`, async (t) => {
    const name = `away-${fault.kind}`
    const app = await fleet.integrate(name)
    const away = simulator.addFault({ ...fault, clientId: app.clientId, times: null })
    const began = performance.now()
    const { end, isServed } = askOn(t, name)
    await eventually(() => fleet.mints(app) >= TRIES + 4)
    const before = fleet.mints(app)
    const seconds = Math.ceil((performance.now() - began) / 1_000)
    away.remove()
    t.ok(before <= TRIES + seconds, `${before} logins in ${seconds} s`)
    await eventually(isServed)
    const after = fleet.mints(app) - before
    const answers = await end()
    t.ok(after <= 2, `the first login that succeeds is for all; there were ${after}`)
    const refused = answers.filter(({ status }) => status !== 200)
    t.ok(refused.length > before, 'the others were refused without a login')
    const codes = new Set(refused.map(({ status, body }) => `${status} ${body.code}`))
    codes.delete('503 salesforce_unavailable')
    // The first callers, and those whose login is the probe.
    if (fault.kind === 'delay') codes.delete('504 salesforce_timeout')
    t.same([...codes], [])
    const pauses = refused.map(({ headers }) => Number(headers.get('retry-after') ?? 0))
    t.ok(Math.max(...pauses) <= 2, `${Math.max(...pauses)} s`)
  })
}

t.test('one app whose org is away refuses no other at the same login host', async (t) => {
  const { privateKey, certificate } = await newSigningKey()
  const add = async (name: string, of: { readonly username?: string; readonly orgId?: string }) => {
    const app = simulator.addJwtApp({ ...of, name, certificatePem: certificate })
    const { clientId, username, audience } = app
    const put = await fleet.call('PUT', `/integrations/${name}`, {
      body: {
        login_url: simulator.origins.login,
        grant: { type: 'jwt_bearer', client_id: clientId, username, audience },
        credential: { private_key: privateKey, certificate },
      },
    })
    t.equal(put.status, 201)
    return app
  }
  const orgs = Array.from({ length: 5 }, (_, index) => {
    const { id: orgId } = simulator.addOrg({ myDomain: `org${index}` })
    const username = `billing@org${index}.com`
    simulator.addUser({ username, orgId })
    return { orgId, username }
  })
  const others = Array.from({ length: 15 }, (_, index) => `other-${index}`)
  for (const [index, name] of others.entries()) await add(name, orgs[index % orgs.length] ?? {})
  const ill = await add('ill', {})
  const fault = simulator.addFault({ kind: 'html', times: null, clientId: ill.clientId })
  const { end } = askOn(t, 'ill')
  await eventually(() => fault.hits() >= TRIES)
  const statuses: number[] = []
  for (const [index, name] of others.entries()) {
    const { status } = await fleet.replica(index % 2).call('GET', `/tokens/${name}`)
    statuses.push(status)
  }
  t.same(statuses, Array(others.length).fill(200))
  const answers = await end()
  t.ok(
    answers.length > 0 && answers.every(({ status }) => status !== 200),
    'the ill one is refused',
  )
  fault.remove()
})

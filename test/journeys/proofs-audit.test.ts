/** Proofs and the audit: strict, and where no line can be written. */
import { mkdtempSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { startSimulator } from '../../simulator/simulator.ts'
import {
  newAdminKey,
  startBroker,
  startBrokerProcess,
  startUnreadyProcess,
} from '../support/broker.ts'
import { type Call, createCaller } from '../support/caller.ts'
import { eventually } from '../support/eventually.ts'
import { claimsOf, REQUESTS } from './proofs-world.ts'

const simulator = await startSimulator()
t.teardown(() => simulator.stop())
const { myDomain } = simulator.origins
const PATH = '/services/data/v66.0/query'
const query = { method: 'GET', url: `${myDomain}${PATH}` }

function prepare(t: Test) {
  const folder = mkdtempSync(join(tmpdir(), 'valetkey-proofs-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  const path = join(folder, 'audit.jsonl')
  const adminKey = newAdminKey()
  const settings = (env = {}) => ({
    adminKey,
    env: {
      VALETKEY_DATA_DIR: join(folder, 'data'),
      VALETKEY_LOGIN_HOSTS: myDomain,
      VALETKEY_AUDIT_FILE: path,
      ...env,
    },
  })
  return { folder, settings }
}

async function register(call: Call): Promise<string> {
  const { clientId, clientSecret } = simulator.addClientCredentialsApp()
  const put = await call('PUT', '/integrations/bound', {
    body: {
      login_url: myDomain,
      grant: { type: 'client_credentials', client_id: clientId },
      credential: { client_secret: clientSecret },
      dpop: { mode: 'on' },
    },
  })
  if (put.status !== 201) throw new Error(`not registered: ${JSON.stringify(put.body)}`)
  const permissions = ['tokens:prove', 'tokens:read']
  const body = { name: 'prover', permissions, integrations: ['bound'], requests: REQUESTS }
  return (await call('POST', '/api-keys', { body })).body.key
}

/** What each door answers: the ids of its proofs, and what else it hands out. */
const doorsOf = (url: string, key: string) => {
  const call = createCaller(url, key)
  return {
    proofs: async () => {
      const { status, body } = await call('POST', '/tokens/bound/proofs', {
        body: { requests: [query, query] },
      })
      return { status, token: body.access_token, proofs: (body.proofs ?? []) as string[] }
    },
    gateway: async () => {
      const { status, headers } = await call('GET', '/gateway/bound', {
        headers: { 'x-original-method': 'GET', 'x-original-uri': PATH },
      })
      const proof = headers.get('dpop')
      const token = headers.get('authorization') ?? undefined
      return { status, token, proofs: proof === null ? [] : [proof] }
    },
  }
}

t.test('strict: the line of each proof is there before the answer', async (t) => {
  const broker = await startBroker(t, {
    loginHosts: [myDomain],
    env: { VALETKEY_AUDIT: 'strict' },
  })
  const doors = doorsOf(broker.url, await register(broker.call))
  for (const ask of [doors.proofs, doors.gateway, doors.proofs, doors.gateway]) {
    const { status, proofs } = await ask()
    const lines = broker.audit().slice(-proofs.length)
    t.equal(status, 200)
    t.same(
      lines.map(({ action, detail }) => [action, detail?.jti]),
      proofs.map((proof) => ['token.proved', claimsOf(proof).jti]),
    )
  }
})

t.test('while no line can be written, nothing is signed', async (t) => {
  const { folder, settings } = prepare(t)
  const first = await startBrokerProcess(t, settings())
  const key = await register(first.call)
  t.equal((await doorsOf(first.url, key).proofs()).status, 200)
  t.equal(await first.kill('SIGTERM'), 0)

  const full = join(folder, 'full')
  symlinkSync('/dev/full', full)
  const broker = await startUnreadyProcess(t, settings({ VALETKEY_AUDIT_FILE: full }))
  await eventually(() => broker.output().includes('audit lines cannot be written'))
  const logins = simulator.tokenRequests().length
  for (const [door, ask] of Object.entries(doorsOf(broker.url, key))) {
    t.same(await ask(), { status: 503, token: undefined, proofs: [] }, door)
  }
  t.equal(simulator.tokenRequests().length, logins, 'and nothing is asked of Salesforce')
})

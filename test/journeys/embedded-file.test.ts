/** The file of the embedded store goes away under a service, or before it starts. */
import { mkdtemp, rename, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { startSimulator } from '../../simulator/simulator.ts'
import { FILE_ANCHOR } from '../../src/store/embedded/file-trouble.ts'
import { type BrokerProcess, newAdminKey, startBrokerProcess } from '../support/broker.ts'
import { eventually } from '../support/eventually.ts'

/** Promised are 2 s; the machine may be busy. */
const NOTICED_MS = 2_000 * 5

async function world(t: Test) {
  const simulator = await startSimulator()
  t.teardown(() => simulator.stop())
  const dataDir = await mkdtemp(join(tmpdir(), 'valetkey-file-'))
  t.teardown(() => rm(dataDir, { recursive: true, force: true }))
  const adminKey = newAdminKey()
  const env = { VALETKEY_DATA_DIR: dataDir, VALETKEY_LOGIN_HOSTS: simulator.origins.myDomain }
  const app = simulator.addClientCredentialsApp()
  const body = {
    login_url: app.loginUrl,
    grant: { type: 'client_credentials', client_id: app.clientId },
    credential: { client_secret: app.clientSecret },
  }
  return {
    dataDir,
    body,
    file: join(dataDir, 'valetkey.db'),
    start: () => startBrokerProcess(t, { env, adminKey }),
  }
}

async function checkOf({ call }: BrokerProcess, name: string) {
  const { status, body } = await call('GET', '/readyz')
  const { ok, detail } = body.checks.find((check: { name: string }) => check.name === name)
  return { status, ok, detail }
}

t.test('a file that is deleted takes no change with it, and hits go on', async (t) => {
  const { body, file, start } = await world(t)
  const broker = await start()
  t.equal((await broker.call('PUT', '/integrations/held', { body })).status, 201)
  const { access_token: token } = (await broker.call('GET', '/tokens/held')).body
  t.match(await checkOf(broker, 'store_trouble'), { status: 200, ok: true })

  const deletedAt = performance.now()
  await rename(file, `${file}.away`)
  const lost = await broker.call('PUT', '/integrations/lost', { body })
  t.match(lost, { status: 503, body: { code: 'store_unavailable', detail: /was deleted/ } })
  await eventually(async () => !(await checkOf(broker, 'store_trouble')).ok)
  t.ok(performance.now() - deletedAt < NOTICED_MS)
  const told = await checkOf(broker, 'store_trouble')
  t.match(told, { status: 200, detail: new RegExp(`deleted.*${FILE_ANCHOR}$`) })
  t.match(broker.output(), /"level":"error".*"cause":"gone".*"see":"docs\/troubleshooting\.md/)
  for (let round = 0; round < 20; round += 1) {
    t.match(await broker.call('GET', '/tokens/held'), {
      status: 200,
      body: { access_token: token },
    })
  }
  t.equal((await broker.call('GET', '/integrations')).status, 200)

  await rename(`${file}.away`, file)
  await eventually(async () => (await checkOf(broker, 'store_trouble')).ok)
  t.equal((await broker.call('PUT', '/integrations/later', { body })).status, 201)
  t.match(broker.output(), /usable again/)
})

t.test(
  'a file that was lost before the start is said to be lost, until it is accepted',
  async (t) => {
    const { body, file, start } = await world(t)
    const first = await start()
    t.equal((await first.call('PUT', '/integrations/held', { body })).status, 201)
    t.match(await checkOf(first, 'store_content'), { ok: true })
    await first.kill('SIGTERM')
    await rm(file)

    // However often it is started.
    for (let round = 0; round < 2; round += 1) {
      const broker = await start()
      await eventually(async () => !(await checkOf(broker, 'store_content')).ok)
      t.match(await checkOf(broker, 'store_content'), { status: 200, detail: /^lost/ })
      const found = await broker.call('GET', '/integrations/held')
      t.match(found, { status: 503, body: { code: 'store_reset' } })
      t.match(await broker.call('PUT', '/integrations/new', { body }), { status: 503 })
      t.match(broker.output(), /"level":"error".*the store lost its content/)
      await broker.kill('SIGTERM')
    }

    const broker = await start()
    t.equal((await broker.call('POST', '/store/accept')).status, 204)
    t.match(await checkOf(broker, 'store_content'), { ok: true })
    t.equal((await broker.call('GET', '/integrations/held')).status, 404)
    t.equal((await broker.call('PUT', '/integrations/new', { body })).status, 201)
    await broker.kill('SIGTERM')
    const again = await start()
    t.equal((await again.call('GET', '/integrations/new')).status, 200)
    t.match(await checkOf(again, 'store_content'), { ok: true })
  },
)

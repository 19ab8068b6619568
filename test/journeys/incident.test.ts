/** `docs/incident.md`, from the beginning to the end, as somebody types it on that day. */
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { startSimulator } from '../../simulator/simulator.ts'
import { startBroker } from '../support/broker.ts'
import { readDocument } from '../support/document.ts'
import { eventually } from '../support/eventually.ts'
import { startRedis } from '../support/redis.ts'
import { inEachShell, startShell } from '../support/shell.ts'
import { newSigningKey } from '../support/signing-key.ts'

t.setTimeout(120_000)

const document = readDocument('docs/incident.md')
const [names = ''] = document.blocks('sh')
const first = document.blocks('sh', '## The first fifteen minutes')
const hour = document.blocks('sh', '## The first hour')
const [rotate = '', activate = '', lift = ''] = document.blocks('sh', '## Afterwards')

/** A problem shows, whatever a pipe makes of it. */
const LOUD = `curl() { command curl --fail-with-body "$@" || echo "FAILED: curl $*" >&2; }`

inEachShell(t, 'every command, in its order', async (t, shell) => {
  const simulator = await startSimulator()
  t.teardown(() => simulator.stop())
  const redis = await startRedis()
  t.teardown(() => redis.stop())
  const { myDomain } = simulator.origins
  const broker = await startBroker(t, { loginHosts: [myDomain], redisUrl: redis.url })
  const { call } = broker
  const key = await newSigningKey()
  const app = simulator.addJwtApp({ certificatePem: key.certificate })
  await call('PUT', '/integrations/billing', {
    body: {
      login_url: myDomain,
      labels: { environment: 'production' },
      grant: { type: 'jwt_bearer', client_id: app.clientId, username: app.username },
      credential: { private_key: key.privateKey, certificate: key.certificate },
    },
  })
  const stolen: string = (await call('GET', '/tokens/billing')).body.access_token
  const lives = () => simulator.sessions().some(({ token }) => token === stolen)
  t.ok(lives())

  const folder = t.testdir()
  await mkdir(join(folder, 'data'))
  await writeFile(join(folder, 'data/admin.key'), broker.adminKey)
  const own = names
    .replace(/broker=\S+/, `broker=${broker.url}`)
    .replace(/since=\S+/, `since=${new Date(Date.now() - 60_000).toISOString()}`)
  const run = async (...steps: readonly string[]) => {
    // Each step has a shell of its own here, and one shell of the reader.
    const known = Object.entries(FILES).map(
      ([name, file]) => `if [ -f ${file} ]; then ${name}=$(json .id < ${file}); fi`,
    )
    const script = [LOUD, own, ...known, ...steps].join('\n')
    const running = startShell(t, script, { cwd: folder, shell })
    const status = await running.ended
    await running.stop()
    const output = running.output()
    t.equal(status, 0, output)
    t.notMatch(output, /FAILED|undefined|"code"/)
    return output
  }

  t.match(await run(...first), /^frz_\S+$/m)
  await eventually(() => !lives())
  const [frozen] = (await call('GET', '/freezes')).body.items
  t.match(frozen, { reason: 'stolen tokens, INC-4711', tokens: { done: 1 } })
  const looked = await run(...hour)
  t.match(looked, /^read,billing,admin,1,.*,'?[\w-]{16}\s*$/m, 'who fetched tokens')
  t.match(looked, /^token,billing,,,,,\S+,00D\w+,005\w+,revoked,\s*$/m)
  t.match(looked, /^revoked billing \S+$/m)
  t.match(looked, /token\.minted/)
  await run(rotate)
  const { items } = (await call('GET', '/integrations/billing/credentials')).body
  const staged = items.find(({ state }: { state: string }) => state === 'staged')
  const { body: certificatePem } = await call(
    'GET',
    `/integrations/billing/credentials/${staged.id}/certificate`,
  )
  simulator.updateApp(app.clientId, { certificatePem })
  t.match(await run(activate), /active/)
  t.equal((await call('GET', '/tokens/billing')).body.code, 'integration_frozen')
  t.match(await run(lift), /^true mint$/m)
  const { status, body } = await call('GET', '/tokens/billing')
  t.equal(status, 200)
  t.not(body.access_token, stolen)
  t.same((await call('GET', '/freezes')).body.items, [])
})

const FILES: Readonly<Record<string, string>> = { freeze: 'freeze.json', credential: 'staged.json' }

/** Every command of the runbooks, on a real broker and a real Redis: nothing that an operator types at night fails. */
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { startSimulator } from '../../simulator/simulator.ts'
import { startBroker } from '../support/broker.ts'
import { readDocument } from '../support/document.ts'
import { startRedis } from '../support/redis.ts'
import { inEachShell, startShell } from '../support/shell.ts'
import { newSigningKey } from '../support/signing-key.ts'

t.setTimeout(120_000)

const runbooks = readDocument('docs/runbooks.md')

/** A problem shows, whatever a pipe makes of it. */
const LOUD = `curl() { command curl --fail-with-body "$@" || echo "FAILED: curl $*" >&2; }`

inEachShell(t, 'every command works as it stands', async (t, shell) => {
  const simulator = await startSimulator()
  t.teardown(() => simulator.stop())
  const redis = await startRedis()
  t.teardown(() => redis.stop())
  const { myDomain } = simulator.origins
  const broker = await startBroker(t, {
    loginHosts: [myDomain],
    redisUrl: redis.url,
    env: { VALETKEY_METRICS_PORT: '1' },
  })
  const metricsPort = await broker.app.metrics?.listen({ host: '127.0.0.1', port: 0 })
  const key = await newSigningKey()
  const app = simulator.addJwtApp({ certificatePem: key.certificate })
  const put = await broker.call('PUT', '/integrations/billing', {
    body: {
      login_url: myDomain,
      grant: { type: 'jwt_bearer', client_id: app.clientId, username: app.username },
      credential: { private_key: key.privateKey, certificate: key.certificate },
    },
  })
  t.equal(put.status, 201)
  t.equal((await broker.call('GET', '/tokens/billing')).status, 200)
  t.equal((await broker.call('GET', '/whoami', { key: 'vk_no' })).status, 401)

  const folder = t.testdir()
  await mkdir(join(folder, 'data'))
  await writeFile(join(folder, 'data/admin.key'), broker.adminKey)
  const all = runbooks.blocks('sh')
  const names = all.find((block) => block.startsWith('broker=')) ?? ''
  // There is no Kubernetes here, and no record to name: these are compared between shells elsewhere.
  const isRunHere = (step: string) => !/^kubectl|\/KIND\/NAME/.test(step)
  const steps = all.filter((step) => step !== names && isRunHere(step))
  t.ok(steps.length > 15)
  const own = names
    .replace(/broker=\S+/, `broker=${broker.url}`)
    .replace(/metrics=\S+/, `metrics=http://127.0.0.1:${metricsPort}`)
    .replace(/redis=\S+/, `redis=${redis.url}`)
  t.match(own, /name=billing/)
  const running = startShell(t, [LOUD, own, ...steps].join('\n'), { cwd: folder, shell })
  const status = await running.ended
  await running.stop()
  const output = running.output()
  t.equal(status, 0, output)
  t.notMatch(output, /FAILED|undefined|"code"/)
  t.match(output, /active 20\S+Z \S+/, 'the certificate and its end')
  t.match(output, /^true mint/m, 'the doctor mints')
  t.match(output, /^\d admin$/m, 'who fetches tokens')
  t.match(output, /^PONG$/m)
  t.match(output, /true store_content: as it was left/)
  t.match(output, /valetkey_authentication_failures_total\{reason="KEY_MALFORMED"\} 1/)
  t.match(output, /HTTP\/1.1 200 OK\r?\ncache-status: valetkey; /i)
})

/** `examples/dpop/java/DpopSoap.java` with the real connector, where Salesforce requires proofs. `npm run compat -- dpop` runs it. */
import { join } from 'node:path'
import t from 'tap'
import { startClient } from '../test/clients/client-process.ts'
import { javaToolchain } from '../test/clients/toolchains/java.ts'
import { ROOT } from '../test/clients/toolchains/toolchain.ts'
import { bind } from '../test/journeys/proofs-world.ts'
import { world } from '../test/journeys/salesforce-world.ts'
import { run, unlessProvided } from '../test/support/apt.ts'
import { lifeKnown } from '../test/support/lease-life.ts'

t.setTimeout(600_000)

const WSC = javaToolchain('soap-wsc', 'SoapWsc')
const skip = unlessProvided(await WSC.provide((line) => t.comment(line)))

t.test(
  'the connector proves each call, and goes on after the end of a session',
  { skip },
  async (t) => {
    const classes = t.testdir()
    const { folder = '' } = WSC
    const libraries = join(folder, 'libraries/*')
    const sources = ['Dpop', 'DpopSoap'].map((name) =>
      join(ROOT, `examples/dpop/java/${name}.java`),
    )
    t.ok(run('javac', ['-cp', libraries, '-d', classes, ...sources]))
    const salesforce = await world(t)
    const { simulator, broker } = salesforce
    const clientId = await bind(salesforce, 'billing')
    const made = await broker.call('POST', '/api-keys', {
      body: {
        ...{ name: 'soap', permissions: ['tokens:prove'], integrations: ['billing'] },
        requests: ['POST /services/Soap/u/65.0'],
      },
    })
    const running = await startClient(t, {
      command: ['java', '-cp', `${classes}:${libraries}`, 'DpopSoap'],
      env: {
        ...{ VALETKEY_URL: broker.url, VALETKEY_INTEGRATION: 'billing' },
        VALETKEY_KEY: made.body.key,
      },
    })
    await running.begun()
    t.match(running.lines()[0], simulator.acme.id, running.output())
    await running.next()
    t.match(running.lines()[1], simulator.acme.id, running.output())
    await lifeKnown(broker.call, 'billing')
    t.ok(simulator.endSessions({ clientId }) > 0)
    await running.next()
    t.match(running.lines()[2], simulator.acme.id, running.output())
    t.equal(await running.finish(), 0, running.output())
    const outcomes = simulator.log
      .filter(({ path }) => path.startsWith('/services/Soap/'))
      .map(({ outcome }) => outcome?.status)
    t.same(outcomes, [200, 200, 500, 200])
    t.notOk(running.output().includes(made.body.key))
  },
)

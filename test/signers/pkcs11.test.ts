/** Keys that stay in an HSM, as SoftHSM2 answers for it, and what the operator reads when it does not sign. */
import { execFileSync } from 'node:child_process'
import { createHash, createPublicKey, verify, X509Certificate } from 'node:crypto'
import { closeSync, constants, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { startSimulator } from '../../simulator/simulator.ts'
import type { Environment } from '../../src/config/config.ts'
import { generateKeyring } from '../../src/crypto/keyring.ts'
import type { BrokerError } from '../../src/errors/errors.ts'
import { createHsm } from '../../src/signers/pkcs11/hsm.ts'
import { PACKAGE } from '../../src/signers/pkcs11/hsm-faults.ts'
import { createPkcs11 } from '../../src/signers/pkcs11/pkcs11.ts'
import type { SigningAlgorithm } from '../../src/signers/remote-key.ts'
import { unlessProvided } from '../support/apt.ts'
import { newAdminKey, startBrokerProcess } from '../support/broker.ts'
import { eventually } from '../support/eventually.ts'
import { lifeKnown } from '../support/lease-life.ts'
import { expect } from '../support/rotatable.ts'
import { testLog } from '../support/runtime.ts'
import { linkPackage, newSoftHsm, provideSoftHsm, SOFTHSM_MODULE } from '../support/softhsm.ts'
import { boundAt, boundTo } from './bound-world.ts'
import { signersFile } from './signing-world.ts'

t.setTimeout(240_000)
const skip = unlessProvided(provideSoftHsm((line) => t.comment(line)))
if (!skip) linkPackage()
const { signal } = new AbortController()
const DATA = Buffer.from('what an assertion says')

/** A process has one configuration of SoftHSM, so that all tests of this file that sign here share it. */
const folder = t.testdir({})
const hsm = skip ? undefined : newSoftHsm(folder)
if (hsm) process.env.SOFTHSM2_CONF = hsm.config

interface Place {
  readonly module?: string
  readonly token?: string
  readonly pin?: string
  readonly monotonic?: () => number
}

/** Processes that this one, or another one, started and that live. */
const childrenOf = (pid = process.pid): readonly number[] =>
  readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ').filter(Boolean).map(Number)

/** Whoever reads the file waits until the test ends, as in a module that does not return. Gives when somebody does. */
function blockReaders(t: Test, path: string): () => Promise<unknown> {
  rmSync(path)
  execFileSync('mkfifo', [path])
  return () =>
    eventually(() => {
      try {
        const file = openSync(path, constants.O_WRONLY | constants.O_NONBLOCK)
        t.teardown(() => closeSync(file))
        return true
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ENXIO') throw error
        return false
      }
    })
}

function backendOf(
  t: Test,
  {
    module = SOFTHSM_MODULE,
    token = 'valetkey',
    pin = hsm?.pin,
    monotonic = () => performance.now(),
  }: Place,
) {
  const pinFile = join(t.testdir({}), 'pin')
  writeFileSync(pinFile, `${pin}\n`)
  const warnings: string[] = []
  const log = testLog({ warn: (_bindings, message) => void warnings.push(message) })
  const process = createHsm(module, { monotonic, log })
  const backend = createPkcs11({ name: 'hsm', module, token, pinFile }, process)
  t.teardown(() => backend.stop?.())
  const sign = (key: string, until = signal) => backend.sign({ name: 'hsm', key }, DATA, until)
  const signBy = (key: string, algorithm: SigningAlgorithm) =>
    backend.sign({ name: 'hsm', key, algorithm }, DATA, signal)
  return { ...backend, sign, signBy, pinFile, warnings }
}

t.test('a key in a token', { skip }, async (t) => {
  if (!hsm) return
  hsm.newToken('valetkey')
  hsm.newKey('valetkey', 'billing')

  await t.test('signs with RSA PKCS#1 v1.5 and SHA-256, several at once', async (t) => {
    const { sign, publicKeys } = backendOf(t, {})
    const [key] = await publicKeys('billing', 'RS256', signal)
    const publicKey = createPublicKey(key?.pem ?? '')
    t.equal(publicKey.asymmetricKeyDetails?.modulusLength, 2048)
    const signatures = await Promise.all(Array.from({ length: 12 }, () => sign('billing')))
    for (const signature of signatures) t.ok(verify('sha256', DATA, publicKey, signature))
  })

  await t.test('says what is wrong, and what is to be done', async (t) => {
    hsm.newKey('valetkey', 'curve', 'EC:prime256v1')
    hsm.newKey('valetkey', 'twice')
    hsm.newKey('valetkey', 'twice', 'rsa:2048', ['--id', '77'])
    hsm.newToken('double')
    hsm.newToken('double')
    for (const [place, key, detail, remedy] of [
      [{ token: 'none' }, 'billing', /has no token with the label none/, /--list-token-slots/],
      [
        { token: 'double' },
        'billing',
        /has several tokens with the label double/,
        /label of its own/,
      ],
      [
        {},
        'none',
        /has no private key with the label none in the token valetkey/,
        /--list-objects/,
      ],
      [{}, 'twice', /has several private keys with the label twice/, /label of its own/],
      [{}, 'curve', /it is no RSA key for signatures/, /RSA key of 2048 bits/],
      [{ module: '/none.so' }, 'billing', /cannot load its module \/none\.so/, /PKCS#11 library/],
      [{ module: join(folder, 'softhsm2.conf') }, 'billing', /cannot load its module/, /PKCS#11/],
      [
        { pin: '' },
        'billing',
        /needs its pin_file, which cannot be read or is empty/,
        /PIN of the user/,
      ],
    ] as const) {
      const { sign, publicKeys } = backendOf(t, place)
      await t.rejects(sign(key), { code: 'signing_refused', detail, remedy }, String(detail))
      await t.rejects(publicKeys(key, 'RS256', signal), { code: 'signing_refused', detail, remedy })
    }
  })

  await t.test('signs proofs with a key of P-256 alone', async (t) => {
    hsm.newKey('valetkey', 'p384', 'EC:secp384r1')
    const { publicKeys, signBy } = backendOf(t, {})
    const [key] = await publicKeys('curve', 'ES256', signal)
    const signatures = await Promise.all(Array.from({ length: 5 }, () => signBy('curve', 'ES256')))
    for (const signature of signatures) {
      t.equal(signature.length, 64)
      const form = { key: key?.pem ?? '', dsaEncoding: 'ieee-p1363' } as const
      t.ok(verify('sha256', DATA, form, signature))
    }
    for (const label of ['billing', 'p384']) {
      const refused = {
        code: 'signing_refused',
        detail: `The signer hsm cannot sign with ${label}: it is no P-256 key for signatures`,
        remedy: /^Use a key of the curve P-256 with CKA_SIGN/,
      }
      await t.rejects(publicKeys(label, 'ES256', signal), refused)
      await t.rejects(signBy(label, 'ES256'), refused)
    }
    await t.rejects(signBy('none', 'ES256'), {
      code: 'signing_refused',
      remedy: /name it in dpop\.key_storage\.$/,
    })
  })

  await t.test(
    'a wrong PIN is tried once for each content of its file, so that no token locks',
    async (t) => {
      const { sign, pinFile } = backendOf(t, { pin: 'a wrong one' })
      const refused = {
        code: 'signing_refused',
        detail: /does not accept the PIN for the token valetkey/,
        remedy: /is not tried again/,
      }
      await t.rejects(sign('billing'), { ...refused, detail: /\(CKR_PIN_INCORRECT\)$/ })
      for (let i = 0; i < 5; i += 1) {
        const asked = sign('billing')
        await t.rejects(asked, { ...refused, detail: /token valetkey$/ }, 'the token was not asked')
        const error: Error = await asked.catch((one) => one)
        t.notMatch(JSON.stringify([error, String(error.cause)]), /a wrong one/)
      }
      for (const pid of childrenOf()) process.kill(pid, 'SIGKILL')
      await eventually(async () => {
        const error: BrokerError = await sign('billing').catch((one) => one)
        return error.code === 'signing_refused' && /token valetkey$/.test(error.detail)
      })
      writeFileSync(pinFile, hsm.pin)
      t.ok((await sign('billing')).length > 0, 'the file is read again')
    },
  )

  await t.test('a session that was lost is opened again', async (t) => {
    const { sign } = backendOf(t, {})
    t.ok((await sign('billing')).length > 0)
    // Another user of the module in this process initializes it again to look for its token.
    await t.rejects(backendOf(t, { token: 'none' }).sign('billing'), { code: 'signing_refused' })
    t.ok((await sign('billing')).length > 0)
  })

  await t.test(
    'a process that ends leaves no caller waiting, and another one follows',
    async (t) => {
      const { sign, stop } = backendOf(t, {})
      const asked = sign('billing')
      const away = {
        code: 'signer_unavailable',
        detail: 'The signer hsm has a module whose process ended (SIGKILL)',
        remedy: /^Look at the log of the module/,
      }
      await Promise.all([t.rejects(asked, away), stop?.()])
      t.ok((await sign('billing')).length > 0)
    },
  )

  await t.test('a module that does not return is ended with its process', async (t) => {
    let clock = 0
    const { sign, pinFile, warnings } = backendOf(t, { monotonic: () => clock })
    const isBlocked = blockReaders(t, pinFile)
    const signInVain = async (until?: Promise<unknown>) => {
      const waits = new AbortController()
      const asked = sign('billing', waits.signal)
      await until
      waits.abort(new Error('nobody waits'))
      await t.rejects(asked, { message: 'nobody waits' })
    }
    await signInVain(isBlocked())
    const [pid] = childrenOf()
    rmSync(pinFile)
    writeFileSync(pinFile, hsm.pin)
    clock += 9_999
    await signInVain()
    t.same(childrenOf(), [pid], 'it may still answer')
    t.same(warnings, [])
    clock += 1
    t.ok((await sign('billing')).length > 0, 'another one signs')
    t.same(warnings, ['a PKCS#11 module did not return for 10 seconds: its process is ended'])
    await eventually(() => !childrenOf().includes(pid ?? 0))
  })

  await t.test('a key that was replaced is found again', async (t) => {
    hsm.newToken('moving')
    hsm.newKey('moving', 'billing')
    const { sign, publicKeys } = backendOf(t, { token: 'moving' })
    const [before] = await publicKeys('billing', 'RS256', signal)
    hsm.deleteKey('moving', 'billing')
    await t.rejects(sign('billing'), { code: 'signing_refused', detail: /has no private key/ })
    hsm.newKey('moving', 'billing')
    const signature = await sign('billing')
    t.notOk(verify('sha256', DATA, before?.pem ?? '', signature), 'it is another key')
    const [after] = await publicKeys('billing', 'RS256', signal)
    t.ok(verify('sha256', DATA, after?.pem ?? '', signature))
  })
})

t.test('a token that hashes nothing itself gets the DigestInfo', { skip }, async (t) => {
  const world = await brokerWith(t, '-CKM_SHA256_RSA_PKCS,CKM_ECDSA')
  await expect(200, world.call('GET', '/tokens/billing'))
  world.own.newKey('valetkey', 'proofs', 'EC:prime256v1')
  const bound = await boundAt({ ...world, name: 'bound' })
  t.match(await bound.put(boundTo({ name: 'hsm', key: 'proofs' })), {
    status: 422,
    body: {
      detail: /cannot sign with ECDSA in the token valetkey$/,
      remedy: /CKM_ECDSA in the token/,
    },
  })
})

/** A process of its own, with tokens of its own. */
async function brokerWith(t: Test, mechanisms?: string, members: Environment = {}) {
  const folder = t.testdir({})
  const own = newSoftHsm(folder, mechanisms)
  own.newToken('valetkey')
  own.newKey('valetkey', 'billing')
  const pinFile = join(folder, 'pin')
  writeFileSync(pinFile, own.pin)
  const simulator = await startSimulator({ settings: { expiresIn: 7_200 } })
  t.teardown(() => simulator.stop())
  const signers = await signersFile(folder, {
    hsm: {
      ...{ type: 'pkcs11', module: SOFTHSM_MODULE, token: 'valetkey', pin_file: pinFile },
      keys: ['*'],
    },
  })
  const adminKey = newAdminKey()
  const env = {
    VALETKEY_DATA_DIR: join(folder, 'data'),
    VALETKEY_KEYRING: generateKeyring(Date.now()).reveal(),
    VALETKEY_LOGIN_HOSTS: simulator.origins.myDomain,
    ...{ VALETKEY_SIGNERS: signers, SOFTHSM2_CONF: own.config, VALETKEY_LOG_LEVEL: 'debug' },
    ...members,
  }
  const broker = await startBrokerProcess(t, { adminKey, env })
  const { call } = broker
  const put = (body: object, headers = {}) =>
    call('PUT', '/integrations/billing', {
      body: {
        login_url: simulator.origins.myDomain,
        grant: { type: 'jwt_bearer', username: 'billing@acme.com' },
        credential: { signer: { name: 'hsm', key: 'billing' }, generate: {} },
        ...body,
      },
      headers,
    })
  const created = await put({})
  if (created.status === 201) {
    const [credential] = (await call('GET', '/integrations/billing/credentials')).body.items
    const app = simulator.addJwtApp({ certificatePem: credential.certificate.pem })
    await expect(
      200,
      call('PATCH', '/integrations/billing', {
        body: { grant: { client_id: app.clientId } },
        headers: { 'if-match': '*', 'content-type': 'application/merge-patch+json' },
      }),
    )
  }
  return { own, broker, call, put, created, simulator, pinFile }
}

t.test('from PUT to a token, a rotation and a fault', { skip }, async (t) => {
  const { own, broker, call, created, simulator, pinFile } = await brokerWith(t)
  t.equal(created.status, 201)
  await expect(200, call('GET', '/tokens/billing'))
  const path = '/integrations/billing/credentials'
  const [credential] = (await expect(200, call('GET', path))).body.items
  t.same(credential.signer, { name: 'hsm', key: 'billing' })
  const certificate = new X509Certificate(credential.certificate.pem)
  t.ok(certificate.verify(certificate.publicKey), 'its certificate is signed by the HSM')

  own.newKey('valetkey', 'billing-2')
  const body = { signer: { name: 'hsm', key: 'billing-2' }, generate: {} }
  t.match(await call('POST', path, { body: { ...body, generate: { new_version: true } } }), {
    status: 422,
    body: { detail: /has no versions of a key/ },
  })
  const staged = await expect(201, call('POST', path, { body }))
  const app = simulator.addJwtApp({ certificatePem: staged.body.certificate.pem })
  await expect(
    200,
    call('PATCH', '/integrations/billing', {
      body: { grant: { client_id: app.clientId } },
      headers: { 'if-match': '*', 'content-type': 'application/merge-patch+json' },
    }),
  )
  await eventually(async () => {
    await call('DELETE', '/tokens/billing')
    await call('GET', '/tokens/billing')
    const { items } = (await call('GET', path)).body
    return items.some(
      (one: { id: string; state: string }) => one.id === staged.body.id && one.state === 'active',
    )
  })
  await lifeKnown(call, 'billing')
  own.newKey('valetkey', 'proofs', 'EC:prime256v1')
  const bound = await boundAt({ simulator, call, name: 'bound' })
  await expect(201, bound.put(boundTo({ name: 'hsm', key: 'proofs' })))
  t.equal((await call('GET', '/tokens/bound')).status, 409)
  await bound.assertTaken(t)
  own.deleteToken('valetkey')
  t.match((await call('GET', '/tokens/billing')).headers.get('cache-status'), 'hit')
  await call('DELETE', '/tokens/billing')
  const faulty = await eventually(async () => {
    const answer = await call('GET', '/tokens/billing')
    return answer.status === 200 ? undefined : answer
  })
  t.match(faulty.body, {
    code: /^signing_refused$|^signer_unavailable$/,
    detail: /^The signer hsm /,
  })

  own.newToken('valetkey')
  const isBlocked = blockReaders(t, pinFile)
  for (const pid of childrenOf(broker.pid)) process.kill(pid, 'SIGKILL')
  await eventually(async () => {
    const { body } = await call('GET', '/tokens/billing')
    return body.detail === 'The signer hsm did not answer within 2 seconds'
  })
  await isBlocked()
  t.equal(childrenOf(broker.pid).length, 1)
  t.equal(await broker.kill('SIGTERM'), 0, 'a module that does not return keeps nobody')
  const digest = createHash('sha256').update(own.pin).digest('hex')
  for (const secret of [own.pin, digest]) t.notMatch(broker.output(), secret)
})

/** As where nobody installed it. */
const WITHOUT_PACKAGE = `data:text/javascript,${encodeURIComponent(`
import { registerHooks } from 'node:module'
registerHooks({
  resolve(specifier, context, next) {
    if (specifier === 'pkcs11js') throw Object.assign(new Error('none'), { code: 'ERR_MODULE_NOT_FOUND' })
    return next(specifier, context)
  },
})`)}`

t.test('without its package, the service runs and says what is missing', { skip }, async (t) => {
  const { created, call } = await brokerWith(t, undefined, {
    NODE_OPTIONS: `--import ${WITHOUT_PACKAGE}`,
  })
  t.match(created, {
    status: 422,
    body: {
      code: 'credential_invalid',
      detail:
        'signer: The signer hsm needs the package pkcs11js, which is not installed or was not compiled',
      remedy: /npm install --no-save pkcs11js@\d+\.\d+\.\d+.*PKCS11=with/,
    },
  })
  await expect(200, call('GET', '/readyz'))
})

t.test('names the version that package.json names', async (t) => {
  const manifest = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'))
  t.equal(PACKAGE, `pkcs11js@${manifest.peerDependencies.pkcs11js}`)
  const text = readFileSync(new URL('../../docs/key-custody.md', import.meta.url), 'utf8')
  t.ok(text.includes(PACKAGE))
})

import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { startSimulator } from '../../simulator/simulator.ts'
import { startBroker } from '../support/broker.ts'
import { eventually } from '../support/eventually.ts'
import { openssl } from '../support/openssl.ts'

const simulator = await startSimulator()
t.teardown(() => simulator.stop())
const { myDomain } = simulator.origins
const broker = await startBroker(t, { loginHosts: [myDomain] })
const { call } = broker
const { run, read, path } = openssl(t)
const passphrase = randomBytes(12).toString('hex')

run(
  'req',
  '-x509',
  '-newkey',
  'rsa:2048',
  '-nodes',
  '-keyout',
  'k.pem',
  '-days',
  '90',
  ...['-subj', '/CN=stores', '-out', 'c.pem'],
)
const certificate = read('c.pem')
const app = simulator.addJwtApp({ certificatePem: certificate })
const grant = { type: 'jwt_bearer', client_id: app.clientId, username: app.username }

const base64Of = (file: string) => readFileSync(path(file)).toString('base64')
const keytool = (...args: readonly string[]) =>
  execFileSync('sh', ['-c', 'keytool "$@" 2>&1', 'sh', ...args], {
    cwd: path('.'),
    encoding: 'utf8',
  })
const pass = `pass:${passphrase}`

/** A PKCS#12 file of openssl. */
function pkcs12(file: string, ...flags: readonly string[]): string {
  run(
    'pkcs12',
    '-export',
    '-inkey',
    'k.pem',
    '-in',
    'c.pem',
    '-passout',
    pass,
    '-out',
    file,
    ...flags,
  )
  return base64Of(file)
}

/** The same key in a store of keytool, under the alias. */
function javaStore(
  file: string,
  type: 'JKS' | 'PKCS12' | 'JCEKS',
  alias = 'Salesforce_Cert',
): string {
  pkcs12('source.p12', '-name', alias)
  const stores = ['-srckeystore', 'source.p12', '-srcstoretype', 'PKCS12', '-destkeystore', file]
  const secrets = ['-srcstorepass', passphrase, '-deststorepass', passphrase]
  keytool('-importkeystore', ...stores, '-deststoretype', type, ...secrets, '-noprompt')
  return base64Of(file)
}

let count = 0
async function put(credential: object) {
  count += 1
  const name = `stored-${count}`
  const answer = await call('PUT', `/integrations/${name}`, {
    body: { login_url: myDomain, grant, credential },
  })
  return { name, answer }
}

async function mints(t: Test, credential: object, what: string) {
  const { name, answer } = await put(credential)
  t.equal(answer.status, 201, `${what}: ${answer.body.detail}`)
  t.match(answer.body.normalized?.join(), /^keystore: The key of /, what)
  t.equal((await call('GET', `/tokens/${name}`)).status, 200, `${what} mints`)
  const { items } = (await call('GET', `/integrations/${name}/credentials`)).body
  t.equal(items[0].certificate.pem, certificate, what)
  t.notMatch(JSON.stringify(answer.body), passphrase)
}

t.test('a keystore of openssl or of keytool signs assertions', async (t) => {
  const stores = {
    'PKCS#12 of openssl 3': pkcs12('a.p12', '-name', 'a'),
    'PKCS#12 without a name': pkcs12('b.p12'),
    'PKCS#12 of the old ciphers': pkcs12('d.p12', '-legacy'),
    'PKCS#12 without encryption': pkcs12('e.p12', '-keypbe', 'NONE', '-certpbe', 'NONE'),
    'PKCS#12 of keytool': javaStore('f.p12', 'PKCS12'),
    JKS: javaStore('g.jks', 'JKS'),
  }
  for (const [what, keystore] of Object.entries(stores)) {
    await mints(t, { keystore, passphrase }, what)
    await mints(t, { keystore: keystore.replace(/.{76}/g, '$&\n'), passphrase }, `${what} in lines`)
  }
})

t.test('a keystore of several keys is asked for one by its alias', async (t) => {
  for (const type of ['JKS', 'PKCS12'] as const) {
    const file = `many-${type}`
    javaStore(file, type, 'wanted')
    const named = ['-dname', 'CN=other', '-storetype', type, '-keystore', file]
    keytool(
      '-genkeypair',
      '-alias',
      'other',
      '-keyalg',
      'RSA',
      ...named,
      ...['-storepass', passphrase, '-keypass', passphrase],
    )
    const keystore = base64Of(file)
    const { answer } = await put({ keystore, passphrase })
    t.equal(answer.status, 422)
    t.match(answer.body.detail, /^alias: the keystore has 2 private keys: .*wanted/)
    t.match((await put({ keystore, passphrase, alias: 'none' })).answer.body.detail, /^alias: .*no/)
    await mints(t, { keystore, passphrase, alias: 'Wanted' }, `${type} by alias`)
  }
})

t.test(
  'a keystore with the chain of its certificate gives the certificate of the key',
  async (t) => {
    run(
      'req',
      '-x509',
      '-newkey',
      'rsa:2048',
      '-nodes',
      '-keyout',
      'ca.key',
      ...['-subj', '/CN=ca', '-out', 'ca.pem'],
    )
    await mints(t, { keystore: pkcs12('chain.p12', '-certfile', 'ca.pem'), passphrase }, 'a chain')
  },
)

t.test('an encrypted private key is read with its passphrase', async (t) => {
  run('pkcs8', '-topk8', '-passout', pass, '-in', 'k.pem', '-out', 'e8.pem')
  run('rsa', '-aes256', '-traditional', '-passout', pass, '-in', 'k.pem', '-out', 'e1.pem')
  run('rsa', '-des3', '-traditional', '-passout', pass, '-in', 'k.pem', '-out', 'e3.pem')
  for (const file of ['e8.pem', 'e1.pem', 'e3.pem']) {
    for (const change of [(pem: string) => pem, (pem: string) => pem.replaceAll('\n', '\\n')]) {
      const privateKey = change(read(file))
      const { name, answer } = await put({ private_key: privateKey, passphrase, certificate })
      t.equal(answer.status, 201, `${file}: ${answer.body.detail}`)
      t.match(answer.body.normalized.join(), /decrypted with the passphrase/)
      t.equal((await call('GET', `/tokens/${name}`)).status, 200, file)
      const wrong = await put({ private_key: privateKey, passphrase: 'wrong', certificate })
      t.equal(wrong.answer.status, 422)
      t.match(wrong.answer.body.detail, /^passphrase: it does not decrypt/)
    }
  }
  const needless = await put({ private_key: read('k.pem'), passphrase, certificate })
  t.match(needless.answer.body.detail, /^passphrase: the private_key is not encrypted/)
})

t.test('a refusal says what is wrong with a keystore', async (t) => {
  const jks = javaStore('h.jks', 'JKS')
  const p12 = pkcs12('h.p12')
  run('pkcs12', '-export', '-nokeys', '-in', 'c.pem', '-passout', pass, '-out', 'certs.p12')
  run('x509', '-in', 'c.pem', '-outform', 'DER', '-out', 'c.der')
  const certificateDer = base64Of('c.der')
  const cases: readonly (readonly [string, object, RegExp])[] = [
    ['JKS, wrong', { keystore: jks, passphrase: 'wrong!' }, /^passphrase: it does not open/],
    ['JKS, none', { keystore: jks }, /^passphrase: it does not open/],
    ['PKCS#12, wrong', { keystore: p12, passphrase: 'wrong!' }, /^passphrase: it does not open/],
    ['PKCS#12, none', { keystore: p12 }, /^passphrase: it does not open/],
    ['JCEKS', { keystore: javaStore('h.jceks', 'JCEKS'), passphrase }, /JCEKS.*`keytool -importk/],
    ['no key', { keystore: base64Of('certs.p12'), passphrase }, /only certificates/],
    ['no base64', { keystore: '\u00fe\u00ed'.repeat(20), passphrase }, /not base64.*`base64/],
    ['PEM', { keystore: read('k.pem'), passphrase }, /it is PEM: send it as/],
    ['neither', { keystore: Buffer.alloc(99, 7).toString('base64'), passphrase }, /neither a PKCS/],
    [
      'no keystore',
      { keystore: certificateDer, passphrase },
      /neither a PKCS.*a certificate in DER/,
    ],
    ['cut off', { keystore: p12.slice(0, 400), passphrase }, /^keystore: /],
  ]
  for (const [what, credential, words] of cases) {
    const { answer } = await put(credential)
    t.equal(answer.status, 422, what)
    t.match(answer.body.detail, words, what)
    t.notMatch(answer.body.detail, passphrase)
  }
  const misplaced = [
    { client_secret: 'x', passphrase },
    { private_key: read('k.pem'), alias: 'x' },
    { keystore: jks, private_key: read('k.pem'), passphrase },
  ]
  for (const credential of misplaced) t.equal((await put(credential)).answer.status, 400)
})

t.test('a keystore is staged, and one of the configuration file is read', async (t) => {
  const { name } = await put({ private_key: read('k.pem'), certificate })
  run(
    'req',
    '-x509',
    '-newkey',
    'rsa:2048',
    '-nodes',
    '-keyout',
    'k2.pem',
    ...['-subj', '/CN=two', '-out', 'c2.pem'],
  )
  run('pkcs12', '-export', '-inkey', 'k2.pem', '-in', 'c2.pem', '-passout', pass, '-out', 'two.p12')
  const staged = await call('POST', `/integrations/${name}/credentials`, {
    body: { keystore: base64Of('two.p12'), passphrase },
  })
  t.equal(staged.status, 201)
  t.equal(staged.body.certificate.pem, read('c2.pem'))
  t.match(staged.body.normalized.join(), /^keystore: /)

  javaStore('declared.jks', 'JKS', 'Salesforce_Cert')
  writeFileSync(path('pass'), `${passphrase}\n`)
  const credential = {
    ...{ keystore_file: path('declared.jks'), passphrase_file: path('pass') },
    alias: 'Salesforce_Cert',
  }
  const declared = { login_url: myDomain, grant, credential }
  writeFileSync(path('config.yaml'), JSON.stringify({ integrations: { declared } }))
  const configured = await startBroker(t, {
    loginHosts: [myDomain],
    dataDir: join(path('.'), 'data'),
    env: { VALETKEY_CONFIG: path('config.yaml') },
  })
  await eventually(async () => (await configured.call('GET', '/tokens/declared')).status === 200)
})

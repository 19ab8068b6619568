/** The configuration file with keys in OpenBao, which is away when a replica starts. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { startSimulator } from '../../simulator/simulator.ts'
import { generateKeyring } from '../../src/crypto/keyring.ts'
import { unlessProvided } from '../support/apt.ts'
import { startBroker } from '../support/broker.ts'
import { eventually } from '../support/eventually.ts'
import { OPENBAO, startBao, withTransit } from '../support/openbao.ts'
import { freePort } from '../support/redis.ts'
import { provideWheelProgram } from '../support/wheel-programs.ts'
import { boundTo } from './bound-world.ts'
import { signersFile } from './signing-world.ts'

t.setTimeout(60_000)
const skip = unlessProvided(await provideWheelProgram(OPENBAO, (line) => t.comment(line)))

const WAITING = ['kept', 'bound']

t.test('a declared integration waits for its signer, and no other does', { skip }, async (t) => {
  const simulator = await startSimulator()
  t.teardown(() => simulator.stop())
  const port = await freePort()
  const folder = t.testdir({ 'client-secret': 'a-secret-of-the-test', token: 'none' })
  const tokenFile = join(folder, 'token')
  const signers = await signersFile(folder, {
    vault: {
      ...{ type: 'vault_transit', address: `http://127.0.0.1:${port}`, keys: ['valetkey-*'] },
      auth: { type: 'token_file', token_file: tokenFile },
    },
  })
  const config = join(folder, 'config.yaml')
  const login_url = simulator.origins.myDomain
  const integrations = {
    kept: {
      login_url,
      grant: { type: 'jwt_bearer', client_id: '3MVG9.kept', username: 'billing@acme.com' },
      credential: { signer: { name: 'vault', key: 'valetkey-declared' }, generate: {} },
    },
    bound: {
      login_url,
      grant: { type: 'client_credentials', client_id: '3MVG9.bound' },
      credential: { client_secret_file: join(folder, 'client-secret') },
      ...boundTo({ name: 'vault', key: 'valetkey-proofs' }),
    },
    plain: {
      login_url,
      grant: { type: 'client_credentials', client_id: '3MVG9.plain' },
      credential: { client_secret_file: join(folder, 'client-secret') },
    },
  }
  await writeFile(config, JSON.stringify({ integrations }))
  const newDataDir = async () => {
    const dir = await mkdtemp(join(tmpdir(), 'valetkey-declared-'))
    t.teardown(() => rm(dir, { recursive: true, force: true }))
    return dir
  }
  const kept = await newDataDir()
  const keyring = generateKeyring(Date.now()).reveal()
  const start = (dataDir = kept) =>
    startBroker(t, {
      ...{ loginHosts: [login_url], dataDir, keyring },
      env: { VALETKEY_CONFIG: config, VALETKEY_SIGNERS: signers },
    })
  const first = await start()
  const stateOf = async ({ call }: Pick<typeof first, 'call'>, name: string) => {
    const { status, body } = await call('GET', `/integrations/${name}`)
    return status === 200 ? body.enabled : status
  }
  await eventually(async () => (await stateOf(first, 'plain')) === true)
  await eventually(() => first.logs().includes('a declared integration waits for its signer'))
  for (const name of WAITING) t.equal(await stateOf(first, name), 404, 'it is not disabled either')

  const bao = await startBao(t, { port })
  // It is there, and it refuses: nobody has made the key yet.
  const refused = await start(await newDataDir())
  await eventually(() => refused.logs().includes('a declared integration waits for its signer'))
  for (const name of WAITING) t.equal(await stateOf(refused, name), 404, 'as for one that is away')
  await withTransit(bao, ['valetkey-declared'])
  await bao.call('POST', 'transit/keys/valetkey-proofs', { type: 'ecdsa-p256' })
  await writeFile(tokenFile, await bao.tokenOf('valetkey'))
  for (const one of [first, refused]) {
    for (const name of WAITING) await eventually(async () => (await stateOf(one, name)) === true)
  }
  await first.stop()

  bao.child.kill('SIGKILL')
  await eventually(() => bao.child.signalCode !== null)
  const second = await start()
  await eventually(async () => (await second.call('GET', '/readyz')).status === 200)
  for (const name of [...WAITING, 'plain']) t.equal(await stateOf(second, name), true, name)
  t.notMatch(second.logs(), 'waits for its signer')
})

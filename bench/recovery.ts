/** Salesforce is away and comes back, and one app's org is ill beside others: how soon, and for whom, there are tokens again. */
import { Agent } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Fault } from '../simulator/faults.ts'
import type { LogEntry } from '../simulator/request-log.ts'
import { startRedis } from '../test/support/redis.ts'
import { newSigningKey } from '../test/support/signing-key.ts'
import { ask } from './ask.ts'
import { exactly, type Figure } from './figure.ts'
import { programsOf, withOrWithout } from './openbao-rows.ts'
import { addToOpenbao, openbaoPath, startOpenbao } from './peers/openbao.ts'
import { OPENBAO_NAME, type OpenbaoPrograms } from './peers/openbao-programs.ts'
import { type MeasuredBroker, prepareSetting, type Setting, type Teardown } from './setting.ts'

export interface RecoveryOptions {
  readonly awaySeconds: number
}

/** How it is away. */
const OUTAGES: readonly { readonly id: string; readonly what: string; readonly fault: Fault }[] = [
  { id: 'reset', what: 'resets every connection', fault: { kind: 'reset' } },
  { id: 'html', what: 'answers every request with 503', fault: { kind: 'html' } },
]

/** A caller asks again so long after an answer. */
const PAUSE_MS = 100
/** Until then there was a token again, or the measurement ends. */
const DEADLINE_MS = 120_000
const OTHERS = 15
/** From one first read of another org to the next. */
const OTHERS_PAUSE_MS = 200
/** The orgs that the simulator has addresses for, beside its first two. */
const ORGS = 8

/** One that hands out tokens: a replica, a fleet or a peer. */
interface Service {
  readonly id: string
  readonly what: string
  readonly isOurs: boolean
  readonly headers: Readonly<Record<string, string>>
  /** Of each of its replicas. */
  urls(name: string): readonly string[]
  /** An app of the client credentials grant, whose token nobody has yet. Gives its client id. */
  add(name: string): Promise<string>
  /** One of another org behind the same login host, where it can do that; else as `add`. */
  addOfOrg(name: string, org: OrgSeed): Promise<string>
}

interface OrgSeed {
  readonly orgId: string
  readonly username: string
}

export async function measureRecovery(
  t: Teardown,
  options: RecoveryOptions,
): Promise<readonly Figure[]> {
  return withOrWithout(await programsOf(), (programs) => measureWith(t, programs, options))
}

async function measureWith(
  t: Teardown,
  programs: OpenbaoPrograms | undefined,
  { awaySeconds }: RecoveryOptions,
): Promise<readonly Figure[]> {
  const setting = await prepareSetting(t)
  const services = await startServices(t, setting, programs)
  const agent = new Agent({ keepAlive: true })
  t.teardown(() => agent.destroy())
  const figures: Figure[] = []
  for (const outage of OUTAGES) {
    figures.push(...(await measureOutage(setting, services, agent, { ...outage, awaySeconds })))
  }
  const orgs = addOrgs(setting)
  for (const service of services) figures.push(await measureIllOrg(setting, orgs, service, agent))
  return figures
}

async function startServices(
  t: Teardown,
  setting: Setting,
  programs: OpenbaoPrograms | undefined,
): Promise<readonly Service[]> {
  const { simulator, authorization } = setting
  const hosts = simulator.addresses.map((address) => `http://${address}:${simulator.port}`)
  const env = { VALETKEY_LOGIN_HOSTS: hosts.join(',') }
  const redis = await startRedis()
  t.teardown(() => redis.stop())
  const { privateKey, certificate } = await newSigningKey()
  const start = (redisUrl?: string) =>
    setting.broker({ isProbed: false, env, ...(redisUrl !== undefined && { redisUrl }) })
  const ours = (id: string, what: string, replicas: readonly MeasuredBroker[]): Service => ({
    ...{ id, what, isOurs: true, headers: { authorization } },
    urls: (name) => replicas.map(({ url }) => `${url}/tokens/${name}`),
    async add(name) {
      const app = simulator.addClientCredentialsApp({ name })
      const grant = { type: 'client_credentials', client_id: app.clientId }
      const credential = { client_secret: app.clientSecret }
      await put(replicas, name, { login_url: app.loginUrl, grant, credential })
      return app.clientId
    },
    async addOfOrg(name, org) {
      const app = simulator.addJwtApp({ ...org, name, certificatePem: certificate })
      const { clientId, username, audience } = app
      const grant = { type: 'jwt_bearer', client_id: clientId, username, audience }
      const credential = { private_key: privateKey, certificate }
      await put(replicas, name, { login_url: simulator.origins.login, grant, credential })
      return clientId
    },
  })
  const services = [
    ours('embedded', 'embedded store', [await start()]),
    ours('redis', 'two replicas on Redis', [await start(redis.url), await start(redis.url)]),
  ]
  if (!programs) return services
  const bao = await startOpenbao(t, setting, programs)
  const add = async (name: string) => {
    const app = simulator.addClientCredentialsApp({ name })
    await addToOpenbao(simulator, bao, [app])
    return app.clientId
  }
  const peer: Service = {
    ...{ id: 'openbao', what: OPENBAO_NAME, isOurs: false, headers: bao.headers },
    urls: (name) => [bao.url + openbaoPath(name)],
    ...{ add, addOfOrg: add },
  }
  return [...services, peer]
}

async function put(
  [replica]: readonly MeasuredBroker[],
  name: string,
  definition: object,
): Promise<void> {
  const answer = await replica?.process.call('PUT', `/integrations/${name}`, { body: definition })
  if (answer?.status !== 201) throw new Error(`PUT ${name}: ${JSON.stringify(answer?.body)}`)
}

/** Each with a user. */
function addOrgs({ simulator }: Setting): readonly OrgSeed[] {
  return Array.from({ length: ORGS }, (_, index) => {
    const { id: orgId } = simulator.addOrg({ myDomain: `org${index}` })
    const username = `billing@org${index}.com`
    simulator.addUser({ username, orgId })
    return { orgId, username }
  })
}

/** Asks on and on. `until` says when it is enough. */
async function askOn(
  agent: Agent,
  url: string,
  headers: Service['headers'],
  until: (status: number) => boolean,
): Promise<number> {
  for (const startedAt = Date.now(); ; await sleep(PAUSE_MS)) {
    const { status } = await ask(url, { agent, headers })
    const at = Date.now()
    if (until(status)) return at
    if (at - startedAt > DEADLINE_MS) throw new Error(`${url}: still ${status}`)
  }
}

/** All of them live through the same outage. */
async function measureOutage(
  { simulator }: Setting,
  services: readonly Service[],
  agent: Agent,
  outage: (typeof OUTAGES)[number] & RecoveryOptions,
): Promise<readonly Figure[]> {
  const { id, what, fault, awaySeconds } = outage
  const clientIds = new Map<Service, string>()
  for (const service of services) clientIds.set(service, await service.add(`away-${id}`))
  simulator.clear()
  const away = simulator.addFault({ ...fault, endpoint: 'any', times: null })
  let backAt = Number.POSITIVE_INFINITY
  const recovering = services.map(({ urls, headers }) =>
    Promise.all(
      urls(`away-${id}`).map((url) =>
        askOn(agent, url, headers, (status) => status === 200 && Date.now() >= backAt),
      ),
    ),
  )
  const recovered = Promise.all(recovering)
  await Promise.race([sleep(awaySeconds * 1_000), recovered])
  const tried = simulator.tokenRequests()
  away.remove()
  backAt = Date.now()
  const times = await recovered
  return services.flatMap((service, index): readonly Figure[] => {
    const of = `Salesforce ${what} for ${awaySeconds} s; ${service.what}`
    const clientId = clientIds.get(service)
    const probes = tried.filter((entry) => claimedBy(entry) === clientId).length
    return [
      {
        id: `${id}-back-${service.id}`,
        what: `first token after it is back, s: ${of}`,
        // Of a fleet, the replica that was the last.
        spread: exactly((Math.max(...(times[index] ?? [])) - backAt) / 1_000),
        digits: 1,
        ...(service.isOurs && { target: { atMost: 2 } }),
      },
      {
        id: `${id}-probes-${service.id}`,
        what: `requests a second that reached it meanwhile: ${of}`,
        spread: exactly(probes / awaySeconds),
        digits: 2,
        ...(service.isOurs && { target: { atMost: 1 } }),
      },
    ]
  })
}

function claimedBy({ form, headers }: LogEntry): string | undefined {
  const basic = /^Basic +(\S+)$/i.exec(headers.authorization ?? '')?.[1]
  if (basic === undefined) return form?.client_id
  return decodeURIComponent(Buffer.from(basic, 'base64').toString().split(':')[0] ?? '')
}

/** One app gets 503, and callers ask for it on and on. Others, at the same login host, are read for the first time. */
async function measureIllOrg(
  { simulator }: Setting,
  orgs: readonly OrgSeed[],
  service: Service,
  agent: Agent,
): Promise<Figure> {
  const names = Array.from({ length: OTHERS + 1 }, (_, index) => `org-${index}`)
  const clientIds: string[] = []
  for (const [index, name] of names.entries()) {
    clientIds.push(await service.addOfOrg(name, orgs[index % orgs.length] as OrgSeed))
  }
  const ill = simulator.addFault({ kind: 'html', times: null, clientId: clientIds[0] ?? '' })
  let isOver = false
  const [illName = '', ...others] = names
  const asking = Promise.all(
    service.urls(illName).map((url) => askOn(agent, url, service.headers, () => isOver)),
  )
  let refused = 0
  for (const [index, name] of others.entries()) {
    await sleep(OTHERS_PAUSE_MS)
    const urls = service.urls(name)
    const { status } = await ask(urls[index % urls.length] ?? '', { agent, ...service })
    if (status !== 200) refused += 1
  }
  isOver = true
  await asking
  ill.remove()
  return {
    id: `ill-refused-${service.id}`,
    what: `one app's org answers 503; refused first reads of ${OTHERS} others at the same login host; ${service.what}`,
    spread: exactly(refused),
    digits: 0,
    ...(service.isOurs && { target: { atMost: 0 } }),
  }
}

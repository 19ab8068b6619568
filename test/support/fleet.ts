/** Several real brokers on one real Redis, with the simulator in this process. */
import type { AppSeed, NewAppSeed, Simulator } from '../../simulator/handle.ts'
import { startSimulator } from '../../simulator/simulator.ts'
import type { Environment } from '../../src/config/config.ts'
import { generateKeyring } from '../../src/crypto/keyring.ts'
import { type BrokerProcess, newAdminKey, startBrokerProcess } from './broker.ts'
import type { Call } from './caller.ts'
import { eventually } from './eventually.ts'
import { type FaultProxy, startFaultProxy } from './fault-proxy.ts'
import { freePort, type RedisServer, startRedis } from './redis.ts'

interface Teardown {
  teardown(end: () => unknown): void
}

export interface FleetOptions {
  readonly replicas: number
  /** Stands between each broker and Redis. Default false. */
  readonly proxied?: boolean
  /** Each replica serves its metrics on a port of its own. Default false. */
  readonly metered?: boolean
  readonly settings?: Parameters<Simulator['configure']>[0]
  readonly env?: Environment
  /** More arguments of node, for each replica in turn. */
  readonly nodeArgs?: readonly (readonly string[])[]
  readonly redisArgs?: readonly string[]
  /** Default: that of all tests. */
  readonly redisProgram?: string
}

export interface Replica {
  readonly url: string
  readonly pid: number
  /** 0 unless the fleet is metered. */
  readonly metricsPort: number
  readonly call: Call
  /** Only where the fleet is proxied. */
  readonly proxy: FaultProxy
  /** Of every process that this replica has been. */
  output(): string
  signal(signal: 'SIGSTOP' | 'SIGCONT' | 'SIGUSR2'): void
  kill(): Promise<void>
  /** Ends it with the signal, and starts another in its place, on another port. Gives how long the end took. */
  restart(signal?: 'SIGTERM' | 'SIGKILL'): Promise<number>
}

export interface Fleet {
  readonly simulator: Simulator
  readonly redis: RedisServer
  readonly replicas: readonly Replica[]
  readonly key: string
  replica(index: number): Replica
  urls(): readonly string[]
  /** Calls the first replica. */
  readonly call: Call
  /** An integration of its own app, so of its own token; made through the first replica. */
  integrate(name: string, options?: IntegrationOptions): Promise<AppSeed>
  /** What Salesforce was asked for this app. */
  mints(app: Pick<AppSeed, 'clientId'>): number
}

export interface IntegrationOptions {
  readonly app?: NewAppSeed | AppSeed
  /** More members of the integration. */
  readonly members?: Readonly<Record<string, unknown>>
}

export async function startFleet(t: Teardown, options: FleetOptions): Promise<Fleet> {
  const simulator = await startSimulator({ settings: options.settings ?? {} })
  t.teardown(() => simulator.stop())
  const { redisProgram: program } = options
  const redis = await startRedis({ args: options.redisArgs ?? [], ...(program && { program }) })
  t.teardown(() => redis.stop())
  const key = newAdminKey()
  const env = {
    VALETKEY_KEYRING: generateKeyring(Date.now()).reveal(),
    VALETKEY_LOGIN_HOSTS: simulator.addresses
      .map((address) => `http://${address}:${simulator.port}`)
      .join(','),
    VALETKEY_REDIS_URL: redis.url,
    ...options.env,
  }
  const start = async (index: number): Promise<Replica> => {
    const proxy = options.proxied ? await startFaultProxy(redis.port) : undefined
    if (proxy) t.teardown(() => proxy.close())
    const nodeArgs = options.nodeArgs?.[index] ?? []
    const metricsPort = options.metered ? await freePort() : 0
    return startReplica(t, {
      env: {
        ...env,
        ...(proxy && { VALETKEY_REDIS_URL: proxy.url }),
        ...(options.metered && { VALETKEY_METRICS_PORT: String(metricsPort) }),
      },
      ...{ key, nodeArgs, proxy, metricsPort },
    })
  }
  const replicas = await Promise.all(Array.from({ length: options.replicas }, (_, i) => start(i)))
  const replica = (index: number): Replica => {
    const found = replicas[index]
    if (!found) throw new Error(`There is no replica ${index}`)
    return found
  }
  const call: Call = (...args) => replica(0).call(...args)

  return {
    ...{ simulator, redis, replicas, key, replica, call },
    urls: () => replicas.map(({ url }) => url),
    async integrate(name, { app = {}, members = {} } = {}) {
      const seed = 'clientSecret' in app ? app : simulator.addClientCredentialsApp({ name, ...app })
      const put = await call('PUT', `/integrations/${name}`, {
        body: {
          login_url: seed.loginUrl,
          grant: { type: 'client_credentials', client_id: seed.clientId },
          credential: { client_secret: seed.clientSecret },
          ...members,
        },
      })
      if (put.status !== 201) throw new Error(`PUT ${name}: ${JSON.stringify(put.body)}`)
      return seed
    },
    mints: ({ clientId }) =>
      simulator.tokenRequests().filter(({ form, headers }) => {
        const pair = Buffer.from(headers.authorization?.replace(/^Basic /, '') ?? '', 'base64')
        return form?.client_id === clientId || pair.toString('utf8').startsWith(`${clientId}:`)
      }).length,
  }
}

interface ReplicaOptions {
  readonly env: Environment
  readonly key: string
  readonly nodeArgs: readonly string[]
  readonly proxy: FaultProxy | undefined
  readonly metricsPort: number
}

async function startReplica(t: Teardown, options: ReplicaOptions): Promise<Replica> {
  const { env, key, nodeArgs, proxy, metricsPort } = options
  const begin = () => startBrokerProcess(t, { env, adminKey: key, nodeArgs })
  let former = ''
  let broker: BrokerProcess = await begin()
  return {
    metricsPort,
    get url() {
      return broker.url
    },
    get pid() {
      return broker.pid
    },
    call: (...args) => broker.call(...args),
    get proxy() {
      if (!proxy) throw new Error('The fleet has no proxies')
      return proxy
    },
    output: () => former + broker.output(),
    signal: (signal) => void broker.child.kill(signal),
    async kill() {
      await broker.kill('SIGKILL')
    },
    async restart(signal = 'SIGTERM') {
      const startedAt = performance.now()
      await broker.kill(signal)
      const tookMs = Math.round(performance.now() - startedAt)
      former += broker.output()
      broker = await begin()
      return tookMs
    },
  }
}

/** Until each replica says that it hears the store. */
export async function allHear({ replicas }: Fleet): Promise<void> {
  await eventually(async () => {
    const answers = await Promise.all(replicas.map(({ call }) => call('GET', '/readyz')))
    return answers.every(({ body }) =>
      body.checks.some(
        (check: { name: string; ok: boolean }) => check.name === 'store' && check.ok,
      ),
    )
  })
}

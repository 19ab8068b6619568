/** What the rendered objects promise to whoever runs them. */
import { readFileSync } from 'node:fs'
import t from 'tap'
import { parse } from 'yaml'
import { SETTINGS } from '../../src/config/setting.ts'
import { unlessProvided } from '../support/apt.ts'
import {
  type KubernetesObject,
  provideHelm,
  type RenderOptions,
  renderChart,
} from '../support/helm.ts'

const skip = unlessProvided(await provideHelm(console.error))
const CASES = ['default', 'redis', 'sentinel', 'cluster', 'ingress-tls', 'kubernetes-callers']
const EVERYTHING = 'everything'

/** Settings that the chart has no value for: those of the other store, and what a pod has no need to change. */
const LEFT_OUT = new Set([
  ...[
    'VALETKEY_DATA_DIR',
    'VALETKEY_AUDIT_FILE',
    'VALETKEY_WITNESS_FILE',
    'OTEL_EXPORTER_OTLP_TIMEOUT',
    'OTEL_SERVICE_NAME',
  ],
])

const rendered = new Map<string, Promise<readonly KubernetesObject[]>>()
/** Of a case of `helm/ci`, once. */
const objectsOf = (name: string): Promise<readonly KubernetesObject[]> => {
  const known = rendered.get(name) ?? renderChart({ values: [`ci/${name}-values.yaml`] })
  rendered.set(name, known)
  return known
}

const find = (objects: readonly KubernetesObject[], kind: string, name?: string) =>
  objects.find((one) => one.kind === kind && (name === undefined || one.metadata.name === name))

type Any = KubernetesObject[string]

const deploymentOf = (objects: readonly KubernetesObject[]): Any => find(objects, 'Deployment')
const podOf = (objects: readonly KubernetesObject[]): Any =>
  deploymentOf(objects).spec.template.spec
const envOf = (spec: Any): Readonly<Record<string, string>> =>
  Object.fromEntries(
    spec.containers[0].env.map(({ name, value }: { name: string; value: string }) => [name, value]),
  )

/** Of every object that starts pods. */
const podSpecs = (objects: readonly KubernetesObject[]): readonly Any[] =>
  objects.flatMap((object: Any) => {
    if (object.kind === 'Pod') return [object.spec]
    if (object.kind === 'Deployment') return [object.spec.template.spec]
    if (object.kind === 'CronJob') return [object.spec.jobTemplate.spec.template.spec]
    return []
  })

t.test('every pod passes the restricted Pod Security Standard', { skip }, async (t) => {
  for (const name of [...CASES, EVERYTHING]) {
    const specs = podSpecs(await objectsOf(name))
    t.ok(specs.length > 1, name)
    for (const spec of specs) {
      t.match(spec.securityContext, {
        ...{ runAsNonRoot: true, runAsUser: 65_532, runAsGroup: 65_532, fsGroup: 65_532 },
        fsGroupChangePolicy: 'OnRootMismatch',
        seccompProfile: { type: 'RuntimeDefault' },
      })
      t.equal(spec.enableServiceLinks, false, 'else a Service sets VALETKEY_PORT')
      for (const member of ['hostNetwork', 'hostPID', 'hostIPC', 'shareProcessNamespace']) {
        t.notOk(spec[member], member)
      }
      t.equal(spec.containers.length, 1)
      for (const container of spec.containers) {
        t.same(container.securityContext, {
          allowPrivilegeEscalation: false,
          readOnlyRootFilesystem: true,
          capabilities: { drop: ['ALL'] },
        })
        t.ok(container.resources.requests.memory && container.resources.limits.memory)
      }
      for (const volume of spec.volumes ?? []) t.notOk(volume.hostPath, volume.name)
    }
  }
})

t.test('every variable is a setting, and a secret one names a file', { skip }, async (t) => {
  const settings = Object.values(SETTINGS)
  const known = new Set(
    settings.flatMap(({ variable, secret }) => [variable, ...(secret ? [`${variable}_FILE`] : [])]),
  )
  for (const name of [...CASES, EVERYTHING]) {
    const env = envOf(podOf(await objectsOf(name)))
    for (const variable of Object.keys(env).filter((one) => one.startsWith('VALETKEY_'))) {
      t.ok(known.has(variable), variable)
    }
    for (const { variable } of settings.filter(({ secret }) => secret)) {
      const isPlainUrl = variable === 'VALETKEY_REDIS_URL' && name === 'cluster'
      t.equal(variable in env, isPlainUrl, `${name}: ${variable}`)
    }
  }
  const all = envOf(podOf(await objectsOf(EVERYTHING)))
  for (const { variable } of settings.filter((one) => !LEFT_OUT.has(one.variable))) {
    t.ok(variable in all || `${variable}_FILE` in all, `everything sets ${variable}`)
  }
})

t.test('every file that a variable names is mounted, read-only', { skip }, async (t) => {
  for (const name of [...CASES, EVERYTHING]) {
    for (const spec of podSpecs(await objectsOf(name))) {
      const [container] = spec.containers
      const files = new Set<string>()
      for (const { name: volume, mountPath, readOnly } of container.volumeMounts ?? []) {
        const { projected, secret, configMap } = spec.volumes.find(
          (one: Any) => one.name === volume,
        )
        if (secret || projected || configMap) t.equal(readOnly, true, `${name}: ${mountPath}`)
        if (secret ?? projected) t.equal((secret ?? projected).defaultMode, 0o440)
        for (const source of projected?.sources ?? []) {
          const { items = [source.serviceAccountToken] } = source.secret ?? {}
          for (const { path } of items) files.add(`${mountPath}/${path}`)
        }
        if (configMap) {
          for (const file of ['config.yaml', 'signers.yaml']) files.add(`${mountPath}/${file}`)
        }
        if (secret)
          for (const key of ['tls.crt', 'tls.key', 'ca.crt']) files.add(`${mountPath}/${key}`)
      }
      for (const { name: variable, value } of container.env ?? []) {
        if (/_FILE$|^VALETKEY_(?:CONFIG|SIGNERS)$/.test(variable))
          t.ok(files.has(value), `${name}: ${variable}`)
      }
    }
  }
})

t.test('a rolling update loses nothing', { skip }, async (t) => {
  const deployment = deploymentOf(await objectsOf('redis'))
  t.equal(deployment.spec.replicas, 3)
  t.same(deployment.spec.strategy, {
    type: 'RollingUpdate',
    rollingUpdate: { maxUnavailable: 0, maxSurge: 1 },
  })
  for (const [set, preStop] of [
    [[], 5],
    [['shutdown.preStopSeconds=30'], 30],
  ] as const) {
    const spec = podOf(await renderChart({ set: [...set] }))
    t.equal(spec.containers[0].lifecycle.preStop.sleep.seconds, preStop, 'no shell is needed')
    t.ok(spec.terminationGracePeriodSeconds >= preStop + 10 + 5, 'it stops within 10 s')
  }
})

t.test('the embedded store is used by one pod at a time', { skip }, async (t) => {
  const objects = await objectsOf('default')
  const { spec } = deploymentOf(objects)
  t.equal(spec.replicas, 1)
  t.same(spec.strategy, { type: 'Recreate' })
  const claim = find(objects, 'PersistentVolumeClaim')
  t.equal(claim?.metadata.annotations?.['helm.sh/resource-policy'], 'keep', 'the keyring is on it')
  const [data] = spec.template.spec.volumes.filter(({ name }: Any) => name === 'data')
  t.equal(data.persistentVolumeClaim.claimName, claim?.metadata.name)
  t.equal(envOf(spec.template.spec).VALETKEY_DATA_DIR, '/data/valetkey')
  t.notOk(find(objects, 'PodDisruptionBudget'), 'it would only hold up a drain')
  t.notOk(find(await objectsOf('redis'), 'PersistentVolumeClaim'))
})

t.test('probes look at what they are for, by the scheme that is served', { skip }, async (t) => {
  for (const [name, scheme] of [
    ['redis', 'HTTP'],
    ['ingress-tls', 'HTTPS'],
  ]) {
    const [container] = podOf(await objectsOf(name ?? '')).containers
    const at = (path: string) => ({ httpGet: { path, port: 'http', scheme } })
    t.match(container.livenessProbe, at('/livez'))
    t.match(container.startupProbe, at('/livez'), 'a store that is away is no reason to start anew')
    t.match(container.readinessProbe, at('/readyz'))
  }
})

t.test('replicas are spread, evicted one at a time, and scaled', { skip }, async (t) => {
  const objects = await objectsOf('cluster')
  t.equal(deploymentOf(objects).spec.replicas, undefined, 'the autoscaler says how many')
  t.same(
    podOf(objects).topologySpreadConstraints.map(({ topologyKey }: Any) => topologyKey),
    ['kubernetes.io/hostname', 'topology.kubernetes.io/zone'],
  )
  const { spec } = find(objects, 'HorizontalPodAutoscaler') as Any
  t.match(spec, { minReplicas: 3, maxReplicas: 9, scaleTargetRef: { kind: 'Deployment' } })
  t.equal(spec.scaleTargetRef.name, deploymentOf(objects).metadata.name)
  t.match(find(objects, 'PodDisruptionBudget')?.spec, { maxUnavailable: 1 })
})

t.test('selectors select the pods of the service, and no others', { skip }, async (t) => {
  const matches = (labels: Any, selector: Any) =>
    Object.entries(selector).every(([name, value]) => labels[name] === value)
  const objects = await objectsOf(EVERYTHING)
  const { labels } = deploymentOf(objects).spec.template.metadata
  const backup = (find(objects, 'CronJob') as Any).spec.jobTemplate.spec.template.metadata.labels
  const test = find(objects, 'Pod')?.metadata.labels
  const selectors = [
    deploymentOf(objects).spec.selector.matchLabels,
    find(objects, 'PodDisruptionBudget')?.spec.selector.matchLabels,
    ...objects.filter(({ kind }) => kind === 'Service').map(({ spec }) => spec.selector),
  ]
  t.equal(selectors.length, 4)
  for (const selector of selectors) {
    t.equal(matches(labels, selector), true)
    for (const other of [backup, test]) t.equal(matches(other, selector), false)
  }
  const policy = find(objects, 'NetworkPolicy')?.spec.podSelector.matchLabels
  for (const pod of [labels, backup]) t.equal(matches(pod, policy), true, 'both are shut in')
  t.equal(matches(test, policy), false)
  const monitor = find(objects, 'ServiceMonitor')?.spec
  const metrics = objects.filter(
    ({ kind, metadata }) =>
      kind === 'Service' && matches(metadata.labels, monitor.selector.matchLabels),
  )
  t.same(
    metrics.map(({ metadata }) => metadata.name),
    ['broker-metrics'],
  )
  t.equal(metrics[0]?.spec.ports[0].name, monitor.endpoints[0].port)
})

t.test('the network is closed but for what is needed', { skip }, async (t) => {
  const policyOf = async (options: RenderOptions): Promise<Any> =>
    find(await renderChart(options), 'NetworkPolicy')?.spec
  const portsOf = (rules: readonly Any[]) =>
    rules.flatMap(({ ports }) => ports.map(({ port }: Any) => port))
  const alone = await policyOf({})
  t.same(alone.policyTypes, ['Ingress', 'Egress'])
  t.same(portsOf(alone.ingress), ['http', 'metrics'])
  t.same(portsOf(alone.egress), [53, 53, 443])
  t.same(alone.ingress[0].from, [
    { namespaceSelector: {}, podSelector: { matchLabels: { 'valetkey-client': 'true' } } },
  ])
  for (const rule of [...alone.ingress, alone.egress[1]]) t.ok((rule.from ?? rule.to).length > 0)
  const [{ ipBlock }] = alone.egress[1].to
  for (const range of ['10.0.0.0/8', '169.254.0.0/16', '172.16.0.0/12', '192.168.0.0/16']) {
    t.ok(ipBlock.except.includes(range), `${range}: 443 of the cluster is closed`)
  }
  const full = await policyOf({ values: ['ci/everything-values.yaml'] })
  t.same(portsOf(full.egress), [53, 53, 443, 6379, 26_379, 443, 6443, 4318, 3128])
  t.same(full.egress[2].to, [{ ipBlock: { cidr: '10.2.0.0/24' } }])
  t.notOk(await policyOf({ set: ['networkPolicy.enabled=false'] }))
})

t.test('pods have a token of the cluster only for callers of the cluster', { skip }, async (t) => {
  for (const name of CASES) {
    const objects = await objectsOf(name)
    const isOn = name === 'kubernetes-callers'
    t.equal(podOf(objects).automountServiceAccountToken, isOn, name)
    t.equal(find(objects, 'ServiceAccount')?.automountServiceAccountToken, false)
  }
  const config = parse(
    find(await objectsOf('kubernetes-callers'), 'ConfigMap')?.data['config.yaml'],
  )
  t.same(config.issuers, [
    {
      issuer: 'https://kubernetes.default.svc.cluster.local',
      audience: 'valetkey',
      ca_file: '/var/run/secrets/kubernetes.io/serviceaccount/ca.crt',
      token_file: '/var/run/secrets/kubernetes.io/serviceaccount/token',
    },
  ])
  t.equal(config.callers.length, 2)
  const both = parse(find(await objectsOf(EVERYTHING), 'ConfigMap', 'broker')?.data['config.yaml'])
  t.equal(both.issuers.length, 2, 'beside issuers of one’s own')
})

t.test(
  'pods are replaced when the configuration changes, and not otherwise',
  { skip },
  async (t) => {
    const values = ['ci/kubernetes-callers-values.yaml']
    const checksum = async (...set: string[]) =>
      deploymentOf(await renderChart({ values, set })).spec.template.metadata.annotations[
        'checksum/config'
      ]
    const first = await checksum()
    t.match(first, /^[0-9a-f]{64}$/)
    t.equal(await checksum('replicaCount=5'), first)
    t.not(await checksum('config.callers[0].name=other'), first)
  },
)

t.test('the ingress ends TLS, and leads to the Service', { skip }, async (t) => {
  const objects = await objectsOf('ingress-tls')
  const { spec } = find(objects, 'Ingress') as Any
  t.same(spec.tls, [
    { hosts: ['valetkey.internal.example.com'], secretName: 'valetkey-ingress-tls' },
  ])
  const [path] = spec.rules[0].http.paths
  const service = find(objects, 'Service', path.backend.service.name)
  t.equal(path.backend.service.port.number, service?.spec.ports[0].port)
  t.equal(service?.spec.ports[0].targetPort, 'http')
})

t.test('alerts reach the operator as they are, with links to the runbooks', { skip }, async (t) => {
  const text = readFileSync(new URL('../../helm/files/alerts.yaml', import.meta.url), 'utf8')
  const values = ['ci/everything-values.yaml']
  const rules = async (runbooks: string) =>
    find(
      await renderChart({ values, set: [`metrics.prometheusRule.runbooks=${runbooks}`] }),
      'PrometheusRule',
    )?.spec
  t.same(await rules(''), parse(text))
  const linked = JSON.stringify(await rules('https://wiki.example.com/runbooks'))
  t.notMatch(linked, '"docs/runbooks.md')
  t.match(linked, '"https://wiki.example.com/runbooks#valetkeycertificateendsin14days"')
})

t.test(
  'the dashboard reaches Grafana as it is, with links to the runbooks',
  { skip },
  async (t) => {
    const text = readFileSync(new URL('../../helm/files/dashboard.json', import.meta.url), 'utf8')
    const values = ['ci/everything-values.yaml']
    const dashboard = async (runbooks: string) => {
      const set = [`metrics.prometheusRule.runbooks=${runbooks}`]
      return find(await renderChart({ values, set }), 'ConfigMap', 'broker-dashboard')
    }
    const config = await dashboard('')
    t.equal(config?.metadata.labels?.grafana_dashboard, '1')
    t.same(JSON.parse(config?.data['valetkey.json']), JSON.parse(text))
    const linked = (await dashboard('https://wiki.example.com/runbooks'))?.data['valetkey.json']
    t.notMatch(linked, '"docs/runbooks.md')
    t.match(linked, '"https://wiki.example.com/runbooks#valetkeystoreslow"')
  },
)

t.test('a digest goes before a tag', { skip }, async (t) => {
  const imageOf = async (...set: string[]) => podOf(await renderChart({ set })).containers[0].image
  const digest = `sha256:${'0'.repeat(64)}`
  t.match(await imageOf(), /^valetkey:\d/)
  t.equal(await imageOf('image.repository=r/v', 'image.tag=x'), 'r/v:x')
  t.equal(await imageOf('image.tag=x', `image.digest=${digest}`), `valetkey@${digest}`)
})

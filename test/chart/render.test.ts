/** Every way to run it that the chart has values for: linted, rendered, and held against Kubernetes' own schemas. */
import { readdirSync } from 'node:fs'
import t from 'tap'
import { unlessProvided } from '../support/apt.ts'
import { KUBERNETES, lintChart, provideHelm, renderChart } from '../support/helm.ts'
import { provideKubernetesSchemas, readKubernetesSchemas } from '../support/kubernetes-schemas.ts'
import { isOfMonitoring, monitoringMistakes } from '../support/monitoring-schemas.ts'

const skip =
  unlessProvided(await provideHelm(console.error)) ||
  unlessProvided(provideKubernetesSchemas(console.error))
const CASES = readdirSync(new URL('../../helm/ci', import.meta.url))
/** The oldest that the chart says it takes, and the newest that there are schemas of. */
const VERSIONS = ['1.30.0', KUBERNETES]

t.test('there is a case for each usual way', async (t) => {
  t.same(
    CASES.map((file) => file.replace('-values.yaml', '')),
    ['cluster', 'default', 'everything', 'ingress-tls', 'kubernetes-callers', 'redis', 'sentinel'],
  )
})

t.test('every case passes the linter, and every object its schema', { skip }, async (t) => {
  const schemas = VERSIONS.map(readKubernetesSchemas)
  const kinds = new Set<string>()
  for (const file of CASES) {
    const values = [`ci/${file}`]
    t.match(await lintChart({ values }), /0 chart\(s\) failed/, file)
    const objects = await renderChart({ values })
    t.ok(objects.length > 5, file)
    for (const object of objects) {
      kinds.add(object.kind)
      const mistakes = isOfMonitoring(object)
        ? monitoringMistakes(object)
        : schemas.flatMap((schema) => schema.mistakes(object))
      t.same(mistakes, [], `${file}: ${object.kind} ${object.metadata.name}`)
    }
    const names = objects.map(({ kind, metadata }) => `${kind} ${metadata.name}`)
    t.equal(new Set(names).size, names.length, `${file}: no name twice`)
  }
  t.same([...kinds].sort(), [
    ...['ConfigMap', 'CronJob', 'Deployment', 'HorizontalPodAutoscaler', 'Ingress'],
    ...['NetworkPolicy', 'PersistentVolumeClaim', 'Pod', 'PodDisruptionBudget'],
    ...['PrometheusRule', 'Service', 'ServiceAccount', 'ServiceMonitor'],
  ])
})

t.test('what may be turned off leaves a whole', { skip }, async (t) => {
  const off = ['metrics', 'networkPolicy', 'persistence', 'podDisruptionBudget']
  const set = [...off.map((part) => `${part}.enabled=false`), 'serviceAccount.create=false']
  const objects = await renderChart({ set })
  t.same(objects.map(({ kind }) => kind).sort(), ['Deployment', 'Pod', 'Service'])
  const schemas = VERSIONS.map(readKubernetesSchemas)
  for (const object of objects) {
    t.same(
      schemas.flatMap((schema) => schema.mistakes(object)),
      [],
      object.kind,
    )
  }
  const deployment = objects.find(({ kind }) => kind === 'Deployment')
  const { env } = deployment?.spec.template.spec.containers[0] ?? {}
  t.match(env, [{}, {}, { name: 'VALETKEY_METRICS_PORT', value: '0' }])
})

t.test('the longest name of a release gives names that Kubernetes takes', { skip }, async (t) => {
  const values = ['ci/everything-values.yaml']
  const objects = await renderChart({ values, set: ['fullnameOverride='], release: 'r'.repeat(53) })
  for (const { kind, metadata } of objects) {
    const longest = kind === 'CronJob' ? 52 : 63
    t.ok(metadata.name.length <= longest, `${kind} ${metadata.name}`)
  }
})

t.test('the schemas refuse what a kind does not have', { skip }, async (t) => {
  const objects = await renderChart()
  const [schema] = VERSIONS.map(readKubernetesSchemas)
  for (const [kind, spoil] of Object.entries({
    Deployment: { template: { spec: { containers: [{ name: 'a', imagePulPolicy: 'Always' }] } } },
    Service: { ports: [{ port: 'eighty' }] },
    NetworkPolicy: { podSelector: {}, ingres: [] },
  })) {
    const object = objects.find((one) => one.kind === kind)
    t.ok(object && schema && schema.mistakes({ ...object, spec: spoil }).length > 0, kind)
  }
})

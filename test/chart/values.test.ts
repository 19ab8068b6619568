/** What the chart refuses, and that its values, their schema and their documentation agree. */
import { readFileSync } from 'node:fs'
import t from 'tap'
import { parse } from 'yaml'
import { SETTINGS } from '../../src/config/setting.ts'
import { unlessProvided } from '../support/apt.ts'
import { valueRows } from '../support/chart-docs.ts'
import { provideHelm, renderChart } from '../support/helm.ts'

const skip = unlessProvided(await provideHelm(console.error))
const REDIS = ['redis.existingSecret=r', 'keyring.existingSecret=k', 'adminKey.existingSecret=a']

const read = (path: string) => readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8')

interface Schema {
  readonly type?: string | readonly string[]
  readonly additionalProperties?: unknown
  readonly properties?: Readonly<Record<string, Schema>>
  readonly $ref?: string
  readonly $defs?: Readonly<Record<string, Schema>>
}

const root = JSON.parse(read('helm/values.schema.json')) as Schema

const resolved = (schema: Schema): Schema =>
  schema.$ref ? (root.$defs?.[schema.$ref.split('/').at(-1) ?? ''] ?? {}) : schema

t.test('the chart, the image and the package have one version', async (t) => {
  const { version } = JSON.parse(read('package.json')) as { version: string }
  t.equal(parse(read('helm/Chart.yaml')).appVersion, version)
  t.match(read('Dockerfile'), `\nARG VERSION=${version}\n`)
})

t.test('every value is in the schema', async (t) => {
  const rows = valueRows()
  t.ok(rows.length > 80)
  for (const { path } of rows) {
    let schema: Schema | undefined = root
    for (const name of path.split('.')) schema = schema && resolved(schema).properties?.[name]
    t.ok(schema, path)
  }
})

t.test('every member of the schema is a value, and none takes unknown ones', async (t) => {
  const paths = new Set(valueRows().map(({ path }) => path))
  const walk = (schema: Schema, path: string) => {
    if (paths.has(path) || path === 'global') return
    t.equal(schema.additionalProperties, false, path)
    const members = Object.entries(schema.properties ?? {})
    t.ok(members.length > 0, `${path} is in values.yaml`)
    for (const [name, member] of members) {
      walk(resolved(member), path === '' ? name : `${path}.${name}`)
    }
  }
  walk(root, '')
})

/** `why`: Helm 3.18 words a breach of the schema in another way than those before it. */
const refused = (t: import('tap').Test, set: readonly string[], why: RegExp) =>
  t.rejects(renderChart({ set }), { message: why }, set.join(' '))

t.test('more than one replica needs Redis', { skip }, async (t) => {
  await refused(t, ['replicaCount=2'], /replicaCount.*(maximum|less than or equal to 1)/s)
  await refused(t, ['autoscaling.enabled=true'], /autoscaling/)
  await renderChart({ set: [...REDIS, 'replicaCount=2'] })
  await renderChart({ set: [...REDIS, 'autoscaling.enabled=true'] })
})

t.test('Redis needs a keyring, and somebody who may do everything', { skip }, async (t) => {
  await refused(t, ['redis.existingSecret=r', 'adminKey.existingSecret=a'], /keyring/)
  await refused(t, ['redis.existingSecret=r', 'keyring.existingSecret=k'], /adminKey/)
  await renderChart({ set: ['redis.url=redis://redis:6379', ...REDIS.slice(1)] })
})

t.test('what is not known, or not of its form, is refused', { skip }, async (t) => {
  await refused(t, ['replicas=2'], /replicas/)
  await refused(t, ['settings.logLevel=loud'], /logLevel/)
  await refused(t, ['image.digest=latest'], /digest/)
  await refused(t, ['service.port=0'], /port/)
  await refused(t, ['secretMounts[0].secretName=a,secretMounts[0].mountPath=/app'], /mountPath/)
  await refused(t, ['ingress.enabled=true,ingress.host=a.example.com'], /tlsSecret/)
  await refused(t, ['webhook.url=https://hooks.example.com'], /webhook/)
  await refused(t, ['tls.clientCaKey=ca.crt'], /tls/)
  await refused(t, [...REDIS, 'backup.enabled=true'], /existingClaim/)
  await refused(t, [...REDIS, 'redis.url=redis://redis:6379'], /url|existingSecret/)
})

t.test('no secret can be written into the values', { skip }, async (t) => {
  await refused(t, ['redis.url=redis://:password@redis:6379', ...REDIS.slice(1)], /redis[./]url/)
  await refused(t, ['proxy.url=http://user:password@proxy:3128'], /proxy[./]url/)
  for (const { variable } of Object.values(SETTINGS).filter(({ secret }) => secret)) {
    const set = [`extraEnv[0].name=${variable}`]
    await refused(t, [...set, 'extraEnv[0].value=secret'], /extraEnv/)
    await renderChart({ set: [...set, 'extraEnv[0].valueFrom.secretKeyRef.name=a'] })
  }
  for (const member of [
    'private_key',
    'keystore',
    'passphrase',
    'client_secret',
    'refresh_token',
  ]) {
    const set = [`config.integrations.billing.credential.${member}=secret`]
    await refused(t, set, /credential must not be in a ConfigMap/)
  }
})

import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, normalize, relative } from 'node:path'
import t from 'tap'

const SRC = new URL('../../src/', import.meta.url).pathname

/** A file may import its own folder and anything to the left. */
const ORDER = [
  'errors',
  'crypto',
  'store',
  'http',
  'callers',
  'audit',
  'grants',
  'credentials',
  'integrations',
  'custody',
  'setup',
  'identity',
  'tokens',
  'usage',
  'connections',
  'doctor',
  'rotation',
  'keyring',
  'webhooks',
  'tracing',
  'metrics',
  'config',
  'logger',
  'app',
  'backup',
  'process',
  'valetkey',
]

/** Who may know a library that shapes what it touches. */
const LIBRARIES: Readonly<Record<string, RegExp>> = {
  fastify: /^(app\/app|http\/.*|callers\/index|.*\/routes)\.ts$/,
  '@fastify/swagger': /^http\/(openapi\/openapi|pages\/docs-page)\.ts$/,
  ioredis: /^store\/redis.*\.ts$/,
  'node:sqlite': /^store\/embedded\/.*\.ts$/,
  '@opentelemetry/api': /^tracing\/.*\.ts$/,
  '@opentelemetry/sdk-trace-base': /^tracing\/exporter\.ts$/,
  'prom-client': /^metrics\/process-metrics\.ts$/,
  standardwebhooks: /^webhooks\/webhook-sender\.ts$/,
  fflate: /^setup\/archive\.ts$/,
  undici: /^http\/outbound\/(outbound|ways|connecting)\.ts$/,
  oauth4webapi: /^grants\/token-endpoint\/(token-endpoint|client-auth)\.ts$/,
}

const files = readdirSync(SRC, { recursive: true, encoding: 'utf8' }).filter((file) =>
  /\.(ts|js)$/.test(file),
)

const importsOf = (file: string): readonly string[] =>
  [...readFileSync(join(SRC, file), 'utf8').matchAll(/(?:from|import)\s*\(?\s*'([^']+)'/g)].map(
    ([, source = '']) => source,
  )

const placeOf = (file: string) => (file.split('/')[0] ?? '').replace(/\.(ts|js)$/, '')

t.test('every file of src stands in the order of imports', async (t) => {
  t.ok(files.length > 30)
  for (const file of files) t.ok(ORDER.includes(placeOf(file)), file)
})

t.test('no file imports anything to its right', async (t) => {
  for (const file of files) {
    for (const source of importsOf(file).filter((one) => one.startsWith('.'))) {
      const target = relative('.', normalize(join(dirname(file), source)))
      const ahead = ORDER.indexOf(placeOf(target)) - ORDER.indexOf(placeOf(file))
      t.ok(ahead <= 0, `${file} imports ${target}`)
    }
  }
})

t.test('libraries stay behind the files that own them', async (t) => {
  for (const file of files) {
    for (const source of importsOf(file)) {
      const owners = LIBRARIES[source]
      if (owners) t.match(file, owners, `${file} imports ${source}`)
    }
  }
})

/** The processes that are started by name. */
const ENTRIES = ['process/main.ts', 'process/healthcheck.ts']

t.test('only entries read the environment of the process', async (t) => {
  for (const file of files.filter((one) => !ENTRIES.includes(one))) {
    t.notMatch(readFileSync(join(SRC, file), 'utf8'), /process\.env/, file)
  }
})

t.test('files stay under 300 lines', async (t) => {
  for (const file of files) {
    t.ok(readFileSync(join(SRC, file), 'utf8').split('\n').length <= 301, file)
  }
})

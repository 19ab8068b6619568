import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, normalize, relative } from 'node:path'
import t from 'tap'

const ROOT = new URL('../../', import.meta.url).pathname
const SRC = join(ROOT, 'src')

/** A file may import its own folder and anything to the left. */
const ORDER = [
  'client',
  'errors',
  'runtime',
  'crypto',
  'store',
  'http',
  'callers',
  'audit',
  'signers',
  'dpop',
  'grants',
  'credentials',
  'integrations',
  'custody',
  'setup',
  'identity',
  'freezes',
  'tokens',
  'usage',
  'doors',
  'gateway',
  'connections',
  'doctor',
  'rotation',
  'keyring',
  'webhooks',
  'service',
  'status',
  'tracing',
  'metrics',
  'config',
  'logger',
  'app',
  'backup',
  'command',
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
  '@aws-sdk/client-kms': /^signers\/kms-asking\.ts$/,
  pkcs11js: /^signers\/pkcs11\/(hsm-token|pkcs11-worker)\.ts$/,
  fflate: /^setup\/archive\.ts$/,
  commander: /^command\/program\.ts$/,
  undici: /^http\/outbound\/(outbound|ways|connecting)\.ts$/,
  oauth4webapi: /^grants\/token-endpoint\/(token-endpoint|client-auth)\.ts$/,
}

const filesOf = (folder: string) =>
  readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((file) =>
    /\.(ts|js)$/.test(file),
  )

const files = filesOf(SRC)

const importsOf = (file: string, folder = SRC): readonly string[] =>
  [...readFileSync(join(folder, file), 'utf8').matchAll(/(?:from|import)\s*\(?\s*'([^']+)'/g)].map(
    ([, source = '']) => source,
  )

/** The files of a folder that import each other in a circle, and those between two circles. Imports of types count. */
function circlesIn(folder: string): readonly string[] {
  const imports = new Map(
    filesOf(folder).map((file) => {
      const own = importsOf(file, folder).filter((source) => source.startsWith('.'))
      return [file, own.map((source) => normalize(join(dirname(file), source)))]
    }),
  )
  for (;;) {
    const imported = new Set([...imports.values()].flat())
    const isEnd = ([file, targets]: [string, string[]]) =>
      !imported.has(file) || !targets.some((target) => imports.has(target))
    const ends = [...imports].filter(isEnd)
    if (ends.length === 0) return [...imports.keys()]
    for (const [file] of ends) imports.delete(file)
  }
}

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

/** What a remote command may load: a start takes as long as what it loads. */
const LIGHT_OUTSIDE = ['config/config-error.ts', 'config/yaml-text.ts']
const isLight = (file: string) => /^(?:client|command)\//.test(file) || LIGHT_OUTSIDE.includes(file)

t.test('the command line and the client load no code of the service', async (t) => {
  for (const file of files.filter(isLight)) {
    for (const source of importsOf(file).filter((one) => one.startsWith('.'))) {
      const target = normalize(join(dirname(file), source))
      const may = file.startsWith('client/') ? target.startsWith('client/') : isLight(target)
      t.ok(may, `${file} imports ${target}`)
    }
  }
})

t.test('no file imports anything outside of src', async (t) => {
  for (const file of files) {
    const text = readFileSync(join(SRC, file), 'utf8')
    const outside = [
      ...text.matchAll(/(?:from|import|require)\s*\(?\s*["'`](\.\.?\/[^"'`]*)["'`]/g),
    ]
      .map(([, source = '']) => normalize(join(dirname(file), source)))
      .filter((target) => target.startsWith('..') || !files.includes(target))
    t.same(outside, [], file)
  }
})

for (const folder of ['src', 'tools', 'simulator']) {
  t.test(`no files of ${folder} import each other in a circle`, async (t) => {
    t.same(circlesIn(join(ROOT, folder)), [])
  })
}

t.test('libraries stay behind the files that own them', async (t) => {
  for (const file of files) {
    for (const source of importsOf(file)) {
      const owners = LIBRARIES[source]
      if (owners) t.match(file, owners, `${file} imports ${source}`)
    }
  }
})

/** The processes that are started by name. */
const ENTRIES = ['valetkey.js', 'process/main.ts', 'process/healthcheck.ts']

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

const FOLDER_FILES_MAX = 20

t.test('folders stay small enough to read', async (t) => {
  const counts = new Map<string, number>()
  for (const file of files) counts.set(dirname(file), (counts.get(dirname(file)) ?? 0) + 1)
  for (const [folder, count] of counts) {
    t.ok(count <= FOLDER_FILES_MAX, `${folder} has ${count} files`)
  }
})

/** `npm run build`, first part: makes `dist/`, or the folder that is named, which the image and the package run instead of the sources. */
import { execFileSync, spawnSync } from 'node:child_process'
import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { build } from 'esbuild'
import { POSITIONS, SOURCES } from '../src/process/source-positions.ts'
import { COMMIT } from '../src/process/version.ts'
import { noticesOf } from './notices.ts'
import { segmentsOf } from './source-map.ts'

const ROOT = join(import.meta.dirname, '..')
const DIST = resolve(process.argv[2] ?? join(ROOT, 'dist'))

/** Not in the bundle, because few processes need them, or because they read files of their own. */
const APART = ['@opentelemetry/*', '@aws-sdk/*', '@fastify/swagger-ui']
/** An optional package with a native part. */
const NATIVE = ['pkcs11js']

const COMMON = {
  absWorkingDir: ROOT,
  outdir: DIST,
  bundle: true,
  platform: 'node',
  target: 'node24',
  legalComments: 'none',
  logLevel: 'warning',
} as const

const SCRIPT = {
  format: 'cjs',
  outExtension: { '.js': '.cjs' },
  // V8 keeps the text of a script in memory. Names stay, because stack traces show them.
  minifyWhitespace: true,
  minifySyntax: true,
  // Node prints the line of an error that nobody catches.
  lineLimit: 120,
} as const

rmSync(DIST, { recursive: true, force: true })
const { metafile } = await build({
  ...COMMON,
  ...SCRIPT,
  entryPoints: { main: join(ROOT, 'src/process/local.ts') },
  external: APART,
  metafile: true,
  // What is apart is required: V8 would need an experimental loader of Node for `import()`.
  supported: { 'dynamic-import': false },
  define: { 'import.meta.url': 'importMetaUrl' },
  // One function, which `src/process/bundle.ts` calls.
  banner: { js: '(function (module, require, importMetaUrl) {' },
  footer: { js: '})' },
  sourcemap: 'external',
  sourcesContent: false,
})
const workers = await build({
  ...COMMON,
  ...SCRIPT,
  entryPoints: {
    'keystore-worker': join(ROOT, 'src/crypto/keystore-worker.ts'),
    'pkcs11-worker': join(ROOT, 'src/signers/pkcs11/pkcs11-worker.ts'),
  },
  external: NATIVE,
  metafile: true,
})
await build({
  ...COMMON,
  entryPoints: {
    start: join(ROOT, 'src/process/bundle.ts'),
    healthcheck: join(ROOT, 'src/process/healthcheck.ts'),
  },
  format: 'esm',
})

// The command line alone: most commands start without the code of the service, and load only their own part.
const command = await build({
  ...COMMON,
  outdir: join(DIST, 'command'),
  entryPoints: { main: join(ROOT, 'src/process/main.ts') },
  format: 'esm',
  splitting: true,
  // A library that is CommonJS requires modules of Node.
  banner: {
    js: "import{createRequire as requireAt}from'node:module';const require=requireAt(import.meta.url);",
  },
  minifyWhitespace: true,
  minifySyntax: true,
  metafile: true,
})
await build({
  ...COMMON,
  entryPoints: { client: join(ROOT, 'src/client/index.ts') },
  format: 'esm',
  platform: 'neutral',
})
declareClient()
writeFileSync(join(DIST, COMMIT), commitHere())

const inputs = [metafile, workers.metafile, command.metafile].flatMap((one) =>
  Object.keys(one.inputs),
)
writeFileSync(join(DIST, 'LICENSES.txt'), noticesOf(ROOT, inputs))

const script = readFileSync(join(DIST, 'main.cjs'))
if (script.some((byte) => byte > 0x7f)) {
  // V8 would keep two bytes for each character.
  throw new Error('dist/main.cjs has characters that are not ASCII: write them as escapes')
}
writePositions(JSON.parse(readFileSync(join(DIST, 'main.cjs.map'), 'utf8')))
rmSync(join(DIST, 'main.cjs.map'))

function declareClient(): void {
  const tsc = join(ROOT, 'node_modules/.bin/tsc')
  const args = ['--project', 'tools/client.tsconfig.json', '--outDir', join(DIST, 'client')]
  execFileSync(tsc, args, { cwd: ROOT, stdio: 'pipe' })
}

/** The build of the image has no git, and gets it as an argument. */
function commitHere(): string {
  const { REVISION } = process.env
  if (REVISION && REVISION !== 'unknown') return REVISION.slice(0, 12)
  const args = ['rev-parse', '--short=12', 'HEAD']
  const { stdout } = spawnSync('git', args, { cwd: ROOT, encoding: 'utf8' })
  return (stdout ?? '').trim()
}

/** A row for each mapping of our own sources, and for each line of the others. */
function writePositions({ sources, mappings }: { sources: string[]; mappings: string }): void {
  const rows: number[] = []
  let before = ''
  for (const { line, column, source, sourceLine, sourceColumn } of segmentsOf(mappings)) {
    const place = `${source}:${sourceLine}`
    if (place === before && !sources[source]?.startsWith('../src/')) continue
    before = place
    rows.push(line + 1, column + 1, source, sourceLine + 1, sourceColumn + 1)
  }
  writeFileSync(join(DIST, POSITIONS), new Uint32Array(rows))
  writeFileSync(join(DIST, SOURCES), sources.join('\n'))
}

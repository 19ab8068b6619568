/** The setup files before Salesforce's own judges: the library of its CLI, and its types. */
import { execFileSync } from 'node:child_process'
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import t from 'tap'
import { blueprintOf } from '../../src/setup/blueprint.ts'
import { certificateFilesOf } from '../../src/setup/certificate-files.ts'
import { type MetadataFiles, metadataOf } from '../../src/setup/metadata.ts'
import { credential, GRANTS, integration } from './fixture.ts'

interface Component {
  readonly type: { readonly name: string }
  readonly fullName: string
  parseXmlSync(): Readonly<Record<string, Readonly<Record<string, unknown>>>>
}

interface ComponentSet extends Iterable<Component> {
  add(component: Component): void
}

/** What is used of it here. Its own types hold only under compiler options that are not ours. */
interface SourceDeployRetrieve {
  readonly ComponentSet: {
    fromSource(path: string): ComponentSet
    fromManifest(options: {
      readonly manifestPath: string
      readonly resolveSourcePaths: readonly string[]
    }): Promise<{ getSourceComponents(): Iterable<Component> }>
  }
  readonly MetadataConverter: new () => {
    convert(
      set: ComponentSet,
      to: 'metadata' | 'source',
      output: {
        readonly type: 'directory'
        readonly outputDirectory: string
        readonly genUniqueDir: false
      },
    ): Promise<{ readonly converted?: readonly Component[] }>
  }
}

const LIBRARY = '@salesforce/source-deploy-retrieve'
process.env.SF_DISABLE_LOG_FILE = 'true'
const { ComponentSet, MetadataConverter }: SourceDeployRetrieve = await import(LIBRARY)

const egressAddresses = [
  { first: '203.0.113.7', last: '203.0.113.7' },
  { first: '2001:db8::1', last: '2001:db8::f' },
]

const filesOf = (
  grant: (typeof GRANTS)[keyof typeof GRANTS],
  format: 'metadata' | 'source',
): MetadataFiles => {
  const subject = integration({
    grant,
    credentials: [credential('k1', 'active')],
  })
  const options = { publicUrl: undefined, owner: undefined, egressAddresses }
  const choices = { profile: 'Minimum Access', runAs: 'run@acme.com' }
  return metadataOf(blueprintOf(subject, options), choices, format)
}

function write(root: string, files: MetadataFiles): string {
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(root, path)), { recursive: true })
    writeFileSync(join(root, path), text)
  }
  return root
}

const read = (root: string): MetadataFiles =>
  Object.fromEntries(
    readdirSync(root, { recursive: true, withFileTypes: true }).flatMap((entry) => {
      const path = join(entry.parentPath, entry.name)
      return entry.isFile() ? [[path.slice(root.length + 1), readFileSync(path, 'utf8')]] : []
    }),
  )

const namesOf = (components: Iterable<Component>) =>
  [...components].map(({ type, fullName }) => `${type.name}:${fullName}`).sort()

async function converted(from: string, to: 'metadata' | 'source', into: string) {
  const set = ComponentSet.fromSource(from)
  const output = { type: 'directory', outputDirectory: into, genUniqueDir: false } as const
  const { converted = [] } = await new MetadataConverter().convert(set, to, output)
  return { names: namesOf(set), count: converted.length, files: read(into) }
}

/** A manifest in another order says the same. */
const withoutManifest = (files: MetadataFiles) =>
  Object.fromEntries(Object.entries(files).filter(([path]) => !path.endsWith('package.xml')))

for (const [name, grant] of Object.entries(GRANTS)) {
  t.test(`both formats of ${name} are one app to the library of the CLI`, async (t) => {
    const metadata = filesOf(grant, 'metadata')
    const source = filesOf(grant, 'source')
    const root = t.testdir()
    const deployable = write(join(root, 'deployable'), metadata)
    const project = write(join(root, 'project'), source)
    const count = grant.type === 'refresh_token' ? 7 : 6

    const toSource = await converted(deployable, 'source', join(root, 'to-source'))
    t.equal(toSource.count, count)
    t.strictSame(Object.keys(toSource.files).length, count)
    const plain = (files: MetadataFiles) =>
      Object.fromEntries(
        Object.entries(files).map(([path, text]) => [path.replace(/^.*default\//, ''), text]),
      )
    t.strictSame(plain(toSource.files), plain(withoutManifest(source)))

    const toMetadata = await converted(
      join(project, 'force-app'),
      'metadata',
      join(root, 'to-metadata'),
    )
    t.strictSame(toMetadata.names, toSource.names)
    t.strictSame(withoutManifest(toMetadata.files), withoutManifest(metadata))

    const named = await ComponentSet.fromManifest({
      manifestPath: join(deployable, 'package.xml'),
      resolveSourcePaths: [deployable],
    })
    t.strictSame(namesOf(named.getSourceComponents()), toSource.names)
  })
}

t.test('what replaces a certificate is known to it, too', async (t) => {
  const options = { app: 'Billing', settings: 'Billing_glbloauth', publicUrl: undefined }
  const files = certificateFilesOf(integration(), credential('k2', 'staged'), options)
  const deployable = write(join(t.testdir(), 'deployable'), files)
  t.strictSame(namesOf(ComponentSet.fromSource(deployable)), [
    'ExtlClntAppGlobalOauthSettings:Billing_glbloauth',
  ])
})

const HEAD = `import type * as metadata from '@salesforce/types/metadata'
/** Lists may be left out of a file; all else that a type requires may not. */
type Lists<T> = { [K in keyof T]-?: NonNullable<T[K]> extends readonly unknown[] ? K : never }[keyof T]
type Given<T> = Omit<T, Lists<T>> & Partial<Pick<T, Lists<T>>>
`

/** Text of XML as the types have it. */
function typedOf(value: unknown): unknown {
  if (value === 'true' || value === 'false') return value === 'true'
  if (Array.isArray(value)) return value.map(typedOf)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([name, one]) => [name, typedOf(one)]))
}

const LISTS = ['userPermissions', 'tokenIpRanges']
const NUMBERS = ['refreshTokenValidityPeriod']

function literalOf(component: Component): string {
  const type = component.type.name
  const members = Object.entries(component.parseXmlSync()[type] ?? {})
    .filter(([name]) => !name.startsWith('@'))
    .map(([name, text]) => {
      const value = typedOf(text)
      if (NUMBERS.includes(name)) return [name, Number(value)]
      return [name, LISTS.includes(name) ? [value].flat() : value]
    })
  const literal = JSON.stringify(Object.fromEntries(members), null, 2)
  return `export const one: Given<metadata.${type}> = ${literal}\n`
}

t.test('each member is one that its type has, with a value that it takes', async (t) => {
  const project = { compilerOptions: { strict: true, module: 'nodenext', types: [], noEmit: true } }
  const root = t.testdir({ 'tsconfig.json': JSON.stringify(project) })
  // The hooks of the test runner, which children inherit, do not let it start.
  const tsc = () =>
    execFileSync('env', ['-u', 'NODE_OPTIONS', 'tsc', '-p', root], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'pipe'],
    })
  for (const [name, grant] of Object.entries(GRANTS)) {
    const deployable = write(join(root, name), filesOf(grant, 'metadata'))
    for (const component of ComponentSet.fromSource(deployable)) {
      const path = join(root, `${name}-${component.type.name}.ts`)
      writeFileSync(path, `${HEAD}${literalOf(component)}`)
    }
  }
  t.equal(tsc(), '')
  for (const wrong of ['{ label: "x", isDPopEnabled: "no" }', '{ isNew: true }', '{}']) {
    const path = join(root, 'wrong.ts')
    const type = 'Given<metadata.ExtlClntAppGlobalOauthSettings>'
    writeFileSync(path, `${HEAD}export const one: ${type} = ${wrong}\n`)
    t.throws(tsc, `${wrong} is refused`)
  }
})

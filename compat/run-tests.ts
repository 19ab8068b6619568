/** Runs test files in a process of their own, and counts their assertions. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'

const ROOT = new URL('../', import.meta.url).pathname

export interface Counted {
  readonly passed: number
  readonly failed: number
}

/** A file that ends otherwise than well counts as failed, whatever it says. */
export async function runTests(
  files: readonly string[],
  env: Readonly<Record<string, string>>,
): Promise<Counted> {
  const tap = join(ROOT, 'node_modules/.bin/tap')
  const args = ['--disable-coverage', '--reporter=tap', '--timeout=600', '--jobs=1', ...files]
  const child = spawn(tap, args, {
    cwd: ROOT,
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const closed = once(child, 'close')
  let output = ''
  for await (const chunk of child.stdout) output += chunk
  const [status] = (await closed) as [number | null]
  const count = (word: string) =>
    Number(new RegExp(`^# \\{.*\\b${word}: (\\d+)`, 'm').exec(output)?.[1] ?? 0)
  const failed = count('fail')
  if (failed > 0 || status !== 0) {
    console.log(failuresIn(output))
  }
  return { passed: count('pass'), failed: status === 0 ? failed : Math.max(1, failed) }
}

/** Each failure with the lines that explain it. */
function failuresIn(output: string): string {
  const lines = output.split('\n')
  const shown = lines.flatMap((line, at) =>
    /^ *not ok/.test(line) ? lines.slice(at, at + EXPLAINED) : [],
  )
  return shown.join('\n')
}

const EXPLAINED = 16

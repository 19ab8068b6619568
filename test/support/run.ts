/** `npm test`: runs tap, and ends with the plain line `N passed, N failed`. */
import { spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const folder = mkdtempSync(join(tmpdir(), 'valetkey-test-'))
const output = join(folder, 'output.tap')

const tap = spawn(
  'tap',
  [
    '--disable-coverage',
    '--reporter=terse',
    '--timeout=240',
    `--output-file=${output}`,
    ...process.argv.slice(2),
  ],
  { stdio: 'inherit' },
)
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.on(signal, () => tap.kill(signal))
}

tap.on('close', (code, signal) => {
  const { passed, failed } = count(readFileSync(output, 'utf8'))
  rmSync(folder, { recursive: true })
  const broken = failed === 0 && (code !== 0 || signal !== null) ? 1 : 0
  if (broken) console.log(`tap ended with ${signal ?? `status ${code}`}`)
  console.log(`${passed} passed, ${failed + broken} failed`)
  process.exitCode = failed + broken > 0 || passed === 0 ? 1 : 0
})

/** Each named test of a file is a subtest one level deep in its TAP; a file that broke is a failed point at the top. */
function count(text: string): { readonly passed: number; readonly failed: number } {
  const points = text.match(/^ {4}(?:not )?ok \d+.*$/gm) ?? []
  const failedPoints = points.filter((line) => line.startsWith('    not ok')).length
  const brokenFiles = (text.match(/^not ok \d+/gm) ?? []).length
  return {
    passed: points.length - failedPoints,
    failed: Math.max(failedPoints, brokenFiles),
  }
}

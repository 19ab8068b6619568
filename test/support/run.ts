/** `npm test`: runs tap, shows one line a file and every failure, and ends with `N passed, N failed`. */
import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'

/** More files at once than tap takes by itself on two cores: most of them wait for processes, clocks and servers. */
const JOBS = '--jobs=3'

const args = [
  '--disable-coverage',
  '--reporter=tap',
  '--timeout=240',
  JOBS,
  ...process.argv.slice(2),
]
const tap = spawn('tap', args, { stdio: ['ignore', 'pipe', 'inherit'] })
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => tap.kill(signal))

const count = { passed: 0, failed: 0, brokenFiles: 0 }
let inDiagnostics = false

for await (const line of createInterface({ input: tap.stdout })) {
  const [, indent = '', verdict] = /^( *)(ok|not ok) \d+/.exec(line) ?? []
  if (verdict !== undefined) {
    inDiagnostics = verdict === 'not ok'
    // Each named test of a file is one level deep; a file that broke is a failed point at the top.
    if (indent.length === 4 && verdict === 'ok') count.passed += 1
    if (indent.length === 4 && verdict === 'not ok') count.failed += 1
    if (indent.length === 0 && verdict === 'not ok') count.brokenFiles += 1
    if (indent.length === 0 || verdict === 'not ok') console.log(line.replace(/ \{$/, ''))
  } else if (inDiagnostics) {
    console.log(line)
    inDiagnostics = line.trim() !== '...'
  }
}

const [code, signal] = await new Promise<[number | null, NodeJS.Signals | null]>((resolve) => {
  if (tap.exitCode !== null || tap.signalCode !== null) resolve([tap.exitCode, tap.signalCode])
  else tap.on('exit', (status, by) => resolve([status, by]))
})
const ended = code === 0 ? 0 : 1
const failed = Math.max(count.failed, count.brokenFiles, ended)
if (failed > count.failed) console.log(`tap ended with ${signal ?? `status ${code}`}`)
console.log(`${count.passed} passed, ${failed} failed`)
process.exitCode = failed > 0 || count.passed === 0 ? 1 : 0

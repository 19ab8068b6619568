/** `npm test`: runs the test files, shows one line a file and every failure, and ends with `N passed, N failed`. */
import { bundleRoot } from './bundle.ts'
import { BUNDLE_VARIABLE } from './entry-point.ts'
import { testFiles } from './test-files.ts'
import { type FileResult, runTestFile } from './test-process.ts'

/** More files at once than there are cores: most of them wait for processes, clocks and servers. */
const JOBS = 4

const root = new URL('../../', import.meta.url).pathname
const { files, nodeArgs } = testFiles(root, process.argv.slice(2))
const stop = new AbortController()
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => stop.abort())

process.env[BUNDLE_VARIABLE] ??= await bundleRoot()
const waiting = [...files]
const results: FileResult[] = []

function show({ file, durationMs, failed, broken, failures }: FileResult): void {
  const isRight = failed === 0 && broken === undefined
  const time = `time=${Math.round(durationMs)}ms`
  console.log(`${isRight ? 'ok' : 'not ok'} ${results.length} - ${file} # ${time}`)
  if (broken !== undefined) console.log(`    ${file} ${broken}`)
  for (const line of failures) console.log(`    ${line}`)
}

async function takeFiles(): Promise<void> {
  for (let file = waiting.shift(); file !== undefined; file = waiting.shift()) {
    if (stop.signal.aborted) return
    const result = await runTestFile({ file, nodeArgs, signal: stop.signal })
    results.push(result)
    show(result)
  }
}

await Promise.all(Array.from({ length: JOBS }, takeFiles))

const sum = (of: (result: FileResult) => number) =>
  results.reduce((all, result) => all + of(result), 0)
const passed = sum((result) => result.passed)
// A file that broke without a failed test counts as one.
const failed = sum((result) => Math.max(result.failed, result.broken === undefined ? 0 : 1))
const left = files.length - results.length
if (left > 0) console.log(`${left} files were not run`)
console.log(`${passed} passed, ${failed + left} failed`)
process.exitCode = failed + left > 0 || passed === 0 ? 1 : 0

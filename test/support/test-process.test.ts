import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { testFiles } from './test-files.ts'
import { runTestFile } from './test-process.ts'

const ROOT = new URL('../../', import.meta.url).pathname
const TAP = "import t from 'tap'\n"
const GOOD = "t.test('good', async (t) => t.ok(true))\n"
const never = new AbortController().signal

/** Runs a file of this text. */
async function run(t: import('tap').Test, text: string, signal = never) {
  const file = join(t.testdir({ 'a.ts': text }), 'a.ts')
  return runTestFile({ file, nodeArgs: [], signal })
}

t.test('counts the tests at the top of a file', async (t) => {
  const skipped = "t.test('later', { skip: 'why' }, async () => undefined)\n"
  const { passed, failed, broken, failures } = await run(t, TAP + GOOD + GOOD + skipped)
  t.same({ passed, failed, broken, failures }, { passed: 3, failed: 0, failures: [] })
})

t.test('shows each failure at its depth, with its diagnostics', async (t) => {
  const bad = "t.test('bad', async (t) => t.test('inner', async (t) => t.equal(1, 2)))\n"
  const { passed, failed, broken, failures } = await run(t, TAP + GOOD + bad)
  t.same({ passed, failed, broken }, { passed: 1, failed: 1, broken: 'ended with status 1' })
  t.match(failures[0], /^ {8}not ok 1 - should be equal/)
  t.ok(failures.some((line) => /^ *\+2$|^ *-2$/.test(line)))
  t.match(failures.join('\n'), /^ {4}not ok 1 - inner.*^not ok 2 - bad/ms)
})

t.test('a file that ends before its tests do is broken', async (t) => {
  const early = await run(t, `${TAP}${GOOD}t.test('early', async () => process.exit(0))\n`)
  t.match(early.broken, /^ended/)
  const thrown = await run(t, `${TAP}${GOOD}throw new Error('x')\n`)
  t.equal(thrown.broken, 'ended with status 1')
  const killed = await run(t, `${TAP}t.test('k', async () => process.kill(process.pid, 'SIGKILL'))`)
  t.equal(killed.broken, 'ended by SIGKILL')
})

t.test('a file that reports nothing, or less than its plan, is broken', async (t) => {
  const cases = {
    '': 'ended after no plan',
    "console.log('1..2\\nok 1 - a')": 'ended after 1 of 2 tests',
  }
  for (const [text, broken] of Object.entries(cases)) {
    t.equal((await run(t, text)).broken, broken)
  }
})

t.test('a test that takes longer than its limit fails, and says so', async (t) => {
  const text = `${TAP}t.setTimeout(200)\nt.test('hangs', () => new Promise((r) => setTimeout(r, 2000)))\n`
  const { broken, failures } = await run(t, text)
  t.equal(broken, 'ended with status 1')
  t.match(failures.join('\n'), /timeout!.*not ok 1 - hangs/s)
})

t.test('an aborted run ends the process', async (t) => {
  const stop = new AbortController()
  const text = `setInterval(() => undefined, 1000)\n`
  const running = run(t, text, stop.signal)
  stop.abort()
  t.equal((await running).broken, 'ended by SIGTERM')
})

t.test('runs each file that .taprc includes once, the longest first', async (t) => {
  const { files, nodeArgs } = testFiles(ROOT, [])
  t.equal(files[0], 'test/journeys/fuzzing.test.ts')
  t.ok(files.includes('test/support/test-process.test.ts'))
  t.equal(new Set(files).size, files.length)
  t.match(readFileSync(join(ROOT, '.taprc'), 'utf8'), nodeArgs[0] ?? 'none')
})

t.test('runs given files alone, and refuses one that does not exist', async (t) => {
  const file = join(ROOT, 'test/support/test-process.test.ts')
  t.same(testFiles(ROOT, [file]).files, ['test/support/test-process.test.ts'])
  t.throws(() => testFiles(ROOT, ['test/no.test.ts']), { message: /no\.test\.ts/ })
})

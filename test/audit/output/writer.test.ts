import { setTimeout as sleep } from 'node:timers/promises'
import t, { type Test } from 'tap'
import type { LineOutput, Persistence } from '../../../src/audit/output/line-output.ts'
import { createAuditWriter, LIMIT_BYTES, LIMIT_MS } from '../../../src/audit/output/writer.ts'
import { eventually } from '../../support/eventually.ts'

type State = 'open' | 'failing' | 'stuck'

/** A place whose state the test sets. */
function start(t: Test, first: State = 'open') {
  let state = first
  let clock = 0
  let text = ''
  const batches: string[] = []
  const logged: string[] = []
  const output: LineOutput = {
    async write(bytes: string | Uint8Array, persistence?: Persistence) {
      while (state !== 'open') {
        if (persistence?.signal.aborted) throw new Error('given up')
        if (state === 'failing') await persistence?.retry(new Error('ENOSPC'))
        else await sleep(5)
      }
      const lines = Buffer.from(bytes).toString()
      batches.push(lines)
      text += lines
    },
    close: async () => undefined,
  }
  const log = {
    error: (_bindings: object, message: string) => logged.push(message),
    info: (_bindings: object, message: string) => logged.push(message),
  }
  const writer = createAuditWriter({ output, monotonic: () => performance.now() + clock, log })
  t.teardown(() => writer.close())
  return {
    writer,
    logged,
    batches,
    text: () => text,
    become(next: State) {
      state = next
    },
    pass(ms: number) {
      clock += ms
    },
  }
}

const UNAVAILABLE = { code: 'audit_unavailable' }

t.test('counts as blocked until the first line is out', async (t) => {
  const { writer, logged } = start(t)
  t.equal(writer.isBlocked(), true)
  writer.write('a\n')
  await writer.flushed()
  t.equal(writer.isBlocked(), false)
  t.strictSame(logged, [], 'which is no trouble')
})

t.test('joins lines into batches, in order', async (t) => {
  const { writer, batches, text } = start(t)
  for (let index = 0; index < 1_000; index += 1) writer.write(`${index}\n`)
  await eventually(() => writer.waitingBytes() === 0)
  t.equal(text(), Array.from({ length: 1_000 }, (_, index) => `${index}\n`).join(''))
  t.ok(batches.length <= 2, `${batches.length} batches`)
})

t.test('a line is out when flushed resolves, and with it all before it', async (t) => {
  const { writer, text } = start(t)
  writer.write('read\n')
  writer.write('change\n')
  await writer.flushed()
  t.equal(text(), 'read\nchange\n')
})

t.test(
  'a failure blocks at once, refuses who waits, loses nothing, and passes by itself',
  async (t) => {
    const { writer, become, text, logged } = start(t)
    writer.write('1\n')
    await writer.flushed()
    become('failing')
    writer.write('2\n')
    await t.rejects(writer.flushed(), UNAVAILABLE)
    t.equal(writer.isBlocked(), true)
    writer.write('3\n')
    await t.rejects(writer.flushed(), UNAVAILABLE)
    become('open')
    const healedAt = performance.now()
    await eventually(() => !writer.isBlocked())
    t.ok(performance.now() - healedAt < 2_000, 'within 2 s')
    await writer.flushed()
    t.equal(text(), '1\n2\n3\n')
    t.equal(logged.length, 2, 'said once each')
  },
)

t.test('a reader that stands still blocks after 5 s, and not before', async (t) => {
  const { writer, become, pass, text } = start(t)
  writer.write('1\n')
  await writer.flushed()
  become('stuck')
  writer.write('2\n')
  const refused = t.rejects(writer.flushed(), UNAVAILABLE)
  pass(LIMIT_MS - 3_000)
  await sleep(150)
  t.equal(writer.isBlocked(), false)
  pass(3_000)
  await refused
  t.equal(writer.isBlocked(), true)
  become('open')
  await eventually(() => !writer.isBlocked())
  t.equal(text(), '1\n2\n')
})

t.test('more than 16 MiB that wait block, whatever the time', async (t) => {
  const { writer, become, text } = start(t)
  writer.write('1\n')
  await writer.flushed()
  become('stuck')
  const line = `${'x'.repeat(1024 * 1024 - 1)}\n`
  for (let size = 0; size <= LIMIT_BYTES; size += line.length) {
    t.equal(writer.isBlocked(), false)
    writer.write(line)
  }
  t.equal(writer.isBlocked(), true)
  become('open')
  await eventually(() => !writer.isBlocked())
  t.equal(text().length, 2 + 17 * line.length)
})

t.test('closing writes what waits', async (t) => {
  const { writer, text } = start(t)
  writer.write('last\n')
  t.equal(await writer.close(), 0)
  t.equal(text(), 'last\n')
})

t.test('closing does not wait for ever, and says how many lines were lost', async (t) => {
  const { writer } = start(t, 'stuck')
  writer.write('1\n')
  writer.write('2\n')
  t.equal(await writer.close(), 2)
})

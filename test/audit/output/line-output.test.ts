import t from 'tap'
import { createLineOutput, type Destination } from '../../../src/audit/output/line-output.ts'

/** Takes what it is told to, in bytes or failures; then everything. */
function scripted(script: (number | Error | 'moved')[] = []) {
  const files = ['']
  const destination: Destination = {
    async put(bytes) {
      const next = script[0] === 'moved' ? undefined : script.shift()
      if (next instanceof Error) throw next
      const count = typeof next === 'number' ? Math.min(next, bytes.length) : bytes.length
      files[files.length - 1] += Buffer.from(bytes.subarray(0, count)).toString()
      return count
    },
    async renew() {
      if (script[0] !== 'moved') return undefined
      script.shift()
      files.push('')
      return { endsMidLine: false }
    },
    close: async () => undefined,
  }
  return { destination, files }
}

const persistently = () => ({
  retry: async () => undefined,
  signal: new AbortController().signal,
})

const full = () => Object.assign(new Error('no space'), { code: 'ENOSPC' })

t.test('goes on at the very byte after a write that was cut short', async (t) => {
  const { destination, files } = scripted([3, 1, 5])
  await createLineOutput(destination).write('{"a":1}\n{"b":2}\n', persistently())
  t.strictSame(files, ['{"a":1}\n{"b":2}\n'])
})

t.test('goes on at the very byte after a failure in the middle of a line', async (t) => {
  const { destination, files } = scripted([10, full(), full(), 2])
  await createLineOutput(destination).write('{"a":1}\n{"b":2}\n', persistently())
  t.strictSame(files, ['{"a":1}\n{"b":2}\n'])
})

t.test('begins the line anew where the file was exchanged in its middle', async (t) => {
  const { destination, files } = scripted([10, full(), 'moved'])
  await createLineOutput(destination).write('{"a":1}\n{"b":2}\n', persistently())
  t.strictSame(files, ['{"a":1}\n{"', '{"b":2}\n'])
})

t.test('a writer that gives up leaves a line that the next one ends first', async (t) => {
  const { destination, files } = scripted([4, full()])
  const output = createLineOutput(destination)
  await t.rejects(output.write('{"log":1}\n'), { code: 'ENOSPC' })
  await output.write('{"audit":1}\n')
  t.strictSame(files, ['{"lo\n{"audit":1}\n'])
})

t.test('two writers never mix their lines', async (t) => {
  const { destination, files } = scripted(Array.from({ length: 500 }, () => 7))
  const output = createLineOutput(destination)
  const lines = Array.from({ length: 40 }, (_, index) => `{"line":${index}}\n`)
  await Promise.all(lines.map((line) => output.write(line, persistently())))
  t.equal(files[0], lines.join(''))
})

t.test('ends the line of a process that was killed in its middle', async (t) => {
  const { destination, files } = scripted()
  let isOpen = false
  const renew = async () => {
    if (isOpen) return undefined
    isOpen = true
    return { endsMidLine: true }
  }
  await createLineOutput({ ...destination, renew }).write('{"a":1}\n', persistently())
  t.strictSame(files, ['\n{"a":1}\n'])
})

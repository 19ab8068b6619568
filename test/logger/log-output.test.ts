import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { createLogOutput, sendTo } from '../../src/logger/log-output.ts'

const flushed = (output: { flush(done: () => void): void }) =>
  new Promise<void>((resolve) => output.flush(resolve))

t.test('writes every line, in order, to a file', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'valetkey-log-'))
  t.teardown(() => rmSync(folder, { recursive: true }))
  const path = join(folder, 'log')
  const output = createLogOutput({ send: sendTo(openSync(path, 'a')) })
  const lines = Array.from({ length: 2_000 }, (_, index) => `line ${index}\n`)
  for (const line of lines) output.write(line)
  await flushed(output)
  t.equal(readFileSync(path, 'utf8'), lines.join(''))
  t.equal(output.droppedLines(), 0)
})

t.test('holds a bounded amount while the reader stands still, and counts the rest', async (t) => {
  const sent: string[] = []
  const gate = Promise.withResolvers<void>()
  const output = createLogOutput({
    limitBytes: 100,
    send: async (text) => {
      await gate.promise
      sent.push(text)
    },
  })
  for (let index = 0; index < 50; index++) output.write('123456789\n')
  t.equal(output.droppedLines(), 40)
  gate.resolve()
  await flushed(output)
  output.write('again\n')
  await flushed(output)
  t.equal(sent.join(''), `${'123456789\n'.repeat(10)}again\n`)
  t.equal(output.droppedLines(), 40)
})

t.test('counts the lines of a write that failed, and goes on', async (t) => {
  let full = true
  const sent: string[] = []
  const output = createLogOutput({
    send: async (text) => {
      if (full) throw new Error('ENOSPC')
      sent.push(text)
    },
  })
  output.write('a\n')
  output.write('b\n')
  await flushed(output)
  t.equal(output.droppedLines(), 2)
  full = false
  output.write('c\n')
  await flushed(output)
  t.strictSame(sent, ['c\n'])
})

t.test('survives a full disk', async (t) => {
  const output = createLogOutput({ send: sendTo(openSync('/dev/full', 'w')) })
  output.write('a\n')
  await flushed(output)
  t.equal(output.droppedLines(), 1)
})

t.test('gives up flushing where the reader never comes back', async (t) => {
  const output = createLogOutput({ send: () => Promise.withResolvers<void>().promise })
  output.write('a\n')
  await flushed(output)
  t.pass()
})

const writer = `
  import { createLogger } from ${JSON.stringify(new URL('../../src/logger/logger.ts', import.meta.url).href)}
  const log = createLogger({ level: 'info' })
  for (let i = 0; i < 20000; i++) log.info({ i, text: 'x'.repeat(200) }, 'line')
  let turns = 0
  setInterval(() => {
    process.stderr.write('turn ')
    if (++turns === 3) log.flush(() => process.exit(7))
  }, 1)
`

t.test('lets a process run and end while nobody reads its pipe', async (t) => {
  const child = spawn(process.execPath, ['--input-type=module', '--eval', writer], {
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  t.teardown(() => child.kill('SIGKILL'))
  child.stdout.pause()
  const [code] = await once(child, 'exit')
  t.equal(code, 7)
})

t.test('lets a process run on when the reader of its pipe is gone', async (t) => {
  const child = spawn(process.execPath, ['--input-type=module', '--eval', writer], {
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  t.teardown(() => child.kill('SIGKILL'))
  child.stdout.destroy()
  const [code] = await once(child, 'exit')
  t.equal(code, 7)
})

t.test('loses no line of a process that ends by itself', async (t) => {
  const few = writer.replace('20000', '100').replace(/setInterval[\s\S]*/, '')
  const child = spawn(process.execPath, ['--input-type=module', '--eval', few], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  t.teardown(() => child.kill('SIGKILL'))
  const text = (await child.stdout.toArray()).join('')
  t.equal(text.trim().split('\n').length, 100)
})

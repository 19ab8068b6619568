import { execFileSync } from 'node:child_process'
import {
  closeSync,
  constants,
  mkdtempSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { checkAuditFile, createAuditFile } from '../../../src/audit/output/audit-file.ts'
import { createLineOutput } from '../../../src/audit/output/line-output.ts'

function open(t: Test) {
  const folder = mkdtempSync(join(tmpdir(), 'valetkey-audit-'))
  const path = join(folder, 'audit.jsonl')
  let clock = 0
  const output = createLineOutput(createAuditFile({ path, monotonic: () => clock }))
  t.teardown(async () => {
    await output.close()
    rmSync(folder, { recursive: true })
  })
  const pass = (ms: number) => {
    clock += ms
  }
  return { path, output, pass }
}

const read = (path: string) => readFileSync(path, 'utf8')

t.test('appends, and lets nobody else read it', async (t) => {
  const { path, output } = open(t)
  await output.write('{"a":1}\n')
  await output.write('{"b":2}\n')
  t.equal(read(path), '{"a":1}\n{"b":2}\n')
  t.equal(statSync(path).mode & 0o777, 0o600)
})

t.test('follows a rotation by renaming', async (t) => {
  const { path, output, pass } = open(t)
  await output.write('{"a":1}\n')
  renameSync(path, `${path}.1`)
  pass(1_000)
  await output.write('{"b":2}\n')
  t.equal(read(`${path}.1`), '{"a":1}\n')
  t.equal(read(path), '{"b":2}\n')
})

t.test('is made again when it was removed', async (t) => {
  const { path, output, pass } = open(t)
  await output.write('{"a":1}\n')
  rmSync(path)
  pass(1_000)
  await output.write('{"b":2}\n')
  t.equal(read(path), '{"b":2}\n')
})

t.test('goes on in a file that was emptied in place', async (t) => {
  const { path, output } = open(t)
  await output.write('{"a":1}\n')
  writeFileSync(path, '')
  await output.write('{"b":2}\n')
  t.equal(read(path), '{"b":2}\n')
})

t.test('ends an unfinished line that it finds', async (t) => {
  const { path, output } = open(t)
  writeFileSync(path, '{"a":1}\n{"cut')
  await output.write('{"b":2}\n')
  t.equal(read(path), '{"a":1}\n{"cut\n{"b":2}\n')
})

t.test('tells a mistake in the settings from a trouble that passes', async (t) => {
  const { path } = open(t)
  t.throws(() => checkAuditFile(join(path, 'no', 'such', 'folder')), { code: 'ENOENT' })
  t.throws(() => checkAuditFile(tmpdir()), { code: 'EISDIR' })
  t.doesNotThrow(() => checkAuditFile('/dev/full'))
  t.doesNotThrow(() => checkAuditFile(path))
})

t.test('a named pipe without a reader is a failure, and never blocks', async (t) => {
  const { path, output } = open(t)
  execFileSync('mkfifo', [path])
  t.doesNotThrow(() => checkAuditFile(path))
  await t.rejects(output.write('{"a":1}\n'), { code: 'ENXIO' })
  const reader = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK)
  t.teardown(() => closeSync(reader))
  await output.write('{"b":2}\n')
  const bytes = Buffer.alloc(100)
  const { readSync } = await import('node:fs')
  t.equal(bytes.toString('utf8', 0, readSync(reader, bytes)), '{"b":2}\n')
})

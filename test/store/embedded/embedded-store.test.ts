import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmod, mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import t from 'tap'
import { createEmbeddedStore } from '../../../src/store/embedded/embedded-store.ts'
import { content, lease } from '../../support/store-engines.ts'

const STORE_MODULE = JSON.stringify(
  import.meta.resolve('../../../src/store/embedded/embedded-store.ts'),
)

const mode = async (path: string) => (await stat(path)).mode & 0o777

t.test('makes its folder and files for its own user alone', async (t) => {
  const dataDir = join(t.testdir(), 'deep', 'data')
  const store = createEmbeddedStore({ dataDir })
  t.teardown(() => store.close())
  await store.integrations.create('a', 'u', content())
  t.equal(await mode(dataDir), 0o700)
  const files = await readdir(dataDir)
  t.ok(files.includes('valetkey.db'))
  for (const file of files) t.equal(await mode(join(dataDir, file)), 0o600, file)
})

t.test('closes a folder and a file that others could read', async (t) => {
  const dataDir = t.testdir()
  await chmod(dataDir, 0o777)
  await writeFile(join(dataDir, 'valetkey.db'), '', { mode: 0o666 })
  const store = createEmbeddedStore({ dataDir })
  t.teardown(() => store.close())
  t.equal(await mode(dataDir), 0o700)
  t.equal(await mode(join(dataDir, 'valetkey.db')), 0o600)
})

t.test('has everything again when it is opened again', async (t) => {
  const dataDir = t.testdir()
  let time = 1_000_000_000_000
  const now = () => time
  const first = createEmbeddedStore({ dataDir, now })
  const identity = await first.identity()
  await first.integrations.create('a', 'u', content({ secrets: 's' }))
  const saved = { lease: lease({ tokenId: 'T', expiresAt: time + 60_000 }) }
  await first.outcomes.save('a', { uid: 'u', orev: 0 }, { ...saved, dueAt: time + 5 })
  await first.outcomes.revoke('D', time + 60_000)
  await first.budgets.take([{ key: 'b', limit: 9, windowMs: 60_000, amount: 4 }])
  await first.documents.write('k', 'd', 'body', { expected: 'absent', expiresAt: time + 60_000 })
  await first.events.append(['e'], 10)
  await first.locks.acquire('a', 'me', 60_000)
  const cursor = await first.changes.tail()
  await first.close()
  await first.close()

  time += 10
  const second = createEmbeddedStore({ dataDir, now })
  t.teardown(() => second.close())
  t.same(await second.identity(), { ...identity, seq: 4 })
  t.match(await second.integrations.readSealed('a'), { uid: 'u', orev: 1, secrets: 's' })
  t.same((await second.outcomes.look('a'))?.outcome, saved)
  t.same(await second.due.size(), { count: 1, earliest: 1_000_000_000_005 })
  const dead = { lease: lease({ tokenId: 'D', expiresAt: time + 1 }) }
  t.same(await second.outcomes.save('a', { uid: 'u', orev: 1 }, dead), {
    saved: false,
    reason: 'dead',
  })
  t.equal(await second.budgets.used('b', 60_000), 4)
  t.same(await second.documents.read('k', 'd'), { id: 'd', version: 1, body: 'body' })
  t.match(await second.events.read({ limit: 5 }), [{ body: 'e' }])
  t.same(await second.changes.read(cursor), { entries: [], cursor, gap: false })
  t.ok(await second.locks.acquire('a', 'you', 1), 'locks end with the process that held them')
})

t.test('calls changes from before it was opened a gap', async (t) => {
  const dataDir = t.testdir()
  const first = createEmbeddedStore({ dataDir })
  const cursor = await first.changes.tail()
  await first.integrations.create('a', 'u', content())
  await first.close()
  const second = createEmbeddedStore({ dataDir })
  t.teardown(() => second.close())
  t.match(await second.changes.read(cursor), { entries: [], gap: true })
})

t.test('refuses a second process on the same folder, and says which folder', async (t) => {
  const dataDir = t.testdir()
  const store = createEmbeddedStore({ dataDir })
  t.teardown(() => store.close())
  await store.integrations.create('a', 'u', content())
  const script = `
    const { createEmbeddedStore } = await import(${STORE_MODULE})
    try { createEmbeddedStore({ dataDir: process.argv[1] }); console.log('opened') }
    catch (error) { console.log(error.message) }`
  const child = spawn(process.execPath, ['--input-type=module', '--eval', script, dataDir])
  t.equal(await outputOf(child), `The data folder ${dataDir} is in use by another process`)
  t.throws(() => createEmbeddedStore({ dataDir }), /in use/, 'nor a second one in this process')
  t.ok(await store.integrations.read('a'), 'and the first goes on')
})

t.test('refuses what a newer release wrote, and what is no database', async (t) => {
  const dataDir = t.testdir()
  await createEmbeddedStore({ dataDir }).close()
  const file = join(dataDir, 'valetkey.db')
  const db = new DatabaseSync(file)
  db.exec('UPDATE meta SET tables_version = 2')
  db.close()
  const before = await readFile(file)
  t.throws(() => createEmbeddedStore({ dataDir }), new RegExp(`${dataDir}.*newer release`))
  t.same(await readFile(file), before, 'and leaves it as it was')
  await writeFile(file, 'this is no database, but long enough to be taken for one'.repeat(100))
  t.throws(() => createEmbeddedStore({ dataDir }), new RegExp(`${dataDir}.*not a database`))
})

t.test('says which folder it cannot use', async (t) => {
  const dir = t.testdir({ file: '' })
  t.throws(() => createEmbeddedStore({ dataDir: join(dir, 'file') }), new RegExp(dir))
  await mkdir(join(dir, 'data', 'valetkey.db'), { recursive: true })
  t.throws(
    () => createEmbeddedStore({ dataDir: join(dir, 'data') }),
    new RegExp(`${dir}.*it contains a folder with the name of one of its files`),
  )
})

t.test('is unavailable when it is closed, and sends waiting readers away', async (t) => {
  const store = createEmbeddedStore({ dataDir: t.testdir() })
  const waiting = store.changes.wait(await store.changes.tail(), 60_000)
  await store.close()
  await t.rejects(waiting, { code: 'store_unavailable' })
  const operations: (() => Promise<unknown>)[] = [
    () => store.integrations.read('a'),
    () => store.integrations.create('a', 'u', content()),
    () => store.identity(),
    () => store.due.claim(1, 1),
  ]
  for (const operation of operations) {
    await t.rejects(operation(), { code: 'store_unavailable' })
  }
})

t.test('is unavailable while the disk takes no more, and keeps what it had', async (t) => {
  const dataDir = t.testdir()
  const script = `
    const { createEmbeddedStore } = await import(${STORE_MODULE})
    const store = createEmbeddedStore({ dataDir: process.argv[1] })
    let written = 0
    try {
      for (; written < 1_000; written++) {
        await store.documents.write('k', String(written), 'canary'.repeat(1_000), { expected: 'absent' })
      }
    } catch (error) {
      const { seq } = await store.identity()
      const last = await store.documents.read('k', String(written))
      console.log(JSON.stringify({ code: error.code, cause: String(error.cause), written, seq, last }))
    }`
  // A limit for the size of files stands in for the full disk; it ends nobody who ignores its signal.
  const child = spawn('/bin/sh', [
    '-c',
    'trap "" XFSZ; ulimit -f 2000; exec "$@"',
    'sh',
    process.execPath,
    '--input-type=module',
    '--eval',
    script,
    dataDir,
  ])
  const told = JSON.parse(await outputOf(child))
  t.match(told, { code: 'store_unavailable', cause: /^Error: SQLite result \d+$/ })
  t.ok(told.written > 10)
  t.equal(told.seq, told.written, 'what was not written was not announced')
  t.equal(told.last, undefined)

  const store = createEmbeddedStore({ dataDir })
  t.teardown(() => store.close())
  t.equal((await store.documents.list('k', { limit: 1_000 })).items.length, told.written)
  t.equal((await store.identity()).seq, told.written)
  t.ok(await store.documents.write('k', 'next', '', { expected: 'absent' }))
})

async function outputOf(child: ChildProcessWithoutNullStreams): Promise<string> {
  let output = ''
  child.stdout.on('data', (text) => {
    output += text
  })
  await once(child, 'close')
  return output.trim()
}

/** What becomes of the file of the embedded store: deleted, replaced, cut, overwritten, on a full disk. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  copyFile,
  open,
  readFile,
  rename,
  rm,
  stat,
  truncate,
  utimes,
  writeFile,
} from 'node:fs/promises'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { createEmbeddedStore } from '../../../src/store/embedded/embedded-store.ts'
import {
  FILE_ANCHOR,
  FILE_TROUBLES,
  type FileTrouble,
} from '../../../src/store/embedded/file-trouble.ts'
import { readDocument } from '../../support/document.ts'
import { eventually } from '../../support/eventually.ts'
import { content } from '../../support/store-engines.ts'

/** Promised are 2 s; the machine may be busy. */
const NOTICED_MS = 10_000
const PAGE = 4_096

async function opened(t: Test, dataDir = join(t.testdir(), 'data')) {
  const told: (FileTrouble | undefined)[] = []
  const store = createEmbeddedStore({ dataDir, onTrouble: (trouble) => told.push(trouble) })
  t.teardown(() => store.close())
  const file = join(dataDir, 'valetkey.db')
  const create = (name: string, definition = '{}') =>
    store.integrations.create(name, 'u', content({ definition }))
  const notices = (trouble: FileTrouble) =>
    eventually(() => store.trouble()?.includes(FILE_TROUBLES[trouble].says), NOTICED_MS)
  return { store, dataDir, file, told, create, notices }
}

/** One whose content is in the file, and not in the log of SQLite. */
async function settled(t: Test) {
  const { store, dataDir, create } = await opened(t)
  for (let number = 0; number < 50; number += 1) {
    await create(`held-${number}`, JSON.stringify({ filling: 'x'.repeat(3_000) }))
  }
  await store.close()
  return opened(t, dataDir)
}

/** Overwrites it where it lies. */
async function overwrite(file: string, bytes: Buffer, at: number): Promise<void> {
  const handle = await open(file, 'r+')
  await handle.write(bytes, 0, bytes.length, at)
  await handle.close()
}

const UNDONE = { code: 'store_unavailable' }

type Opened = Awaited<ReturnType<typeof opened>>

/** What is done to it while it is in use. */
const DEEDS: Readonly<Record<string, readonly [FileTrouble, (of: Opened) => Promise<unknown>]>> = {
  'is deleted': ['gone', ({ file }) => rm(file)],
  'is moved away with its folder': ['gone', ({ dataDir }) => rename(dataDir, `${dataDir}-away`)],
  'is replaced': [
    'replaced',
    async ({ file }) => {
      await copyFile(file, `${file}.new`)
      await rename(`${file}.new`, file)
    },
  ],
  'loses its log': ['gone', ({ file }) => rm(`${file}-wal`)],
  'is emptied': ['truncated', ({ file }) => truncate(file, 0)],
  'is cut': ['truncated', ({ file }) => truncate(file, 5 * PAGE)],
  'is zeroed': [
    'damaged',
    async ({ file }) => overwrite(file, Buffer.alloc((await stat(file)).size), 0),
  ],
  'is overwritten in the middle': [
    'damaged',
    ({ file }) => overwrite(file, Buffer.alloc(6 * PAGE, 0xa5), 10 * PAGE),
  ],
}

for (const [what, [trouble, deed]] of Object.entries(DEEDS)) {
  t.test(`a file that ${what} is noticed, and takes no changes`, async (t) => {
    const here = await settled(t)
    const { store, create, notices, told } = here
    t.ok(await create('before'))
    t.equal(store.trouble(), undefined)
    await deed(here)
    await t.rejects(create('lost'), UNDONE, 'at once')
    await notices(trouble)
    t.same(told, [trouble], 'told once')
    t.match(store.trouble(), new RegExp(`${FILE_ANCHOR}$`))
    await t.rejects(create('lost'), UNDONE)
  })

  t.test(`a file that ${what} is noticed without a change, too`, async (t) => {
    const here = await settled(t)
    await here.create('before')
    await deed(here)
    await here.notices(trouble)
  })
}

t.test('what was moved away and comes back is in use again', async (t) => {
  const { store, file, create, notices, told } = await settled(t)
  await create('before')
  await rename(file, `${file}.away`)
  await notices('gone')
  t.ok(await store.integrations.read('held-1'), 'what is there is read meanwhile')
  t.equal((await store.integrations.list({ limit: 100 })).items.length, 51)
  await rename(`${file}.away`, file)
  await eventually(() => store.trouble() === undefined)
  t.ok(await create('after'))
  t.same(told, ['gone', undefined])
})

t.test('who only touches it, or keeps it busy, does no harm', async (t) => {
  const { store, file, create, told } = await settled(t)
  for (let number = 0; number < 20; number += 1) {
    await utimes(file, new Date(), new Date(Date.now() + number))
    t.ok(await create(`touched-${number}`))
  }
  t.equal((await store.integrations.list({ limit: 100 })).items.length, 70)
  t.same(told, [])
})

t.test('a disk that is full is told, and taken again when there is room', async (t) => {
  const script = `
    const { createEmbeddedStore } = await import(${JSON.stringify(import.meta.resolve('../../../src/store/embedded/embedded-store.ts'))})
    const { rmSync, writeFileSync } = await import('node:fs')
    const { eventually } = await import(${JSON.stringify(import.meta.resolve('../../support/eventually.ts'))})
    const [, dir] = process.argv
    const told = []
    const store = createEmbeddedStore({ dataDir: dir + '/data', onTrouble: (trouble) => told.push(trouble ?? 'over') })
    const write = (id, body) => store.documents.write('k', id, body, { expected: 'any' })
    await write('first', 'x')
    // It takes what room there is, and fails where that ends.
    try { writeFileSync(dir + '/filling', Buffer.alloc(8_000_000)) } catch (error) { if (error.code !== 'ENOSPC') throw error }
    await eventually(() => store.trouble()?.includes('full'))
    const refused = await write('lost', 'x'.repeat(100_000)).catch(({ code }) => code)
    const line = store.trouble()
    rmSync(dir + '/filling')
    await eventually(() => store.trouble() === undefined)
    await write('after', 'x')
    const { items } = await store.documents.list('k', { limit: 10 })
    console.log(JSON.stringify({ refused, line, told, ids: items.map(({ id }) => id) }))
    await store.close()`
  const dir = t.testdir()
  const mount = 'mount -t tmpfs -o size=4m none "$0" && exec "$@"'
  const own = process.getuid?.() === 0 ? ['-m'] : ['-rm']
  const node = [process.execPath, '--input-type=module', '--eval', script, dir]
  const child = spawn('unshare', [...own, '/bin/sh', '-c', mount, dir, ...node])
  let output = ''
  let errors = ''
  child.stdout.on('data', (text) => {
    output += text
  })
  child.stderr.on('data', (text) => {
    errors += text
  })
  const code = await Promise.race([
    once(child, 'close').then(([status]) => status),
    once(child, 'error').then(([error]) => error.code),
  ])
  if (/EPERM|ENOENT/.test(String(code)) || /not permitted|must be superuser/.test(errors)) {
    t.pass('a file system of its own cannot be had here')
    return
  }
  t.equal(code, 0, errors)
  const seen = JSON.parse(output)
  t.equal(seen.refused, 'store_unavailable')
  t.match(seen.line, /its disk is full\. Free space/)
  t.same([...new Set(seen.told)], ['disk_full', 'over'])
  t.same(seen.ids, ['after', 'first'])
})

t.test('one record that the file has lost is named, and hides no other', async (t) => {
  const { store: first, dataDir, file, create } = await opened(t)
  await create('a')
  await create('b', JSON.stringify({ filling: 'marker '.repeat(10_000) }))
  await create('c')
  const write = (id: string, body: string) =>
    first.documents.write('k', id, body, { expected: 'any' })
  await write('a', 'x')
  await write('b', 'signpost '.repeat(10_000))
  await write('c', 'x')
  await first.close()
  const bytes = await readFile(file)
  for (const word of ['marker ', 'signpost ']) {
    // In the midst of its pages, each of which begins with the number of the next.
    const at = bytes.indexOf(Buffer.from(word.repeat(300)), bytes.indexOf(word) + 4 * PAGE)
    await overwrite(file, Buffer.alloc(4, 0xff), at - (at % PAGE))
  }
  const { store } = await opened(t, dataDir)
  const listed = await store.integrations.list({ limit: 10 })
  t.same(
    listed.items.map(({ name }) => name),
    ['a', 'c'],
  )
  t.same(listed.corrupt, ['b'])
  const documents = await store.documents.list('k', { limit: 10 })
  t.same(
    documents.items.map(({ id }) => id),
    ['a', 'c'],
  )
  t.same(documents.corrupt, ['b'])
  const page = await store.integrations.list({ limit: 1, after: 'a' })
  t.match(page, { items: [], corrupt: ['b'], next: 'b' })
  for (const name of ['a', 'c']) t.match(await store.integrations.read(name), { name })
  t.match(await store.outcomes.look('c'), { integration: { name: 'c' } })
  t.equal(await store.integrations.read('nobody'), undefined)
  await t.rejects(store.integrations.read('b'), UNDONE)
  t.match(store.trouble(), /changed it/)
})

t.test('a file that was lost before the start is not an empty store', async (t) => {
  const isBegunAnew = async (dataDir: string) => {
    const store = createEmbeddedStore({ dataDir })
    const is = store.isBegunAnew()
    await store.close()
    return is
  }
  for (const witness of ['keyring', 'admin.key']) {
    for (const lose of [rm, (file: string) => truncate(file, 0)]) {
      const dataDir = t.testdir()
      t.equal(await isBegunAnew(dataDir), false, 'a folder that is new')
      await writeFile(join(dataDir, witness), 'x')
      t.equal(await isBegunAnew(dataDir), false, 'the file is there')
      await lose(join(dataDir, 'valetkey.db'))
      t.equal(await isBegunAnew(dataDir), true)
      t.equal(await isBegunAnew(dataDir), true, 'and it stays so')
      await rm(dataDir, { recursive: true })
    }
  }
})

t.test('a file that cannot be used is named at the start, with what to do', async (t) => {
  const cases: Readonly<Record<string, readonly [(file: string) => Promise<unknown>, RegExp]>> = {
    cut: [(file) => truncate(file, 5 * PAGE), /contains a damaged valetkey\.db.*restore a backup/],
    zeroed: [
      async (file) => overwrite(file, Buffer.alloc((await stat(file)).size), 0),
      /is not a database/,
    ],
    'without its first page': [
      (file) => overwrite(file, Buffer.alloc(PAGE - 100, 0xa5), 100),
      /contains a damaged valetkey\.db/,
    ],
  }
  for (const [what, [deed, says]] of Object.entries(cases)) {
    const { store, dataDir, file } = await settled(t)
    await store.close()
    await deed(file)
    t.throws(() => createEmbeddedStore({ dataDir }), says, what)
    t.throws(() => createEmbeddedStore({ dataDir }), new RegExp(dataDir), what)
  }
})

t.test('every trouble is explained', async (t) => {
  const { text } = readDocument('docs/troubleshooting.md')
  for (const { says } of Object.values(FILE_TROUBLES)) t.ok(text.includes(says), says)
})

import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { createWitness } from '../../src/custody/witness.ts'

async function world(t: Test) {
  const folder = await mkdtemp(join(tmpdir(), 'valetkey-witness-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  const paths = [join(folder, 'inside'), join(folder, 'beside')]
  const warnings: string[] = []
  const log = { warn: (_: object, message: string) => void warnings.push(message) }
  return { folder, paths, warnings, open: () => createWitness({ paths, log }) }
}

t.test('says after a restart what was noted last, and nothing of another store', async (t) => {
  const { paths, warnings, open } = await world(t)
  const witness = open()
  t.equal(await witness.read('s1'), undefined)
  const noted = [1, 3, 2].map((count) =>
    witness.note({ id: 's1', noted: count, sure: `/${count}` }),
  )
  await Promise.all(noted)
  t.same(await open().read('s1'), { id: 's1', noted: 3, sure: '/3' })
  t.equal(await open().read('s2'), undefined)
  for (const path of paths) t.equal((await stat(path)).mode & 0o777, 0o600)
  t.same(warnings, [])
})

t.test(
  'the newest of the files counts; the others are made with the first presentation',
  async (t) => {
    const { folder, paths, open } = await world(t)
    await open().note({ id: 's1', noted: 0, sure: '/0' })
    t.same(await readdir(folder), ['inside'])
    await open().note({ id: 's1', noted: 5, sure: '/5' })
    await writeFile(paths[0] ?? '', '{"store":"s1","noted":2,"sure":"/2"}')
    t.match(await open().read('s1'), { noted: 5 })
  },
)

t.test('what cannot be read says nothing, and is said', async (t) => {
  const { paths, warnings, open } = await world(t)
  for (const text of ['', 'null', '{"store":"s1"}', '{"store":"s1","noted":"many"}']) {
    await writeFile(paths[0] ?? '', text)
    t.equal(await open().read('s1'), undefined)
  }
  await rm(paths[0] ?? '')
  await mkdir(paths[0] ?? '')
  t.equal(await open().read('s1'), undefined)
  t.equal(warnings.length, 5)
})

t.test('a point that cannot be read does not hide how much was noted', async (t) => {
  const { paths, warnings, open } = await world(t)
  await open().note({ id: 's1', noted: 4, sure: '/4' })
  for (const sure of ['7', '{"at":7}', 'false']) {
    await writeFile(paths[0] ?? '', `{"store":"s1","noted":9,"sure":${sure}}`)
    t.same(await open().read('s1'), { id: 's1', noted: 9, sure: null })
  }
  t.equal(warnings.length, 3)
})

t.test(
  'nothing may be sent where it cannot be written, and nothing is left half done',
  async (t) => {
    const { folder, paths, open } = await world(t)
    await mkdir(paths[1] ?? '')
    const note = open().note({ id: 's1', noted: 1, sure: '/1' })
    await t.rejects(note, { code: 'store_unavailable' })
    t.same((await readdir(folder)).sort(), ['beside', 'inside'])
    t.match(await readFile(paths[0] ?? '', 'utf8'), /"noted":1/)
  },
)

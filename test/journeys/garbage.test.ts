/** What V8 may do with the objects of a broker that runs. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { newAdminKey, startBrokerProcess } from '../support/broker.ts'

const BATCHES = 20
const AT_ONCE = 100

t.test('no place in the code makes old objects, whatever once outlived a collection', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'valetkey-garbage-'))
  t.teardown(() => rm(folder, { recursive: true }))
  const { call, output, kill } = await startBrokerProcess(t, {
    adminKey: newAdminKey(),
    env: { VALETKEY_DATA_DIR: folder },
    // Collections often, and each says what V8 has learned of such places.
    isWatched: false,
    nodeArgs: ['--max-semi-space-size=1', '--trace-gc', '--trace-pretenuring-statistics'],
  })
  const before = output().length
  for (let batch = 0; batch < BATCHES; batch += 1) {
    const answers = await Promise.all(
      Array.from({ length: AT_ONCE }, () => call('GET', '/integrations')),
    )
    const isGood = answers.every(({ status }) => status === 200)
    if (!isGood) t.fail('a request failed')
  }
  await kill('SIGTERM')
  const said = output().slice(before)
  t.match(said, /: Scavenge /, 'there were collections')
  t.notMatch(said, /pretenuring: /)
})

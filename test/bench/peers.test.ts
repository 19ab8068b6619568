/** What compares Valetkey with its peers still runs, also where no peer can be had. */

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync as filesIn, readFileSync } from 'node:fs'
import { Agent, createServer } from 'node:http'
import { Redis } from 'ioredis'
import t from 'tap'
import { ask } from '../../bench/ask.ts'
import { measureFirstReads } from '../../bench/first-read.ts'
import { withOrWithout } from '../../bench/openbao-rows.ts'
import { memoryOf } from '../../bench/processes.ts'
import { commandsIn, roundTripsIn } from '../../bench/redis-commands.ts'
import { watchSalesforce } from '../../bench/salesforce-time.ts'
import { prepareSetting } from '../../bench/setting.ts'
import { bundleRoot } from '../support/bundle.ts'
import { endWithThisProcess } from '../support/children.ts'
import { eventually } from '../support/eventually.ts'
import { startRedis } from '../support/redis.ts'

t.test('first reads are measured without a peer, both stores and grants', async (t) => {
  const setting = await prepareSetting(t)
  const options = { rounds: 1, near: 1, far: 1, warm: 0 }
  const figures = await measureFirstReads(t, setting, undefined, options)
  const ids = figures.map(({ id }) => id)
  for (const grant of ['client_credentials', 'jwt_bearer']) {
    for (const store of ['embedded', 'redis']) {
      t.ok(ids.includes(`wait-${store}-${grant}`), `wait, ${store}, ${grant}`)
      t.ok(ids.includes(`own-${store}-${grant}`), `own share, ${store}, ${grant}`)
    }
    t.ok(ids.includes(`own-ratio-bare-redis-${grant}`), `the steps alone, ${grant}`)
  }
  t.same(
    ids.filter((id) => id.includes('openbao')),
    [],
  )
  t.ok(figures.every(({ spread }) => Number.isFinite(spread.median)))
})

t.test(
  'what fails with the peer is measured without it, and an error of ours stays one',
  async (t) => {
    const programs = { server: '/nowhere', pluginFolder: '/nowhere' }
    const result = await withOrWithout(programs, async (used) => {
      if (used) throw new Error('the peer has ended')
      return 'alone'
    })
    t.equal(result, 'alone')
    const ours = () => Promise.reject(new Error('ours'))
    await t.rejects(withOrWithout(programs, ours), { message: 'ours' })
    await t.rejects(withOrWithout(undefined, ours), { message: 'ours' })
  },
)

t.test('the time at Salesforce counts requests at once only once', async (t) => {
  const { promise: held, resolve: release } = Promise.withResolvers<void>()
  let waiting = 0
  const server = createServer(async (_request, response) => {
    waiting += 1
    if (waiting === 2) release()
    await held
    response.end()
  })
  t.teardown(() => server.close())
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  const watched = watchSalesforce(t, { port })
  const agent = new Agent()
  const from = performance.now()
  await Promise.all([0, 1].map(() => ask(`http://127.0.0.1:${port}/`, { agent })))
  const to = performance.now()
  t.equal(watched.requests(), 2)
  const both = watched.within(from, to)
  t.ok(both > 0 && both <= to - from, `${both} of ${to - from} ms`)
  t.equal(watched.within(to, to + 1_000), 0)
  watched.clear()
  t.equal(watched.within(from, to), 0)
})

t.test('the memory of a process has that of its children', async (t) => {
  const script = `"${process.execPath}" -e "process.stdin.resume()"; :`
  const shell = endWithThisProcess(spawn('/bin/sh', ['-c', script], { stdio: ['pipe', 1, 2] }))
  t.teardown(() => shell.stdin?.end())
  const { rssBytes, pssBytes } = await eventually(() => {
    const memory = memoryOf(shell.pid ?? 0)
    // The shell alone has a tenth of it.
    return memory.rssBytes > 20 * 2 ** 20 ? memory : undefined
  })
  t.ok(pssBytes > 0 && pssBytes <= rssBytes, `${pssBytes} of ${rssBytes}`)
})

t.test(
  'what is measured is what users run: the bundle, which leaves the sources alone',
  async (t) => {
    const setting = await prepareSetting(t)
    const root = await bundleRoot()
    for (const isProbed of [true, false]) {
      const { process } = await setting.broker({ isProbed })
      const command = readFileSync(`/proc/${process.pid}/cmdline`, 'utf8').split('\0')
      t.ok(command.includes(`${root}/src/valetkey.js`), command.join(' '))
    }
    t.same(filesIn(`${root}/src`), ['valetkey.js'])
    t.ok(filesIn(`${root}/dist/client`).includes('index.d.ts'))
  },
)

t.test('commands of Redis are added up', async (t) => {
  const text = 'cmdstat_get:calls=3,usec=1\r\ncmdstat_client|setinfo:calls=2,usec=1\r\n'
  t.equal(commandsIn(text), 5)
  t.equal(
    commandsIn(text, (name) => name === 'get'),
    3,
  )
})

t.test('a pipeline is one round trip, and what a script calls has none of its own', async (t) => {
  const redis = await startRedis()
  t.teardown(() => redis.stop())
  const client = new Redis(redis.url)
  t.teardown(() => client.disconnect())
  const before = await client.info('all')
  await client.pipeline().set('a', '1').get('a').get('a').exec()
  await client.eval("redis.call('get', 'a') return redis.call('get', 'a')", 0)
  const after = await client.info('all')
  // With the second question itself.
  t.equal(roundTripsIn(after) - roundTripsIn(before), 3)
  t.throws(() => roundTripsIn('redis_version:5.0.0'), /does not count/)
})

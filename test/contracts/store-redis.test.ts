import t from 'tap'
import { startRedis } from '../support/redis.ts'
import { openRedis } from '../support/store-engines.ts'
import { storeSuite } from './store/suite.ts'

const server = await startRedis()
t.teardown(() => server.stop())
await storeSuite(t, (test = t) => openRedis(test, server))

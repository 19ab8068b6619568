import t from 'tap'
import { startSentinel } from '../support/redis-sentinel.ts'
import { openRedis } from '../support/store-engines.ts'
import { storeSuite } from './store/suite.ts'

const servers = await startSentinel()
t.teardown(() => servers.stop())
await servers.settled()
await storeSuite(t, (test = t) => openRedis(test, { url: servers.url() }))

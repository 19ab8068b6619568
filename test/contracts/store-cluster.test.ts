import t from 'tap'
import { startCluster } from '../support/redis-cluster.ts'
import { openRedis } from '../support/store-engines.ts'
import { storeSuite } from './store/suite.ts'

const servers = await startCluster()
t.teardown(() => servers.stop())
await servers.settled()
await storeSuite(t, (test = t) => openRedis(test, { url: servers.url() }))

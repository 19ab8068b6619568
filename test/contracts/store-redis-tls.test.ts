import t from 'tap'
import { Secret } from '../../src/crypto/secret.ts'
import { createRedisStore } from '../../src/store/redis/redis-store.ts'
import type { RedisEvent } from '../../src/store/redis-connection/connection.ts'
import { createAuthority } from '../support/authority.ts'
import { startTlsRedis } from '../support/redis-tls.ts'
import { openRedis } from '../support/store-engines.ts'
import { storeSuite } from './store/suite.ts'

const server = await startTlsRedis(t)
await storeSuite(t, (test = t) => openRedis(test, server))

t.test('trusts no server whose certificate the CA did not sign', async (t) => {
  const other = createAuthority(t, 'Another CA')
  const dir = t.testdir({ 'ca.crt': other.certificate })
  for (const caFile of [`${dir}/ca.crt`, undefined]) {
    const events: RedisEvent[] = []
    const store = await createRedisStore({
      connection: { url: new Secret(server.url), ...(caFile !== undefined && { caFile }) },
      onEvent: (event) => events.push(event),
    })
    t.teardown(() => store.close())
    await t.rejects(store.now(), { code: 'store_unavailable' })
    t.notOk(events.some(({ type }) => type === 'ready'))
    t.match(
      events.find(({ type }) => type === 'error'),
      { error: { code: /CERT|SIGNATURE|VERIFY/ } },
    )
  }
})

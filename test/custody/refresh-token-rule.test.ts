import t from 'tap'
import { Secret } from '../../src/crypto/secret.ts'
import { grantTrouble, refreshTokenTrouble } from '../../src/custody/refresh-token-rule.ts'
import { checkGrant } from '../../src/integrations/composition.ts'

const settings = (url: string | undefined, redisWaitReplicas: number) => ({
  redisUrl: url === undefined ? undefined : new Secret(url),
  redisWaitReplicas,
})

t.test('no refresh token is used where a failover could bring a used one back', async (t) => {
  for (const url of [
    'redis+sentinel://a:26379/main/0',
    'rediss+sentinel://a:26379/main/0',
    'redis+cluster://a:6379',
    'rediss+cluster://:secret@a:6379',
    'valkey+sentinel://a:26379/main',
    'valkeys+cluster://:secret@a:6379',
  ]) {
    t.match(refreshTokenTrouble(settings(url, 0)), /VALETKEY_REDIS_WAIT/, url)
    t.notMatch(refreshTokenTrouble(settings(url, 0)), /secret/)
    t.equal(refreshTokenTrouble(settings(url, 1)), undefined)
  }
  for (const url of [undefined, 'redis://a:6379', 'rediss://a:6379/1']) {
    t.equal(refreshTokenTrouble(settings(url, 0)), undefined, url ?? 'embedded')
  }
})

t.test('an integration that could not be served is refused when it is written', async (t) => {
  const trouble = grantTrouble(settings('redis+sentinel://a:26379/main/0', 0))
  t.throws(() => checkGrant({ type: 'refresh_token' }, trouble), { code: 'request_invalid' })
  t.doesNotThrow(() => checkGrant({ type: 'client_credentials' }, trouble))
  t.doesNotThrow(() => checkGrant({ type: 'refresh_token' }, undefined))
})

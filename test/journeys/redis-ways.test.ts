/** What an operator reads where there is no way to Redis, or none that it lets anybody in by. */
import t from 'tap'
import { freePort } from '../support/redis.ts'
import { startTlsRedis } from '../support/redis-tls.ts'
import { readTrouble, redis, sentinelOf, type Troubles } from './redis-trouble.ts'

t.setTimeout(300_000)

const TROUBLES: Troubles = {
  'a host that does not resolve': async () => ({
    url: 'redis://no-such-host.invalid:6379',
    ...{ cause: 'host_unknown', code: /ENOTFOUND|EAI_AGAIN/ },
    ...{ host: 'no-such-host.invalid', port: 6379 },
  }),
  'a port at which nothing listens': async () => {
    const port = await freePort()
    return { url: `redis://127.0.0.1:${port}`, port, cause: 'refused', code: 'ECONNREFUSED' }
  },
  'a server that hangs': async (t) => {
    const { url, port, kill } = await redis(t)
    await kill('SIGSTOP')
    return { url, port, cause: 'no_answer', code: /TIMEOUT|TIMEDOUT/ }
  },
  'a socket that is not there': async () => ({
    url: 'redis+unix:///nowhere/redis.sock?db=0',
    ...{ cause: 'socket_missing', code: 'ENOENT', host: '/nowhere/redis.sock' },
  }),
  'TLS to a plain port': async (t) => {
    const { port } = await redis(t)
    return { url: `rediss://127.0.0.1:${port}`, port, cause: 'tls_unexpected', code: /./ }
  },
  'no TLS to a port with TLS': async (t) => {
    const { server } = await startTlsRedis(t)
    return { url: server.url, port: server.port, cause: 'tls_expected', code: /./ }
  },
  'a CA that is not trusted': async (t) => {
    const { server } = await startTlsRedis(t)
    const { port } = server
    const code = /SIGNATURE|SIGNED|ISSUER/
    return { url: `rediss://127.0.0.1:${port}`, port, cause: 'certificate_untrusted', code }
  },
  'a certificate for another name': async (t) => {
    const { server, caFile } = await startTlsRedis(t, { san: 'DNS:redis.example.com' })
    const env = { VALETKEY_REDIS_CA_FILE: caFile }
    const { port } = server
    const code = 'ERR_TLS_CERT_ALTNAME_INVALID'
    return { url: `rediss://127.0.0.1:${port}`, env, port, cause: 'certificate_name', code }
  },
  'a certificate that is over': async (t) => {
    const validity = { notBefore: '20200101000000Z', notAfter: '20200102000000Z' }
    const { server, caFile } = await startTlsRedis(t, { validity })
    const env = { VALETKEY_REDIS_CA_FILE: caFile }
    const { port } = server
    const code = 'CERT_HAS_EXPIRED'
    return { url: `rediss://127.0.0.1:${port}`, env, port, cause: 'certificate_expired', code }
  },
  'no client certificate where one is asked for': async (t) => {
    const { server, caFile } = await startTlsRedis(t, { args: [] })
    const env = { VALETKEY_REDIS_CA_FILE: caFile }
    return {
      url: `rediss://127.0.0.1:${server.port}`,
      ...{ env, port: server.port, cause: 'client_certificate_missing', code: /REQUIRED/ },
    }
  },
  'a wrong password': async (t) => {
    const { port } = await redis(t, '--requirepass', 'parrot')
    return {
      url: `redis://:canary@127.0.0.1:${port}`,
      ...{ port, cause: 'password_wrong', code: 'WRONGPASS', command: 'auth' },
    }
  },
  'no password': async (t) => {
    const { url, port } = await redis(t, '--requirepass', 'parrot')
    return { url, port, cause: 'password_missing', code: 'NOAUTH' }
  },
  'a wrong password of the Sentinels': async (t) => {
    const { port } = await sentinelOf(t, await redis(t), 'requirepass parrot')
    const url = `redis+sentinel://127.0.0.1:${port}/main/0`
    const env = { VALETKEY_REDIS_SENTINEL_PASSWORD: 'canary' }
    const code = 'WRONGPASS'
    return { url, env, port, node: 'sentinel', cause: 'sentinel_password', code, command: 'auth' }
  },
  'no password of the Sentinels': async (t) => {
    const { port } = await sentinelOf(t, await redis(t), 'requirepass parrot')
    const url = `redis+sentinel://127.0.0.1:${port}/main/0`
    return { url, port, node: 'sentinel', cause: 'sentinel_password', code: 'NOAUTH' }
  },
  'a master that the Sentinels do not know': async (t) => {
    const { port } = await sentinelOf(t, await redis(t))
    const url = `redis+sentinel://127.0.0.1:${port}/other/0`
    return { url, port, node: 'sentinel', cause: 'master_unknown', code: 'ERR' }
  },
  'Redis in the place of a Sentinel': async (t) => {
    const { port } = await redis(t)
    const url = `redis+sentinel://127.0.0.1:${port}/main/0`
    return { url, port, node: 'sentinel', cause: 'not_a_sentinel', code: 'ERR' }
  },
}

for (const [what, make] of Object.entries(TROUBLES)) {
  t.test(`${what} is one line, and in /readyz, with what to do`, (t) => readTrouble(t, make))
}

import { inspect } from 'node:util'
import fc from 'fast-check'
import t from 'tap'
import { parseRedisUrl } from '../../../src/store/redis-connection/url.ts'

t.test('reads a standalone URL', async (t) => {
  t.same(parseRedisUrl('redis://h'), {
    tls: false,
    topology: { kind: 'standalone', node: { host: 'h', port: 6379 } },
    database: 0,
  })
  const full = parseRedisUrl('rediss://us%40er:p%2Fw%3A@h.example:1234/5')
  t.match(full, {
    tls: true,
    username: 'us@er',
    topology: { kind: 'standalone', node: { host: 'h.example', port: 1234 } },
    database: 5,
  })
  t.equal(full.password?.reveal(), 'p/w:')
  t.notMatch(inspect(full, { depth: 9, showHidden: true }), /p\/w/)
  t.match(parseRedisUrl('redis://[::1]:7000/').topology, { node: { host: '::1', port: 7000 } })
  const passwordOnly = parseRedisUrl('redis://:a:b@h')
  t.equal(passwordOnly.username, undefined)
  t.equal(passwordOnly.password?.reveal(), 'a:b')
})

t.test('reads a Sentinel URL', async (t) => {
  t.match(parseRedisUrl('redis+sentinel://:pw@h1:26379,h2,[fe80::1]:3/my%20master/2'), {
    tls: false,
    topology: {
      kind: 'sentinel',
      sentinels: [
        { host: 'h1', port: 26379 },
        { host: 'h2', port: 26379 },
        { host: 'fe80::1', port: 3 },
      ],
      master: 'my master',
    },
    database: 2,
  })
  t.match(parseRedisUrl('rediss+sentinel://h1/m'), { tls: true, database: 0 })
})

t.test('reads a Cluster URL', async (t) => {
  t.match(parseRedisUrl('rediss+cluster://h1,h2:7001'), {
    tls: true,
    topology: {
      kind: 'cluster',
      nodes: [
        { host: 'h1', port: 6379 },
        { host: 'h2', port: 7001 },
      ],
    },
    database: 0,
  })
})

t.test('reads what others write, too', async (t) => {
  const same = (one: string, other: string) =>
    t.strictSame(parseRedisUrl(one), parseRedisUrl(other), one)
  same('valkey://h:1/2', 'redis://h:1/2')
  same('valkeys://h', 'rediss://h')
  same('valkey+sentinel://h/m', 'redis+sentinel://h/m')
  same('valkeys+cluster://h', 'rediss+cluster://h')
  same('redis://h?db=3', 'redis://h/3')
  same('unix:///run/redis.sock?db=4', 'redis+unix:///run/redis.sock?db=4')
  same('valkey+unix:///run/redis.sock', 'redis+unix:///run/redis.sock')
  t.strictSame(parseRedisUrl('redis+unix:///run/r.sock?db=4'), {
    tls: false,
    topology: { kind: 'socket', path: '/run/r.sock' },
    database: 4,
  })
  const authenticated = parseRedisUrl('redis+unix://us%40er:p%2Fw@/run/a%20b')
  t.match(authenticated, { username: 'us@er', topology: { path: '/run/a b' } })
  t.equal(authenticated.password?.reveal(), 'p/w')
  t.match(parseRedisUrl('rediss://10.0.0.1?sni=redis.example.com'), {
    serverName: 'redis.example.com',
  })
  t.match(parseRedisUrl('rediss+cluster://h1,h2/7'), { database: 7 })
})

t.test('takes any character in user names and passwords', async (t) => {
  const text = fc.string({ unit: 'grapheme', minLength: 1 }).filter((one) => one.isWellFormed())
  const url = fc.constantFrom(
    'redis://USER:PASS@h/1',
    'rediss+cluster://USER:PASS@h1,h2',
    'redis+sentinel://USER:PASS@h/m/0',
    'redis+unix://USER:PASS@/run/s',
  )
  await fc.assert(
    fc.asyncProperty(url, text, text, async (form, username, password) => {
      const [user, pass] = [username, password].map(encodeURIComponent)
      const read = parseRedisUrl(form.replace('USER:PASS', () => `${user}:${pass}`))
      if (read.username !== username || read.password?.reveal() !== password) {
        throw new Error(`${username} and ${password} are not what was read`)
      }
      // All but `%` may also stand there as it is, in the password.
      if (password.includes('%')) return
      const raw = parseRedisUrl(form.replace('USER:PASS', () => `${user}:${password}`))
      if (raw.password?.reveal() !== password) throw new Error(`${password} is not what was read`)
    }),
  )
  t.pass('in each form')
})

t.test('says what is wrong with a URL, and repeats none of it', async (t) => {
  const bad: readonly (readonly [string, RegExp])[] = [
    ['', /must look like/],
    ['http://canary', /must look like/],
    ['redis:canary', /must look like/],
    ['redis://h?canary=1', /must look like/],
    ['redis://h#canary', /must look like/],
    ['redis+sentinal://canary/m', /must look like/],
    ['redis://', /needs HOST/],
    ['redis://:canary@', /needs HOST/],
    ['redis://h:0', /needs HOST/],
    ['redis://h:65536', /needs HOST/],
    ['redis://h:canary', /needs HOST/],
    ['redis://h1,h2/0', /names one host/],
    ['redis://h/canary', /must be a number/],
    ['redis://h/0/1', /must be a database number/],
    ['redis+sentinel://h1:26379', /ends in \/MASTER/],
    ['redis+sentinel://h1/m/0/canary', /ends in \/MASTER/],
    ['redis+sentinel://h1/m/canary', /must be a number/],
    ['redis+cluster://h1,h2/canary', /must be a number/],
    ['redis:///run/canary.sock', /redis\+unix:/],
    ['redis+unix://canary', /must look like/],
    ['redis+unix:///run/x?db=canary', /must be a number/],
    ['redis+unix:///run/x?sni=canary', /requires TLS/],
    ['redis://h/1?db=2', /database twice/],
    ['redis://h?db=1&db=2', /db twice/],
    ['redis://h?sni=canary', /requires TLS/],
    ['rediss://h?sni=canary/', /host name/],
    ['rediss://h?password=canary', /only have db and sni/],
    ['redis+cluster://h1,,h2', /needs HOST/],
    ['redis://:canary%@h', /percent-encoded/],
    ['redis://canary%zz:x@h', /percent-encoded/],
  ]
  for (const [url, message] of bad) {
    try {
      parseRedisUrl(url)
      t.fail(`${url} passes`)
    } catch (error) {
      t.match(error, { message })
      t.notMatch(inspect(error, { depth: 9 }).split('\n    at ')[0], /canary/, url)
    }
  }
})

t.test('has an answer to any text', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom('', 'redis://', 'rediss+sentinel://'),
      fc.string(),
      async (scheme, text) => {
        try {
          parseRedisUrl(scheme + text)
        } catch (error) {
          // Anything but a plain Error is a bug of the parser.
          if (!(error instanceof Error) || error.constructor !== Error) throw error
        }
      },
    ),
  )
})

/** The token of the broker at Vault is renewed before it ends, and replaced where that is no use. */
import t from 'tap'
import { Secret } from '../../src/crypto/secret.ts'
import type { OutboundOutcome, OutboundRequest } from '../../src/http/outbound/outbound.ts'
import { createVaultClient } from '../../src/signers/vault/vault-client.ts'
import { createVaultLogin } from '../../src/signers/vault/vault-login.ts'
import { createVaultSession } from '../../src/signers/vault/vault-session.ts'
import { createVaultTransit } from '../../src/signers/vault/vault-transit.ts'
import { eventually } from '../support/eventually.ts'
import { testLog } from '../support/runtime.ts'

const BY_JWT = { type: 'jwt', mount: 'jwt', role: 'r', tokenFile: '/f' } as const

/** A Vault whose tokens live for as long as is told, by a clock that a pause moves forward. */
function sessionWith({ renewsTo }: { readonly renewsTo: (count: number) => number | undefined }) {
  let clock = 0
  let logins = 0
  const calls: string[] = []
  const failures: unknown[] = []
  let rounds = 0
  const pauses: number[] = []
  const session = createVaultSession({
    login: {
      async token() {
        logins += 1
        calls.push(`login ${clock}`)
        return { token: new Secret(`token-${logins}`), lifeMs: 60_000, isRenewable: true }
      },
    },
    client: {
      async ask(_outbound, { path, token }) {
        calls.push(`${path} ${token?.reveal()} ${clock}`)
        const seconds = renewsTo(calls.filter((one) => one.includes('renew')).length)
        const auth = { client_token: token?.reveal(), lease_duration: seconds, renewable: true }
        return seconds === undefined
          ? { status: 403, body: {}, words: '' }
          : { status: 200, body: { auth }, words: '' }
      },
    },
    outbound: { send: () => Promise.reject(new Error('The client is asked instead')) },
    settings: { name: 'vault', auth: BY_JWT },
    log: testLog(),
    runtime: {
      monotonic: () => clock,
      async sleep(ms, signal) {
        pauses.push(ms)
        rounds += 1
        if (rounds > 12) await new Promise((done) => signal?.addEventListener('abort', done))
        else clock += ms
      },
    },
    outage: { report: (error) => failures.push(error), over: () => undefined },
  })
  return { session, calls, failures, isDone: () => rounds > 12, logins: () => logins }
}

t.test('a token is renewed when half of its life is over', async (t) => {
  const { session, calls, failures, isDone, logins } = sessionWith({ renewsTo: () => 60 })
  session.start()
  await eventually(isDone)
  await session.stop()
  t.equal(logins(), 1)
  t.same(calls.slice(0, 2), ['login 0', 'auth/token/renew-self token-1 30000'])
  t.ok(calls.length > 3)
  t.same(failures, [])
})

t.test('a login replaces a token that is near its longest life, or not renewed', async (t) => {
  for (const last of [10, undefined]) {
    const { session, calls, isDone, logins } = sessionWith({
      renewsTo: (count) => (count > 1 ? last : 60),
    })
    session.start()
    await eventually(isDone)
    await session.stop()
    t.ok(logins() >= 2)
    const at = calls.findIndex((one) => one.startsWith('auth/token/renew-self token-2'))
    t.ok(at > 0, 'and the next one is renewed in turn')
  }
})

t.test('who waits for a login shares it', async (t) => {
  const { session, logins } = sessionWith({ renewsTo: () => 60 })
  const { signal } = new AbortController()
  const tokens = await Promise.all([1, 2, 3].map(() => session.token(signal)))
  t.equal(new Set(tokens.map((token) => token.reveal())).size, 1)
  t.equal(logins(), 1)
  await session.stop()
})

interface FileVault {
  /** What Vault says of the token in the file after so many milliseconds. Undefined: 403. */
  readonly lookedUp: (clock: number) => object | undefined
  readonly renewed?: object
}

/** The token of a file, which Vault knows or not. */
function fileSessionWith({ lookedUp, renewed }: FileVault) {
  let clock = 0
  const pauses: number[] = []
  const failures: unknown[] = []
  const asked: string[] = []
  const answerOf = (path: string) => {
    const data = path.endsWith('lookup-self') ? lookedUp(clock) : undefined
    if (data) return { status: 200, body: { data }, words: '' }
    if (path.endsWith('renew-self') && renewed) {
      return { status: 200, body: { auth: renewed }, words: '' }
    }
    return { status: 403, body: {}, words: '' }
  }
  const session = createVaultSession({
    login: {
      token: async () => ({ token: new Secret('in-the-file'), lifeMs: 0, isRenewable: false }),
    },
    client: {
      async ask(_outbound, { path }) {
        asked.push(path)
        return answerOf(path)
      },
    },
    outbound: { send: () => Promise.reject(new Error('The client is asked instead')) },
    settings: { name: 'vault', auth: { type: 'token_file', tokenFile: '/f' } },
    log: testLog(),
    runtime: {
      monotonic: () => clock,
      async sleep(ms, signal) {
        pauses.push(ms)
        if (pauses.length > 12) await new Promise((done) => signal?.addEventListener('abort', done))
        else clock += ms
      },
    },
    outage: { report: (error) => failures.push(error), over: () => undefined },
  })
  const run = async () => {
    session.start()
    await eventually(() => pauses.length > 12)
    await session.stop()
  }
  return { run, pauses, failures, asked }
}

t.test('a token from a file that nobody renews keeps nobody busy', async (t) => {
  const whole = 60
  const { run, pauses, failures } = fileSessionWith({
    lookedUp: (clock) => ({
      ...{ ttl: Math.max(1, whole - clock / 1_000), creation_ttl: whole, renewable: false },
    }),
  })
  await run()
  t.equal(pauses[0], 30_000)
  for (const ms of pauses) t.ok(ms >= 5_000, `${ms}`)
  t.same(failures, [])
})

t.test('a token from a file that Vault does not know is reported', async (t) => {
  const { run, failures, asked } = fileSessionWith({ lookedUp: () => undefined })
  await run()
  t.match(failures[0], {
    code: 'signing_refused',
    detail: 'The signer vault does not accept the token in the file, or hides it (403)',
    remedy: /^Put a valid token into the token_file of this signer\. If .*lookup-self/,
  })
  t.notMatch(asked.join(), 'revoke', 'it belongs to who wrote the file')
})

t.test('a token from a file whose renewal is refused is reported before it ends', async (t) => {
  const lookedUp = () => ({ ttl: 20, creation_ttl: 60, renewable: true })
  const { run, failures } = fileSessionWith({ lookedUp })
  await run()
  t.match(failures[0], {
    detail: 'The signer vault does not renew the token in the file (403), which ends soon',
    remedy: /^Allow update on auth\/token\/renew-self/,
  })
  const good = fileSessionWith({ lookedUp, renewed: { client_token: 't', lease_duration: 60 } })
  await good.run()
  t.same(good.failures, [])
})

t.test('the end of the process revokes the token of its login', async (t) => {
  const { session, calls, isDone } = sessionWith({ renewsTo: () => 60 })
  session.start()
  await eventually(isDone)
  await session.stop()
  t.match(calls.at(-1), /^auth\/token\/revoke-self token-1 /)
})

t.test('only what may be done twice is sent twice', async (t) => {
  const sent: [string, boolean | undefined][] = []
  const outbound = {
    async send({ url, repeatable }: OutboundRequest): Promise<OutboundOutcome> {
      sent.push([new URL(url).pathname.slice('/v1/'.length), repeatable])
      const body = Buffer.from(JSON.stringify({ data: { signature: 'vault:v1:AAAA', keys: {} } }))
      return { ok: true, status: 200, headers: {}, body }
    },
    fetch: () => Promise.reject(new Error('send is used instead')),
    close: async () => undefined,
  }
  const client = createVaultClient({ name: 'v', address: 'https://vault', namespace: undefined })
  const auth = BY_JWT
  const login = createVaultLogin({
    ...{ name: 'v', auth, client, outbound, outboundWith: () => outbound },
    readFile: async () => 'a.b.c',
  })
  const { signal } = new AbortController()
  await t.rejects(login.token(signal), { code: 'signing_refused' })
  const transit = createVaultTransit({
    ...{ settings: { name: 'v', mount: 'transit', auth }, client, outbound },
    session: {
      ...{ token: async () => new Secret('t'), isOver: async () => false },
      ...{ start: () => undefined, stop: async () => undefined },
    },
  })
  const key = { name: 'v', key: 'k' }
  await transit.sign(key, Buffer.from('a'), signal)
  await transit.rotate?.('k', signal)
  await t.rejects(transit.publicKeys('k', 'RS256', signal), { code: 'signing_refused' })
  t.same(sent, [
    ['auth/jwt/login', false],
    ['transit/sign/k/sha2-256', true],
    ['transit/keys/k/rotate', false],
    ['transit/keys/k', true],
  ])
})

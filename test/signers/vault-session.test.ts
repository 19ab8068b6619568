/** The token of the broker at Vault is renewed before it ends, and replaced where that is no use. */
import t from 'tap'
import { Secret } from '../../src/crypto/secret.ts'
import { createVaultSession } from '../../src/signers/vault/vault-session.ts'
import { eventually } from '../support/eventually.ts'

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
    isFromFile: false,
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

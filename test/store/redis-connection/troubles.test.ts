/** When a trouble is told, and what is taken from several words about it. */
import t from 'tap'
import type { RedisPlace, RedisTrouble } from '../../../src/store/redis-connection/errors.ts'
import { createRedisTroubles } from '../../../src/store/redis-connection/troubles.ts'
import { eventually } from '../../support/eventually.ts'

const PLACE: RedisPlace = { kind: 'server', host: '10.0.0.1', port: 6379 }
const error = (code: string) => Object.assign(new Error('canary'), { code })

function register({ isTls = false, speaks }: { isTls?: boolean; speaks?: 'plain' | 'tls' } = {}) {
  let now = 0
  let asked = 0
  const told: RedisTrouble[] = []
  const troubles = createRedisTroubles({
    isTls: () => isTls,
    tell: (trouble) => told.push(trouble),
    monotonic: () => now,
    async spokenAt() {
      asked += 1
      return speaks
    },
  })
  const note = (code: string, more: object = {}) =>
    troubles.note(error(code), { role: 'commands', place: PLACE, ...more })
  const causes = () => told.splice(0).map(({ cause }) => cause)
  return { troubles, note, causes, asked: () => asked, pass: (ms: number) => (now += ms) }
}

t.test('tells a trouble at once, and then every 30 seconds while it lasts', async (t) => {
  const { troubles, note, causes, pass } = register()
  note('ECONNREFUSED')
  t.strictSame(causes(), ['refused'])
  for (let second = 0; second < 29; second += 1) {
    pass(1_000)
    note('ECONNREFUSED')
    note('ECONNREFUSED', { role: 'changes' })
  }
  t.strictSame(causes(), [])
  pass(1_000)
  note('ECONNREFUSED')
  t.strictSame(causes(), ['refused'])
  t.equal(troubles.counts().get('refused'), 60)
})

t.test('tells each cause and each server for itself', async (t) => {
  const { note, causes } = register()
  note('ECONNREFUSED')
  note('WRONGPASS')
  note('ECONNREFUSED', { place: { ...PLACE, port: 6380 } })
  note('ECONNREFUSED', { place: { kind: 'server', host: '/run/redis.sock' } })
  t.strictSame(causes(), ['refused', 'password_wrong', 'refused', 'refused'])
})

t.test('is over once the connection works, and when it was not met again', async (t) => {
  const { troubles, note, pass } = register()
  note('ECONNREFUSED')
  note('ECONNREFUSED', { role: 'changes' })
  troubles.over('commands')
  t.match(troubles.latest(), { cause: 'refused' }, 'the other connection does not work yet')
  t.equal(troubles.latest('commands'), undefined)
  troubles.over('changes')
  t.equal(troubles.latest(), undefined)
  note('OOM', { command: 'vkSave' })
  t.match(troubles.latest(), { cause: 'memory_full', command: 'vkSave' })
  pass(30_000)
  t.equal(troubles.latest(), undefined)
})

t.test('takes the end of a connection for an echo of what was just heard', async (t) => {
  const { note, causes, pass } = register()
  note('WRONGPASS')
  note('CLOSED')
  t.strictSame(causes(), ['password_wrong'])
  pass(2_000)
  note('CLOSED')
  t.strictSame(causes(), ['closed'])
})

t.test('asks what the port speaks where a beginning fails without a word', async (t) => {
  const table = [
    { isTls: false, speaks: 'tls', code: 'ECONNRESET', cause: 'tls_expected' },
    { isTls: true, speaks: 'plain', code: 'ETIMEDOUT', cause: 'tls_unexpected' },
    { isTls: false, speaks: 'plain', code: 'ETIMEDOUT', cause: 'no_answer' },
    { isTls: true, speaks: 'tls', code: 'ECONNRESET', cause: 'closed' },
    { isTls: false, code: 'ECONNRESET', cause: 'closed' },
  ] as const
  for (const { code, cause, ...rest } of table) {
    const { troubles, note, causes, asked, pass } = register(rest)
    note(code, { isConnecting: true })
    note(code, { isConnecting: true })
    await eventually(() => troubles.latest())
    t.strictSame(causes(), [cause], `${code} of ${JSON.stringify(rest)}`)
    pass(1_000)
    note(code, { isConnecting: true })
    t.equal(asked(), 1, 'once')
    t.strictSame(causes(), [])
    t.match(troubles.latest(), { cause })
  }
})

t.test('asks nobody about a connection that worked, or about what was said', async (t) => {
  const { note, causes, asked } = register({ speaks: 'tls' })
  note('ECONNRESET')
  note('ECONNREFUSED', { isConnecting: true })
  t.strictSame(causes(), ['closed', 'refused'])
  t.equal(asked(), 0)
})

t.test('keeps nothing of what was being written', async (t) => {
  const { troubles, note } = register()
  note('OOM')
  t.notMatch(JSON.stringify(troubles.latest()), /canary/)
})

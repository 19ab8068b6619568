import t from 'tap'
import { redisEventLog } from '../../../src/store/redis/event-log.ts'
import type { RedisEvent } from '../../../src/store/redis-connection/connection.ts'

function logged() {
  const lines: { members: object; message: string }[] = []
  let now = 0
  const write = (members: object, message: string) => lines.push({ members, message })
  const tell = redisEventLog({ info: write, warn: write }, () => now)
  return { lines, tell, pass: (ms: number) => (now += ms) }
}

t.test('a trouble has its cause, its server, and what to do', async (t) => {
  const { lines, tell } = logged()
  const place = { kind: 'node', host: '10.0.0.5', port: 6379 } as const
  const error = { name: 'Error', code: 'ECONNREFUSED', cause: 'refused', place } as const
  tell({ type: 'error', connection: 'commands', error })
  t.match(lines, [
    {
      message: /^the Redis node at 10\.0\.0\.5:6379: it refuses .*\(ECONNREFUSED\)$/,
      members: {
        ...{ cause: 'refused', code: 'ECONNREFUSED', node: 'node', host: '10.0.0.5', port: 6379 },
        ...{ remedy: /VALETKEY_REDIS_NAT_MAP/, see: 'docs/redis.md#refused' },
      },
    },
  ])
})

t.test('a connection that comes and goes says so once in 30 seconds', async (t) => {
  const { lines, tell, pass } = logged()
  const go = (type: 'ready' | 'closed', connection: 'commands' | 'changes' = 'commands') =>
    tell({ type, connection } satisfies RedisEvent)
  const states = () => lines.splice(0).map(({ members }) => Reflect.get(members, 'state'))
  go('ready')
  go('closed')
  go('ready')
  t.strictSame(states(), ['ready', 'closed', 'ready'], 'a first time at once')
  for (let round = 0; round < 10; round += 1) {
    pass(2_000)
    go('closed')
    go('ready')
  }
  t.strictSame(states(), [])
  go('ready', 'changes')
  t.strictSame(states(), ['ready'], 'of another connection')
  pass(10_000)
  go('closed')
  pass(60_000)
  go('ready')
  t.strictSame(states(), ['closed', 'ready'])
})

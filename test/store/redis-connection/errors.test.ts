import { inspect } from 'node:util'
import t from 'tap'
import { redisTrouble, storeUnavailable } from '../../../src/store/redis-connection/errors.ts'

const PLACE = { kind: 'server', host: '10.0.0.1', port: 6379 } as const

function named(name: string, message: string, members: object = {}): Error {
  return Object.assign(new Error(message), { name, ...members })
}

t.test('tells the kinds of trouble apart', async (t) => {
  const table: readonly (readonly [unknown, string])[] = [
    [named('ReplyError', "OOM command not allowed when used memory > 'maxmemory'."), 'OOM'],
    [named('ReplyError', "READONLY You can't write against a read only replica."), 'READONLY'],
    [named('ReplyError', 'LOADING Redis is loading the dataset in memory'), 'LOADING'],
    [named('ReplyError', 'MISCONF Redis is configured to save RDB snapshots, but …'), 'MISCONF'],
    [named('ReplyError', 'NOAUTH Authentication required.'), 'NOAUTH'],
    [named('ReplyError', 'WRONGPASS invalid username-password pair'), 'WRONGPASS'],
    [named('ReplyError', 'NOREPLICAS Not enough good replicas to write.'), 'NOREPLICAS'],
    [named('ReplyError', 'BUSY Redis is busy running a script.'), 'BUSY'],
    [named('ReplyError', 'CLUSTERDOWN The cluster is down'), 'CLUSTERDOWN'],
    [named('ReplyError', 'canary in lower case'), 'UNKNOWN'],
    [named('Error', 'Command timed out'), 'TIMEOUT'],
    [named('Error', 'Socket timeout. Expecting data, but …'), 'TIMEOUT'],
    [named('Error', "Stream isn't writeable and enableOfflineQueue options is false"), 'OFFLINE'],
    [named('Error', "Cluster isn't ready and enableOfflineQueue options is false"), 'OFFLINE'],
    [named('Error', 'Connection is closed.'), 'CLOSED'],
    [named('MaxRetriesPerRequestError', 'Reached the max retries per request limit'), 'CLOSED'],
    [
      named('Error', 'connect ECONNREFUSED 10.0.0.1:6379', { code: 'ECONNREFUSED' }),
      'ECONNREFUSED',
    ],
    [named('Error', 'x', { code: 'canary: not a code' }), 'UNKNOWN'],
    ['canary', 'UNKNOWN'],
    [undefined, 'UNKNOWN'],
  ]
  for (const [error, code] of table) t.equal(redisTrouble(error, PLACE).code, code, String(error))
})

t.test('keeps nothing of what was being written', async (t) => {
  const error = named('ReplyError', 'OOM canary', {
    command: { name: 'eval', args: ['canary'] },
    previousErrors: [new Error('canary')],
    cause: new Error('canary'),
  })
  const told = storeUnavailable('vkSave', redisTrouble(error, PLACE))
  t.equal(told.code, 'store_unavailable')
  t.match(told.cause, { message: /10\.0\.0\.1:6379: its memory is full/, code: 'OOM' })
  t.notMatch(inspect(told, { depth: 9, showHidden: true }), /canary/)
  t.notMatch(
    inspect(storeUnavailable('x', redisTrouble(named('Canary canary', 'canary'), PLACE)), {
      depth: 9,
    }),
    /canary/i,
  )
})

import t from 'tap'
import { requestLog } from '../../../src/http/server/request-log.ts'
import { createLogger } from '../../../src/logger/logger.ts'

function capture() {
  const lines: string[] = []
  const log = createLogger({ level: 'info', destination: { write: (line) => lines.push(line) } })
  let children = 0
  const { child } = log
  const counted = Object.assign(log, {
    child(this: typeof log, ...args: Parameters<typeof child>) {
      children += 1
      return child.apply(this, args)
    },
  })
  return { log: counted, lines: () => lines.map((line) => JSON.parse(line)), made: () => children }
}

t.test('a request that has nothing to say makes no child', async (t) => {
  const { log, made } = capture()
  t.equal(requestLog(log, { reqId: 'r1' }).level, 'info')
  t.equal(made(), 0)
})

t.test('every line of a request names it, and its level, by one child', async (t) => {
  const { log, lines, made } = capture()
  const own = requestLog(log, { reqId: 'r1' })
  for (const level of ['trace', 'debug', 'info', 'warn', 'error', 'fatal'] as const) {
    own[level]({ code: level }, 'said')
  }
  own.child({ part: 'a' }).info('of a part')
  t.match(lines(), [
    ...['info', 'warn', 'error', 'fatal'].map((level) => ({
      ...{ level, reqId: 'r1', code: level, msg: 'said' },
    })),
    { level: 'info', reqId: 'r1', part: 'a', msg: 'of a part' },
  ])
  t.equal(lines().length, 5)
  t.equal(made(), 2)
})

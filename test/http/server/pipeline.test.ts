/** What one connection may ask for ahead of its answers, and what becomes of it when it asks for too much, or for nothing that can be understood. By count and by bytes. */
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import t, { type Test } from 'tap'
import {
  WAITING_ANSWERS,
  WAITING_ANSWERS_OF_ANYBODY,
  WAITING_BYTES,
} from '../../../src/http/server/connection.ts'
import { createPipelines, PIPELINE_LIMITS } from '../../../src/http/server/pipeline.ts'
import { createServer, type Server, type ServerLimits } from '../../../src/http/server/server.ts'
import { createLogger } from '../../../src/logger/logger.ts'
import { eventually } from '../../support/eventually.ts'
import { openRaw, type RawConnection } from '../../support/raw-http.ts'
import { newSigningKey } from '../../support/signing-key.ts'

const SEEN_AFTER_TURNS = 50
/** One for all: it opens stdout, which it cannot while what tap wrote there is not read yet. */
const logger = createLogger({ level: 'silent' })
const WHO = (isTrusted: boolean) => (isTrusted ? 'a caller' : 'anybody')

async function start(
  t: Test,
  routes: (server: Server, asked: string[]) => void,
  limits: Partial<ServerLimits> = {},
  isTrusted = false,
) {
  const asked: string[] = []
  const pipelines = createPipelines({ ...PIPELINE_LIMITS, ...limits })
  const server = createServer({
    ...{ logger, trustProxy: [], limits, pipelines },
  })
  server.addHook('onRequest', (request, _reply, done) => {
    if (isTrusted) pipelines.trust(request.raw.socket)
    if (request.raw.url !== '/first') asked.push(request.raw.url ?? '')
    done()
  })
  server.get('/first', async () => 'first')
  routes(server, asked)
  await server.listen({ host: '127.0.0.1', port: 0 })
  t.teardown(() => server.close())
  const { port } = server.server.address() as { port: number }
  return { server, port, asked }
}

const get = (path: string, ...headers: string[]) =>
  [`GET ${path} HTTP/1.1`, 'Host: a', ...headers, '', ''].join('\r\n')

const post = (path: string, body: string, ...headers: string[]) =>
  [
    `POST ${path} HTTP/1.1`,
    'Host: a',
    'Content-Type: application/json',
    `Content-Length: ${body.length}`,
    ...headers,
    '',
    body,
  ].join('\r\n')

/** Sees to it that the server has had the time to do more, if it would. */
async function someTurns(): Promise<void> {
  for (let turn = 0; turn < SEEN_AFTER_TURNS; turn += 1) await new Promise(setImmediate)
}

async function settled(value: () => number): Promise<number> {
  let last = -1
  while (value() !== last) {
    last = value()
    await someTurns()
  }
  return last
}

/** A connection that has asked for one thing, and has it. */
async function openBegun(t: Test, port: number): Promise<RawConnection> {
  const connection = openRaw(port)
  t.teardown(() => connection.destroy())
  connection.write(get('/first'))
  t.equal((await connection.answer())?.body, 'first')
  return connection
}

/** A client that reads nothing until it is told to. */
function unreading(t: Test, port: number): Socket {
  const socket = connect(port, '127.0.0.1')
  socket.on('error', () => undefined)
  socket.pause()
  t.teardown(() => socket.destroy())
  return socket
}

for (const isTrusted of [false, true]) {
  t.test(
    `many requests in one piece are answered in order, with their bodies: ${WHO(isTrusted)}`,
    async (t) => {
      const { port } = await start(
        t,
        (server) => {
          server.get('/:n', async (request) => request.params)
          server.post('/:n', async (request) => [request.params, request.body])
        },
        {},
        isTrusted,
      )
      const connection = await openBegun(t, port)
      const count = 1_000
      const requests = Array.from({ length: count }, (_, n) =>
        n % 3 === 0
          ? post(`/${n}`, JSON.stringify({ text: '\\r\\n\\r\\nGET / HTTP/1.1' }))
          : get(`/${n}`),
      )
      connection.write(requests.join(''))
      for (let n = 0; n < count; n += 1) {
        const answer = await connection.answer()
        if (answer?.status !== 200 || !answer.body.includes(`{"n":"${n}"}`)) {
          t.fail(`the answer in place ${n}: ${answer?.status} ${answer?.body}`)
          return
        }
      }
      t.pass('all of them')
    },
  )
}

for (const isTrusted of [false, true]) {
  t.test(`no more requests are understood than answers may wait: ${WHO(isTrusted)}`, async (t) => {
    const waiting: (() => void)[] = []
    const { port, asked } = await start(
      t,
      (server) => {
        server.get('/slow', async () => {
          await new Promise<void>((resolve) => waiting.push(resolve))
          return { slow: true }
        })
      },
      {},
      isTrusted,
    )
    const connection = await openBegun(t, port)
    const most = isTrusted ? WAITING_ANSWERS : WAITING_ANSWERS_OF_ANYBODY
    const count = 3 * most
    connection.write(get('/slow').repeat(count))
    await eventually(() => waiting.length >= most)
    t.equal(await settled(() => asked.length), most)
    for (let n = 0; n < count; n += 1) {
      await eventually(() => waiting.length > 0)
      waiting.shift()?.()
      t.equal((await connection.answer())?.status, 200)
      t.ok(asked.length <= most + n + 1)
    }
    t.equal(asked.length, count)
  })
}

t.test(
  'no more is made than may wait to be read, and all of it comes once it is read',
  async (t) => {
    const text = 'x'.repeat(256 * 1024)
    let made = 0
    const { server, port } = await start(t, (server) => {
      server.get('/long', async () => {
        made += 1
        return text
      })
    })
    const held: Socket[] = []
    server.server.on('connection', (socket: Socket) => held.push(socket))
    const client = unreading(t, port)
    const count = 400
    client.write(get('/long').repeat(count))
    await eventually(() => made > 0)
    const before = await settled(() => made)
    t.ok(before < count, `${before} of ${count} were made`)
    const waitingBytes = held[0]?.writableLength ?? 0
    t.ok(waitingBytes <= WAITING_BYTES + text.length + 1_000, `${waitingBytes} bytes wait`)
    let received = 0
    client.on('data', (chunk: Buffer) => {
      received += chunk.length
    })
    client.resume()
    await eventually(() => received >= count * text.length)
    t.equal(made, count)
  },
)

t.test('a client that leaves its answers unread is cut off', async (t) => {
  const { server, port } = await start(
    t,
    (server) => {
      server.get('/long', async () => 'x'.repeat(256 * 1024))
    },
    { unreadMs: 100, checkMs: 20 },
  )
  const client = unreading(t, port)
  client.write(get('/long').repeat(200))
  const connections = () =>
    new Promise<number>((resolve, reject) => {
      server.server.getConnections((error, count) => (error ? reject(error) : resolve(count)))
    })
  await eventually(async () => (await connections()) === 1)
  await eventually(async () => (await connections()) === 0)
})

t.test('who read all of it may be silent for as long as others', async (t) => {
  const { server, port } = await start(
    t,
    (server) => {
      server.get('/long', async () => 'x'.repeat(256 * 1024))
      server.get('/short', async () => 'x')
    },
    { unreadMs: 60_001, checkMs: 10 },
  )
  const held: Socket[] = []
  server.server.on('connection', (socket: Socket) => held.push(socket))
  const other = openRaw(port)
  t.teardown(() => other.destroy())
  other.write(get('/short'))
  await other.answer()
  const client = unreading(t, port)
  client.write(get('/long').repeat(200))
  await eventually(() => held[1]?.timeout === 60_001)
  client.resume()
  await eventually(() => held[1]?.timeout === held[0]?.timeout)
  t.pass('it is')
})

t.test('others are answered between the requests of one that asks for much', async (t) => {
  let piled = 0
  const { port } = await start(t, (server) => {
    server.get('/piled', async () => {
      piled += 1
      return 'piled'
    })
    server.get('/one', async () => `behind ${piled}`)
  })
  const count = 1_900
  const greedy = Array.from({ length: 5 }, () => unreading(t, port))
  const one = openRaw(port)
  t.teardown(() => one.destroy())
  one.write(get('/one'))
  t.equal((await one.answer())?.body, 'behind 0')
  for (const socket of greedy) socket.write(get('/piled').repeat(count))
  await eventually(() => piled > 0)
  one.write(get('/one'))
  const behind = Number((await one.answer())?.body.replace('behind ', ''))
  t.ok(behind < greedy.length * count, `behind ${behind} of ${greedy.length * count}`)
})

for (const isTrusted of [false, true]) {
  t.test(
    `what is malformed is answered behind the answers that are on their way: ${WHO(isTrusted)}`,
    async (t) => {
      const started: (() => void)[] = []
      const { port, asked } = await start(
        t,
        (server) => {
          server.post('/slow', async (request, reply) => {
            await new Promise<void>((resolve) => started.push(resolve))
            return reply.code(201).send(request.body)
          })
        },
        {},
        isTrusted,
      )
      for (const bad of [
        'NONSENSE\r\n\r\n',
        'GET / HTTP/9.9\r\n\r\n',
        'POST /slow HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n',
        'POST /slow HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n',
        'CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n',
      ]) {
        started.length = 0
        asked.length = 0
        const connection = await openBegun(t, port)
        connection.write(
          `${post('/slow', '{"n":1}')}${post('/slow', '{"n":2}')}${bad}${get('/behind')}`,
        )
        await eventually(() => started.length === 2)
        await someTurns()
        for (const finish of started.toReversed()) finish()
        const text = await connection.closed()
        const statuses = [...text.matchAll(/HTTP\/1\.1 (\d{3})/g)].map(([, status]) => status)
        t.same(statuses, ['201', '201', '400'], bad)
        t.match(text, /\{"n":1\}[\s\S]*\{"n":2\}[\s\S]*request_invalid/)
        t.notOk(asked.includes('/behind'))
      }
    },
  )
}

t.test('half of a request that never comes whole is answered behind the others, too', async (t) => {
  const started: (() => void)[] = []
  const { server, port } = await start(
    t,
    (server) => {
      server.get('/slow', async () => {
        await new Promise<void>((resolve) => started.push(resolve))
        return 'slow'
      })
    },
    { headersMs: 100, requestMs: 100, checkMs: 20 },
  )
  const connection = openRaw(port)
  t.teardown(() => connection.destroy())
  const late = once(server.server, 'clientError')
  connection.write(`${get('/slow')}GET /half HTTP/1.1\r\nHost: a\r\n`)
  await late
  started[0]?.()
  const text = await connection.closed()
  t.same(
    [...text.matchAll(/HTTP\/1\.1 (\d{3})/g)].map(([, status]) => status),
    ['200', '408'],
  )
})

t.test(
  'Transfer-Encoding with HTTP/1.0 ends the connection, and nothing behind it is done',
  async (t) => {
    const { port, asked } = await start(t, (server) => {
      server.post('/in', async () => 'taken')
      server.get('/behind', async () => 'done')
    })
    for (const headers of [
      ['Transfer-Encoding: chunked'],
      ['Transfer-Encoding: chunked', 'Connection: keep-alive'],
    ]) {
      asked.length = 0
      const connection = openRaw(port)
      t.teardown(() => connection.destroy())
      const head = ['POST /in HTTP/1.0', 'Host: a', 'Content-Type: application/json', ...headers]
      connection.write(`${head.join('\r\n')}\r\n\r\n2\r\n{}\r\n0\r\n\r\n${get('/behind')}`)
      const text = await connection.closed()
      t.match(text, /^HTTP\/1\.1 400 /)
      t.match(text, /connection: close/i)
      t.equal(text.split('HTTP/1.1 ').length, 2)
      t.same(asked, [])
    }
  },
)

t.test('nothing is done behind a request that says it is the last', async (t) => {
  const { port, asked } = await start(t, (server) => {
    server.get('/last', async () => 'last')
  })
  const connection = openRaw(port)
  t.teardown(() => connection.destroy())
  connection.write(get('/last', 'Connection: close') + get('/behind'))
  const text = await connection.closed()
  t.match(text, /^HTTP\/1\.1 200 [\s\S]*last$/)
  t.same(asked, ['/last'])
})

t.test('a connection that asked to be a tunnel and broke off harms nobody', async (t) => {
  const { port } = await start(t, (server) => server.get('/', async () => 'here'))
  for (let round = 0; round < 20; round += 1) {
    const socket = connect(port, '127.0.0.1')
    socket.on('error', () => undefined)
    await once(socket, 'connect')
    socket.write(`CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n${'x'.repeat(round * 1_000)}`)
    await new Promise(setImmediate)
    socket.resetAndDestroy()
  }
  const connection = openRaw(port)
  connection.write(get('/'))
  t.equal((await connection.answer())?.body, 'here')
  connection.destroy()
})

t.test('the same holds with TLS: in order, and no more than may wait', async (t) => {
  const { privateKey: key, certificate: cert } = await newSigningKey()
  const server = createServer({
    ...{ logger, trustProxy: [] },
    tls: { options: { key, cert } },
  })
  const text = 'x'.repeat(256 * 1024)
  let made = 0
  server.get('/long', async () => {
    made += 1
    return text
  })
  await server.listen({ host: '127.0.0.1', port: 0 })
  t.teardown(() => server.close())
  const { port } = server.server.address() as { port: number }
  const client = connectTls({ port, host: '127.0.0.1', rejectUnauthorized: false })
  t.teardown(() => client.destroy())
  client.on('error', () => undefined)
  await once(client, 'secureConnect')
  client.pause()
  const count = 200
  client.write(`${get('/long').repeat(count)}NONSENSE\r\n\r\n`)
  await eventually(() => made > 0)
  t.ok((await settled(() => made)) < count, `${made} of ${count} were made`)
  let received = ''
  client.on('data', (chunk: Buffer) => {
    received += chunk.toString('latin1')
  })
  client.resume()
  await once(client, 'close')
  t.equal(made, count)
  t.equal(received.split('HTTP/1.1 200 ').length - 1, count)
  t.match(received.slice(-2_000), /HTTP\/1\.1 400 [\s\S]*request_invalid/)
})

import { type AddressInfo, createServer, type Socket } from 'node:net'
import { brotliCompressSync, deflateSync, gzipSync } from 'node:zlib'
import t, { type Test } from 'tap'
import { createOutbound, type OutboundDependencies } from '../../../src/http/outbound/outbound.ts'
import { openssl } from '../../support/openssl.ts'
import { tunnelProxy } from '../../support/tunnel-proxy.ts'
import { json, listen } from '../listener.ts'

const ANY_LOOPBACK = { hosts: { allowsPrivate: () => true } }
const NOTHING_LISTED = { hosts: { allowsPrivate: () => false } }
const KIB = 1_024

function outboundFor(t: Test, dependencies: OutboundDependencies = ANY_LOOPBACK) {
  const outbound = createOutbound(dependencies)
  t.teardown(() => outbound.close())
  return outbound
}

/** A server that speaks whatever the test writes, one function a connection. */
async function rawServer(t: Test, onConnection: (socket: Socket, count: number) => void) {
  const sockets = new Set<Socket>()
  let count = 0
  const server = createServer((socket) => {
    count += 1
    sockets.add(socket)
    socket.on('error', () => socket.destroy())
    onConnection(socket, count)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => {
    for (const socket of sockets) socket.destroy()
    return new Promise((resolve) => server.close(resolve))
  })
  const { port } = server.address() as AddressInfo
  return { port, origin: `http://127.0.0.1:${port}`, count: () => count }
}

t.test('sends what it is told and gives back what came', async (t) => {
  const server = await listen(t, json({ a: 1 }, 400))
  const outcome = await outboundFor(t).send({
    url: `${server.origin}/x`,
    method: 'POST',
    headers: { 'content-type': 'text/plain' },
    body: 'hello',
  })
  t.match(outcome, { ok: true, status: 400 })
  t.equal(outcome.ok && outcome.body.toString(), '{"a":1}')
  t.match(server.requests, [{ method: 'POST', url: '/x', body: 'hello' }])
})

t.test('never follows a redirect, and says where it points', async (t) => {
  const target = await listen(t, json({}))
  for (const status of [301, 302, 303, 307, 308]) {
    const server = await listen(t, (response) => {
      response.writeHead(status, { location: `${target.origin}/elsewhere` }).end()
    })
    const outcome = await outboundFor(t).send({ url: server.origin, method: 'POST', body: 'x' })
    t.match(outcome, { ok: true, status })
    t.equal(outcome.ok && outcome.redirect?.href, `${target.origin}/elsewhere`)
  }
  t.equal(target.requests.length, 0)
})

t.test('reads 64 KiB, and not one byte more', async (t) => {
  const outbound = outboundFor(t)
  for (const [size, fits] of [
    [64 * KIB, true],
    [64 * KIB + 1, false],
  ] as const) {
    const declared = await listen(t, (response) => {
      response.writeHead(200, { 'content-length': size }).end('x'.repeat(size))
    })
    const streamed = await listen(t, (response) => {
      response.writeHead(200)
      response.write('x'.repeat(size - 1))
      response.end('x')
    })
    for (const { origin } of [declared, streamed]) {
      const outcome = await outbound.send({ url: origin })
      t.equal(outcome.ok, fits, `${size}`)
      if (!outcome.ok) t.equal(outcome.reason, 'too_large')
    }
  }
})

t.test('stops an endless answer at the bound', async (t) => {
  let written = 0
  const server = await listen(t, (response) => {
    const chunk = Buffer.alloc(16 * KIB)
    const more = () => {
      while (!response.destroyed && response.write(chunk)) written += chunk.length
    }
    response.on('drain', more)
    response.writeHead(200)
    more()
  })
  t.match(await outboundFor(t).send({ url: server.origin }), { ok: false, reason: 'too_large' })
  t.ok(written < 64 * 1_024 * KIB)
})

t.test('unpacks within the bound, and tells a bomb from a broken one', async (t) => {
  const text = Buffer.from('{"a":1}')
  const bomb = Buffer.alloc(20 * 1_024 * KIB)
  const cases = [
    ['gzip', gzipSync(text), 'ok'],
    ['deflate', deflateSync(text), 'ok'],
    ['br', brotliCompressSync(text), 'ok'],
    ['identity', text, 'ok'],
    ['gzip', gzipSync(bomb), 'too_large'],
    ['deflate', deflateSync(bomb), 'too_large'],
    ['br', brotliCompressSync(bomb), 'too_large'],
    ['gzip', text, 'undecodable'],
    ['gzip', gzipSync(text).subarray(0, 12), 'undecodable'],
    ['gzip, gzip', gzipSync(gzipSync(text)), 'undecodable'],
    ['compress', text, 'undecodable'],
    ['constructor', text, 'undecodable'],
  ] as const
  for (const [encoding, body, expected] of cases) {
    const server = await listen(t, (response) => {
      response.writeHead(200, { 'content-encoding': encoding }).end(body)
    })
    const outcome = await outboundFor(t).send({ url: server.origin })
    t.equal(outcome.ok ? 'ok' : outcome.reason, expected, encoding)
    if (outcome.ok) t.equal(outcome.body.toString(), '{"a":1}')
    t.equal(server.requests[0]?.headers['accept-encoding'], 'identity')
  }
})

t.test('ends a drip feed at the deadline, in the head and in the body', async (t) => {
  const drip = (start: string) =>
    rawServer(t, (socket) => {
      socket.write(start)
      const timer = setInterval(() => socket.write('x'), 10)
      socket.on('close', () => clearInterval(timer))
    })
  const inHead = await drip('HTTP/1.1 200 OK\r\nx: ')
  const inBody = await drip('HTTP/1.1 200 OK\r\ncontent-length: 50000\r\n\r\n')
  const silent = await rawServer(t, () => undefined)
  const outbound = outboundFor(t, { ...ANY_LOOPBACK, deadlineMs: 150 })
  for (const { origin } of [inHead, inBody, silent]) {
    t.match(await outbound.send({ url: origin }), { ok: false, reason: 'timeout' })
    const signal = AbortSignal.timeout(100)
    t.match(await outbound.send({ url: origin, signal }), { ok: false, reason: 'timeout' })
  }
})

t.test('says that a server is unreachable, whatever it does to the connection', async (t) => {
  const closed = await rawServer(t, (socket) => socket.destroy())
  const reset = await rawServer(t, (socket) => socket.resetAndDestroy())
  const junk = await rawServer(t, (socket) => socket.end('\u0000\u0001 not HTTP at all\r\n\r\n'))
  const truncated = await rawServer(t, (socket) => {
    socket.end('HTTP/1.1 200 OK\r\ncontent-length: 500\r\n\r\n{"access_token":')
  })
  const cutChunk = await rawServer(t, (socket) => {
    socket.end('HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nff\r\nabc')
  })
  const origins = [closed, reset, junk, truncated, cutChunk].map(({ origin }) => origin)
  for (const origin of origins) {
    const outcome = await outboundFor(t).send({ url: origin, repeatable: true })
    t.match(outcome, { ok: false, reason: 'unreachable' }, origin)
  }
  t.equal(closed.count(), 1, 'a fresh connection that dies is no reason to repeat')
  t.equal(reset.count(), 1)
  t.equal(truncated.count(), 1, 'an answer that began is not asked for again')
})

t.test('says that a host without a name is unreachable', async (t) => {
  const lookup = async () => {
    throw Object.assign(new Error('no such host'), { code: 'ENOTFOUND' })
  }
  const outbound = outboundFor(t, { ...NOTHING_LISTED, lookup })
  t.match(await outbound.send({ url: 'https://gone.my.salesforce.com' }), {
    ok: false,
    reason: 'unreachable',
    hop: { at: 'host', step: 'resolve', code: 'ENOTFOUND' },
  })
})

/** Answers the first request of every connection, and kills a connection at its second one. */
async function staleServer(t: Test, answersAfterKill = true) {
  let kills = 0
  const server = await rawServer(t, (socket) => {
    let requests = 0
    socket.on('data', () => {
      requests += 1
      if (requests > 1) kills += 1
      if (requests > 1 || (kills > 0 && !answersAfterKill)) socket.resetAndDestroy()
      else socket.write('HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}')
    })
  })
  return { ...server, kills: () => kills }
}

/**
 * Sends until a kept connection was used, and killed. (A connection is free again a moment after
 * its answer; until then another one is opened.)
 */
async function sendUntilKilled(t: Test, repeatable: boolean, answersAfterKill = true) {
  const server = await staleServer(t, answersAfterKill)
  const outbound = outboundFor(t)
  const send = () => outbound.send({ url: server.origin, method: 'POST', body: 'a', repeatable })
  let outcome = await send()
  let connectionsBefore = server.count()
  while (server.kills() === 0 && outcome.ok) {
    connectionsBefore = server.count()
    outcome = await send()
    await new Promise((resolve) => setImmediate(resolve))
  }
  return { outcome, kills: server.kills(), opened: server.count() - connectionsBefore }
}

t.test('repeats a repeatable request once when a kept connection was dead', async (t) => {
  const { outcome, kills, opened } = await sendUntilKilled(t, true)
  t.match(outcome, { ok: true })
  t.same({ kills, opened }, { kills: 1, opened: 1 })
})

t.test('never repeats a request that may not be', async (t) => {
  const { outcome, kills, opened } = await sendUntilKilled(t, false)
  t.match(outcome, { ok: false, reason: 'unreachable' })
  t.same({ kills, opened }, { kills: 1, opened: 0 })
})

t.test('repeats no more than once', async (t) => {
  const { outcome, kills, opened } = await sendUntilKilled(t, true, false)
  t.match(outcome, { ok: false, reason: 'unreachable' })
  t.same({ kills, opened }, { kills: 1, opened: 1 })
})

t.test('opens at most 8 connections to one origin', async (t) => {
  let waiting: (() => void)[] = []
  const server = await listen(t, async (response) => {
    await new Promise<void>((resolve) => {
      waiting.push(resolve)
    })
    response.end('{}')
  })
  const outbound = outboundFor(t)
  const all = Promise.all(Array.from({ length: 20 }, () => outbound.send({ url: server.origin })))
  let done = false
  const finished = all.then((outcomes) => {
    done = true
    return outcomes
  })
  while (!done) {
    await new Promise((resolve) => setImmediate(resolve))
    const ready = waiting
    waiting = []
    for (const answer of ready) answer()
  }
  t.ok((await finished).every(({ ok }) => ok))
  t.ok(server.connections() <= 8)
})

t.test('connects to no address that is not public', async (t) => {
  const canary = await listen(t, json({}))
  const { port } = canary
  const addresses = [
    ['127.0.0.1', 4],
    ['169.254.169.254', 4],
    ['10.0.0.1', 4],
    ['::1', 6],
    ['::ffff:127.0.0.1', 6],
    ['fd00::1', 6],
  ] as const
  for (const [address, family] of addresses) {
    const outbound = outboundFor(t, {
      ...NOTHING_LISTED,
      lookup: async () => [{ address, family }],
    })
    const outcome = await outbound.send({ url: `https://login.salesforce.com:${port}/` })
    t.match(outcome, { ok: false, reason: 'address_refused' }, address)
  }
  const mixed = outboundFor(t, {
    ...NOTHING_LISTED,
    lookup: async () => [
      { address: '8.8.8.8', family: 4 },
      { address: '127.0.0.1', family: 4 },
    ],
  })
  t.match(await mixed.send({ url: `https://login.salesforce.com:${port}/` }), {
    reason: 'address_refused',
  })
  const none = outboundFor(t, { ...NOTHING_LISTED, lookup: async () => [] })
  t.match(await none.send({ url: 'https://login.salesforce.com/' }), { reason: 'address_refused' })
  t.equal(canary.connections(), 0)
})

t.test('refuses address literals and plain http that were not listed', async (t) => {
  const canary = await listen(t, json({}))
  const outbound = outboundFor(t, NOTHING_LISTED)
  for (const url of [
    `http://127.0.0.1:${canary.port}/`,
    `https://127.0.0.1:${canary.port}/`,
    `https://127.1:${canary.port}/`,
    `https://2130706433:${canary.port}/`,
    `https://[::ffff:127.0.0.1]:${canary.port}/`,
    `https://[::1]:${canary.port}/`,
    'https://169.254.169.254/latest/meta-data/',
    'http://login.salesforce.com/',
    'ftp://login.salesforce.com/',
  ]) {
    t.match(await outbound.send({ url }), { ok: false, reason: 'address_refused' }, url)
  }
  t.equal(canary.connections(), 0)
})

t.test('verifies certificates, and trusts a CA that it is given', async (t) => {
  const tool = openssl(t)
  const names = 'subjectAltName=IP:127.0.0.1'
  const subject = ['-subj', '/CN=loopback', '-addext', names]
  const files = ['-keyout', 'key.pem', '-out', 'cert.pem']
  tool.run('req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', ...subject, ...files)
  const cert = tool.read('cert.pem')
  const server = await listen(t, json({ secure: true }), { key: tool.read('key.pem'), cert })
  const strict = await outboundFor(t).send({ url: server.origin })
  t.match(strict, { ok: false, reason: 'unreachable' })
  const trusting = await outboundFor(t, { ...ANY_LOOPBACK, tls: { ca: cert } }).send({
    url: server.origin,
  })
  t.match(trusting, { ok: true, status: 200 })
  t.equal(server.requests.length, 1)
  t.equal(server.requests[0]?.headers.host, new URL(server.origin).host)
})

t.test('goes through the proxy, but for what it is told to reach itself', async (t) => {
  const tool = openssl(t)
  const names = 'subjectAltName=DNS:login.salesforce.com'
  const subject = ['-subj', '/CN=login.salesforce.com', '-addext', names]
  const files = ['-keyout', 'key.pem', '-out', 'cert.pem']
  tool.run('req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', ...subject, ...files)
  const cert = tool.read('cert.pem')
  const server = await listen(t, json({ via: 'proxy' }), { key: tool.read('key.pem'), cert })
  const proxy = await tunnelProxy(t, server.port)
  const listed = await listen(t, json({ via: 'none' }))
  const outbound = outboundFor(t, {
    hosts: { allowsPrivate: (url) => url.origin === listed.origin },
    proxy: { httpsProxy: proxy.url, noProxy: 'test.salesforce.com,.my.salesforce.com' },
    lookup: async () => [{ address: '127.0.0.1', family: 4 }],
    tls: { ca: cert },
  })
  t.match(await outbound.send({ url: 'https://login.salesforce.com/x' }), { ok: true, status: 200 })
  t.same(proxy.targets, ['login.salesforce.com:443'])
  t.equal(server.requests[0]?.headers.host, 'login.salesforce.com')
  for (const host of ['test.salesforce.com', 'acme.my.salesforce.com']) {
    const outcome = await outbound.send({ url: `https://${host}/` })
    t.match(outcome, { reason: 'address_refused' }, `${host} is reached, and judged, directly`)
  }
  t.match(await outbound.send({ url: `${listed.origin}/` }), { ok: true })
  t.match(await outbound.send({ url: 'https://10.0.0.1/' }), { reason: 'address_refused' })
  t.equal(proxy.targets.length, 1)
})

t.test('reads no proxy from the environment', async (t) => {
  const proxy = await tunnelProxy(t, 1)
  const names = ['HTTPS_PROXY', 'https_proxy', 'HTTP_PROXY', 'http_proxy']
  const before = names.map((name) => [name, process.env[name]] as const)
  for (const name of names) process.env[name] = proxy.url
  t.teardown(() => {
    for (const [name, value] of before) {
      if (value === undefined) delete process.env[name]
      else process.env[name] = value
    }
  })
  const lookup = async () => [{ address: '127.0.0.1', family: 4 }]
  const outbound = outboundFor(t, { ...NOTHING_LISTED, lookup })
  t.match(await outbound.send({ url: 'https://login.salesforce.com/' }), {
    reason: 'address_refused',
  })
  t.same(proxy.targets, [])
})

t.test('is a fetch for libraries', async (t) => {
  const server = await listen(t, json({ a: 1 }))
  const outbound = outboundFor(t)
  const response = await outbound.fetch(new URL(`${server.origin}/keys`), {
    headers: new Headers({ 'x-a': 'b' }),
  })
  t.ok(response instanceof Response)
  t.same(await response.json(), { a: 1 })
  t.equal(server.requests[0]?.headers['x-a'], 'b')
  const empty = await listen(t, (answer) => answer.writeHead(204).end())
  t.equal((await outbound.fetch(empty.origin)).status, 204)
  const refused = outboundFor(t, NOTHING_LISTED).fetch(server.origin)
  await t.rejects(refused, { name: 'TypeError', cause: { reason: 'address_refused' } })
})

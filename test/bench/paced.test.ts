import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import t, { type Test } from 'tap'
import { startPaced } from '../../bench/paced.ts'
import { eventually } from '../support/eventually.ts'

/** Answers `/good` with 200 and all else with 404, and cuts the connection of `/cut`. */
async function startServer(t: Test) {
  const counts = new Map<string, number>()
  const server = createServer((request, response) => {
    const path = request.url ?? ''
    counts.set(path, (counts.get(path) ?? 0) + 1)
    if (path === '/cut') request.socket.destroy()
    else response.writeHead(path === '/good' ? 200 : 404).end('text')
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  const { port } = server.address() as AddressInfo
  return { url: `http://127.0.0.1:${port}`, count: (path: string) => counts.get(path) ?? 0 }
}

t.test('a paced load counts answers with the expected status, and all others', async (t) => {
  const server = await startServer(t)
  const load = startPaced({
    ...{ url: server.url, perSecond: 200 },
    paths: { '/good': [200], '/none': [404], '/bad': [200], '/cut': [200] },
  })
  await eventually(() => server.count('/cut') > 2)
  const { answered, failures, p99Ms } = await load.stop()
  t.equal(answered, server.count('/good') + server.count('/none'))
  t.equal(failures, server.count('/bad') + server.count('/cut'))
  t.ok((p99Ms ?? 0) > 0)
})

t.test('a paced load whose process ends is told, and waits for nothing', async (t) => {
  const load = startPaced({ url: 'no URL', paths: { '/': [200] }, perSecond: 1 })
  await t.rejects(load.stop(), { message: /^the process of a paced load (ended|disconnected)/ })
})

/** Clients that ask for much and read nothing: a service with a small heap goes on, and closes their connections. */
import { once } from 'node:events'
import { readdirSync, readlinkSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { connect, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { generateKeyring } from '../../src/crypto/keyring.ts'
import { PIPELINE_LIMITS } from '../../src/http/server/pipeline.ts'
import { newAdminKey, startBrokerProcess } from '../support/broker.ts'
import { eventually } from '../support/eventually.ts'

const HEAP_MB = 256
const CLIENTS = 500
/** Some 4 KB for each client. */
const REQUESTS = 100
/** The longest public answers: so many do not fit into the buffers of the kernel. */
const PATHS = ['/openapi.json', '/openapi.yaml', '/docs/static/swagger-ui-bundle.js']
const DEADLINE_MS = 120_000

t.setTimeout(240_000)

const isOnLinux = process.platform === 'linux'

/** Open sockets of a process. */
const socketsOf = (pid: number): number =>
  readdirSync(`/proc/${pid}/fd`).filter((fd) => {
    try {
      return readlinkSync(`/proc/${pid}/fd/${fd}`).startsWith('socket:')
    } catch {
      // It was closed meanwhile.
      return false
    }
  }).length

async function unread(t: Test, port: number, path: string): Promise<Socket> {
  const socket = connect(port, '127.0.0.1').pause()
  t.teardown(() => socket.destroy())
  socket.on('error', () => undefined)
  await once(socket, 'connect')
  socket.write(`GET ${path} HTTP/1.1\r\nHost: broker\r\n\r\n`.repeat(REQUESTS))
  return socket
}

t.test(
  'clients that do not read exhaust no small heap, and are cut off after 15 s',
  { skip: isOnLinux ? false : 'sockets of a process are counted in /proc' },
  async (t) => {
    t.equal(PIPELINE_LIMITS.unreadMs, 15_000)
    const dataDir = await mkdtemp(join(tmpdir(), 'valetkey-unread-'))
    t.teardown(() => rm(dataDir, { recursive: true }))
    const broker = await startBrokerProcess(t, {
      adminKey: newAdminKey(),
      nodeArgs: [`--max-old-space-size=${HEAP_MB}`],
      isWatched: false,
      env: {
        VALETKEY_DATA_DIR: dataDir,
        VALETKEY_KEYRING: generateKeyring(Date.now()).reveal(),
        VALETKEY_CONNECTIONS_PER_ADDRESS: '0',
      },
    })
    const before = socketsOf(broker.pid)
    const startedAt = performance.now()
    const { port } = new URL(broker.url)
    await Promise.all(
      Array.from({ length: CLIENTS }, (_, n) =>
        unread(t, Number(port), PATHS[n % PATHS.length] ?? ''),
      ),
    )
    let most = 0
    const statuses = new Set<number>()
    await eventually(async () => {
      statuses.add((await broker.call('GET', '/whoami')).status)
      const now = socketsOf(broker.pid)
      most = Math.max(most, now)
      return most >= before + CLIENTS && now <= before
    }, DEADLINE_MS)
    t.same([...statuses], [200], 'others are answered meanwhile')
    t.ok(performance.now() - startedAt >= PIPELINE_LIMITS.unreadMs - 1_000, 'not before')
    t.equal(broker.child.exitCode, null)
    t.notMatch(broker.output(), /heap/i)
    t.equal(await broker.kill('SIGTERM'), 0)
  },
)

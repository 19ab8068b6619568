/** A real load balancer before the replicas: HAProxy on loopback, told what Kubernetes tells a Service, or left to its own health checks. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { endWithThisProcess } from './children.ts'
import { eventually } from './eventually.ts'
import { freePort } from './redis.ts'

export interface Balancer {
  readonly url: string
  /** Takes the server out: no further request goes there, and those under way go on. */
  remove(index: number): Promise<void>
  /** Puts it in, at its address of now, as soon as its health check passes. */
  add(index: number, url: string): Promise<void>
  /** How many servers take requests. */
  serving(): Promise<number>
}

interface Teardown {
  teardown(end: () => unknown): void
}

/**
 * `http`: each request goes to a server that is in, as behind an ingress controller. `tcp`: each
 * connection does, and stays where it is even if the server is taken out, as behind a Service.
 */
export type BalancerMode = 'http' | 'tcp'

/** Nothing that was sent is sent again: a request that meets a dying server fails. */
const configOf = (
  mode: BalancerMode,
  socket: string,
  port: number,
  urls: readonly string[],
): string => `
global
  stats socket ${socket} level admin
defaults
  mode ${mode}
  timeout connect 10s
  timeout check 10s
  timeout client 30s
  timeout server 30s
  option redispatch
frontend callers
  bind 127.0.0.1:${port}
  default_backend replicas
backend replicas
  balance roundrobin
  option httpchk GET /readyz
  default-server check inter 200ms fastinter 100ms fall 1 rise 1
${urls.map((url, index) => `  server r${index} ${new URL(url).host}`).join('\n')}
`

/** Ends with the test. Waits until every server is in. */
export async function startBalancer(
  t: Teardown,
  urls: readonly string[],
  mode: BalancerMode = 'http',
): Promise<Balancer> {
  const folder = await mkdtemp(join(tmpdir(), 'valetkey-haproxy-'))
  const port = await freePort()
  const socket = join(folder, 'socket')
  const config = join(folder, 'haproxy.cfg')
  await writeFile(config, configOf(mode, socket, port, urls))
  const child = endWithThisProcess(
    spawn('haproxy', ['-db', '-f', config], { stdio: ['ignore', 'pipe', 'pipe'] }),
  )
  let said = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk) => {
      said += chunk
    })
  }
  const exited = once(child, 'exit')
  t.teardown(async () => {
    child.kill('SIGKILL')
    await exited
    await rm(folder, { recursive: true, force: true })
  })

  const tell = (command: string): Promise<string> =>
    new Promise((resolve, reject) => {
      const connection = connect(socket)
      let answer = ''
      connection.on('data', (chunk) => {
        answer += chunk
      })
      connection.once('error', reject).once('close', () => resolve(answer.trim()))
      connection.end(`${command}\n`)
    })
  /** It answers a command that went well with nothing, or with what has changed. */
  const order = async (command: string): Promise<void> => {
    const answer = await tell(command)
    if (/no such|unknown|invalid|can't|denied/i.test(answer))
      throw new Error(`${command}: ${answer}`)
  }
  const serving = async () => {
    if (child.exitCode !== null) throw new Error(`HAProxy ended: ${said}`)
    // Proxy, server, …; the eighteenth column is the status.
    const rows = (await tell('show stat')).split('\n').map((row) => row.split(','))
    return rows.filter(
      (row) => row[0] === 'replicas' && /^r\d+$/.test(row[1] ?? '') && row[17] === 'UP',
    ).length
  }
  const balancer: Balancer = {
    url: `http://127.0.0.1:${port}`,
    remove: (index) => order(`set server replicas/r${index} state drain`),
    async add(index, url) {
      const { hostname, port: to } = new URL(url)
      await order(`set server replicas/r${index} addr ${hostname} port ${to}`)
      await order(`set server replicas/r${index} state ready`)
    },
    serving,
  }
  await eventually(async () => {
    const found = await serving().catch((error: NodeJS.ErrnoException) => {
      // It has not made its socket yet.
      if (error.code === 'ENOENT' || error.code === 'ECONNREFUSED') return 0
      throw error
    })
    return found === urls.length
  })
  return balancer
}

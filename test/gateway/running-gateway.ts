/** A real gateway with its file of `examples/gateways`, on loopback. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { endWithThisProcess } from '../support/children.ts'
import { eventually } from '../support/eventually.ts'
import { ROOT } from '../support/project-root.ts'
import { freePort } from '../support/redis.ts'
import type { Change, Gateway } from './gateway-table.ts'

interface Teardown {
  teardown(end: () => unknown): void
}

interface Surroundings {
  readonly brokerUrl: string
  /** The key of the gateway at Valetkey. */
  readonly key: string
  /** The simulated Salesforce. */
  readonly instance: URL
}

export interface RunningGateway {
  readonly port: number
  output(): string
}

/** Ends with the test. Waits until it asks Valetkey. */
export async function startGateway(
  t: Teardown,
  gateway: Gateway,
  { brokerUrl, key, instance }: Surroundings,
): Promise<RunningGateway> {
  const folder = await mkdtemp(join(tmpdir(), 'valetkey-gateway-'))
  const port = await freePort()
  const changes: readonly Change[] = [
    ...gateway.changes(instance),
    [/\b9009\b/g, String(await freePort())],
    [/\b8080\b/g, new URL(brokerUrl).port],
    [/\b8081\b/g, String(port)],
    [/vk_KEY/g, key],
    [/KEY_ID/g, key.split('_')[1] ?? ''],
  ]
  for (const file of gateway.files) {
    const text = await readFile(join(ROOT, 'examples/gateways', file), 'utf8')
    await writeFile(join(folder, file), changed(text, changes))
  }
  await writeFile(join(folder, 'key.conf'), `proxy_set_header Authorization "Bearer ${key}";\n`)
  let said = ''
  const run = ([program, ...args]: readonly [string, ...string[]]) => {
    const child = endWithThisProcess(
      spawn(
        program,
        args.map((arg) => changed(arg, changes)),
        {
          cwd: folder,
          env: { ...process.env, HOME: folder, VALETKEY_KEY: key },
          stdio: ['ignore', 'pipe', 'pipe'],
        },
      ),
    )
    for (const stream of [child.stdout, child.stderr]) {
      stream.on('data', (chunk) => {
        said += chunk
      })
    }
    return { child, exited: once(child, 'exit') }
  }
  const commands = [gateway.beside?.(folder), gateway.command(folder)]
  const running = commands.filter((command) => command !== undefined).map(run)
  t.teardown(async () => {
    for (const { child, exited } of running) {
      // nginx, HAProxy and Apache end what they started.
      child.kill('SIGTERM')
      await exited
    }
    await rm(folder, { recursive: true, force: true })
  })
  await eventually(async () => {
    if (running.some(({ child }) => child.exitCode !== null)) {
      throw new Error(`${gateway.name} ended: ${said}`)
    }
    // Traefik listens before it has its routes, and Apache before there is whom it asks.
    return fetch(`http://127.0.0.1:${port}${gateway.prefix}/services/data`).then(
      async (answer) => {
        await answer.text()
        return answer.status !== 404 && answer.status < 500
      },
      () => false,
    )
  })
  return { port, output: () => said }
}

const changed = (text: string, changes: readonly Change[]): string =>
  changes.reduce((now, [from, to]) => now.replace(from, () => to), text)

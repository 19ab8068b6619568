/** What an operator reads of each trouble with Redis: over real servers, in the log and in `/readyz`. */
import t from 'tap'
import type { Environment } from '../../src/config.ts'
import { generateKeyring } from '../../src/crypto/keyring.ts'
import { newAdminKey, spawnValetkey, startUnreadyProcess } from '../support/broker.ts'
import { readDocument } from '../support/document.ts'
import { eventually } from '../support/eventually.ts'
import { TROUBLES } from './redis-trouble-table.ts'

t.setTimeout(300_000)

const keyring = generateKeyring(Date.now()).reveal()

interface Line {
  readonly level: string
  readonly msg: string
  readonly cause?: string
  readonly host?: string
  readonly port?: number
}

const linesOf = (output: string): readonly Line[] =>
  output
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => (line.startsWith('valetkey: ') ? { level: 'end', msg: line } : JSON.parse(line)))

/** What is not said by the service about itself. */
const isTrouble = ({ level }: Line) => level === 'warn' || level === 'error' || level === 'end'

for (const [what, make] of Object.entries(TROUBLES)) {
  t.test(`${what} is one line, and in /readyz, with what to do`, async (t) => {
    const trouble = await make(t)
    const { cause, code, url } = trouble
    const adminKey = newAdminKey()
    const env = { VALETKEY_REDIS_URL: url, VALETKEY_KEYRING: keyring, ...trouble.env }
    const wanted = {
      ...{ cause, code, node: trouble.node ?? 'server', host: trouble.host ?? '127.0.0.1' },
      ...(trouble.port !== undefined && { port: trouble.port }),
      ...(trouble.command !== undefined && { command: trouble.command }),
      see: `docs/redis.md#${cause}`,
    }
    if (cause === 'database') {
      const { output, status } = await runToEnd(env, adminKey)
      t.equal(status, 78)
      t.match(
        linesOf(output).find((line) => line.cause),
        wanted,
      )
      t.match(output, /^valetkey: VALETKEY_REDIS_URL: .*the database of the URL/m)
      return
    }
    const broker = await startUnreadyProcess(t, { env, adminKey })
    const told = () => linesOf(broker.output()).filter(isTrouble)
    await eventually(() => told().some((line) => line.cause === cause))
    const check = async () => {
      const { body } = await broker.call('GET', '/readyz')
      return body.checks.find(({ name }: { name: string }) => name === 'store_trouble')
    }
    await eventually(async () => (await check()).detail.includes(`docs/redis.md#${cause}`))
    t.match(await check(), { ok: false })
    t.equal((await broker.call('GET', '/readyz')).status, 503)
    t.match(
      told().find((line) => line.cause === cause),
      wanted,
    )
    t.match(readDocument('docs/redis.md').text, new RegExp(`^### ${cause}$`, 'm'))
    const said = told().map(({ host, port, cause: why }) => `${host}:${port} ${why}`)
    t.equal(
      new Set(said).size,
      said.length,
      told()
        .map(({ msg }) => msg)
        .join('\n'),
    )
    t.ok(
      told().every((line) => line.cause !== undefined),
      'and nothing else is said',
    )
    t.notMatch(broker.output(), /canary|parrot/)
    t.notMatch(broker.output(), /"stack"|^ {4}at /m)
    t.equal(await broker.kill('SIGTERM'), 0, 'it was there to be ended')
  })
}

async function runToEnd(env: Environment, adminKey: string) {
  const child = spawnValetkey(['serve'], {
    ...{ VALETKEY_PORT: '0', VALETKEY_METRICS_PORT: '0', VALETKEY_ADMIN_KEY: adminKey },
    ...env,
  })
  let output = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream?.on('data', (text) => {
      output += text
    })
  }
  const status = await new Promise((resolve) => child.once('close', resolve))
  return { output, status }
}

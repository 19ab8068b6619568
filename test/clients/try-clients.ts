/** Runs each client of the table from its login to the call after the end of its session, and with each cause of a refusal. */
import { join } from 'node:path'
import type { Test } from 'tap'
import { type Provided, unlessProvided } from '../support/apt.ts'
import { lifeKnown } from '../support/lease-life.ts'
import { startClient } from './client-process.ts'
import { CAUSES, type Cause, type ClientRow, PROGRAM_CAUSES } from './client-row.ts'
import { type ClientSettings, startClientWorld } from './client-world.ts'
import { TOOLCHAINS } from './toolchains/index.ts'

const REFUSALS = Object.keys(CAUSES) as readonly Cause[]
/** Of one call after the end of a session. A client that goes on is in a loop. */
const MOST_LOGINS = 4

export async function tryClients(t: Test, rows: readonly ClientRow[]): Promise<void> {
  // A build blocks this process, and connections would end meanwhile.
  const provided = new Map<ClientRow, Provided>()
  for (const row of rows) {
    provided.set(row, await TOOLCHAINS[row.toolchain].provide((line) => t.comment(line)))
  }
  const world = await startClientWorld(t)
  const { simulator, call, logins } = world

  for (const row of rows) {
    const toolchain = TOOLCHAINS[row.toolchain]
    const skip = unlessProvided(provided.get(row) ?? { ok: true, isNew: false })
    const integration = `client-${rows.indexOf(row)}`

    const start = async (t: Test, program: string, { key, integration: name }: ClientSettings) => {
      const front = await world.front(t)
      const running = await startClient(t, {
        command: toolchain.command(program),
        env: {
          ...toolchain.env(world.caFile),
          VALETKEY_URL: front.url,
          VALETKEY_KEY_ID: key.id,
          VALETKEY_KEY: key.key,
          VALETKEY_INTEGRATION: name,
        },
      })
      return { front, running }
    }

    const sawKey = (key: string) =>
      simulator.log.some(({ headers, query, form }) => {
        const basic = Buffer.from(headers.authorization?.split(' ')[1] ?? '', 'base64').toString()
        return JSON.stringify([headers, query, form, basic]).includes(key)
      })

    /** Requests of clients. Valetkey says its own name. */
    const revocations = () =>
      simulator.log.filter(
        ({ endpoint, headers }) => endpoint === 'revoke' && headers['user-agent'] !== 'valetkey',
      ).length

    const shows = (output: string, { id, key }: ClientSettings['key']) =>
      [key, Buffer.from(`${id}:${key}`).toString('base64')].some((text) => output.includes(text))

    t.test(`${row.name}, ${row.grant}`, { skip }, async (t) => {
      t.equal(toolchain.version(row.package), row.version, 'the version of the table')
      const clientId = await world.addIntegration(integration)
      const key = await world.makeKey(integration, [integration])

      t.test('calls Salesforce, and calls it after the end of its session', async (t) => {
        const revokedBefore = revocations()
        const { front, running } = await start(t, join('examples/clients', row.example), {
          key,
          integration,
        })
        await running.begun()
        const { session } = row
        if (session.next === 'none') {
          t.not(await running.finish(), 0)
          t.equal(logins(clientId), 0)
          return
        }
        t.match(running.lines()[0], simulator.acme.id, running.output())
        await lifeKnown(call, integration)
        const before = { logins: logins(clientId), door: front.received.length }
        t.equal(before.logins, 1)
        t.ok(simulator.endSessions({ clientId }) > 0)
        await running.next()
        if (session.next === 'succeeds') {
          t.equal(running.lines().length, 2, running.output())
          t.match(running.lines()[1], simulator.acme.id)
          t.equal(logins(clientId), before.logins + 1)
        }
        const status = await running.finish()
        if (session.next === 'succeeds') t.equal(status, 0, running.output())
        else {
          t.not(status, 0)
          t.match(textOf(running.output()), session.prints)
        }
        t.ok(front.received.length - before.door <= MOST_LOGINS, running.output())
        t.equal(sawKey(key.key), row.sendsKeyToInstance, 'whether Salesforce saw the key')
        t.equal(revocations() > revokedBefore, row.revokesToken, 'whether it revoked the token')
      })

      t.test('says why it gets no token', async (t) => {
        const causes = REFUSALS.filter((cause) => row.prints[cause] !== undefined)
        await Promise.all(
          causes.map(async (cause) => {
            const other = programFor(row, cause)
            const program = other ?? join('examples/clients', row.example)
            const settings = world.refused[cause](integration)
            const { running } = await start(t, program, settings)
            const status = await running.finish()
            t.not(status, 0, cause)
            t.match(textOf(running.output()), row.prints[cause] ?? '', cause)
            t.notOk(shows(running.output(), settings.key), 'the key is in no output')
          }),
        )
      })
    })
  }
}

/** Undefined: the example has the cause by its settings. */
function programFor({ programs }: ClientRow, cause: Cause): string | undefined {
  const own = PROGRAM_CAUSES.find((one) => one === cause)
  const file = own && programs?.[own]
  return file === undefined ? undefined : join('test/clients/other-programs', file)
}

/** As a person reads it: without the line breaks that a program adds. */
const textOf = (output: string) => output.replace(/\s+/g, ' ')

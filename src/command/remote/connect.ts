/** `valetkey connect`: a person at Salesforce allows an integration, and it gets a refresh token. */
import type { BegunConnection, Connection } from '../../client/api/credentials.ts'
import { durationText } from '../durations.ts'
import { EXITS } from '../exits.ts'
import { untilInterrupted } from '../interrupt.ts'
import { opensUrl } from '../open-url.ts'
import type { CommandInput } from '../spec.ts'
import { pause, type Terminal } from '../terminal.ts'

const POLL_MS = 2_000

interface ConnectOptions {
  readonly device?: boolean
  readonly open?: boolean
  readonly scope?: readonly string[]
}

export async function runConnect({ operands, options, terminal, broker }: CommandInput) {
  const { device = false, open = true, scope } = options as ConnectOptions
  const [name = ''] = operands
  const { client } = await broker()
  const { body: begun } = await client.request('connectIntegration', {
    path: { name },
    body: { flow: device ? 'device' : 'authorization_code', ...(scope && { scopes: scope }) },
  })
  await show(begun, open && terminal.canAsk, terminal)
  return untilInterrupted(
    async (signal) => {
      const path = { name, id: begun.id }
      for (;;) {
        const { body } = await client.request('getConnection', { path, signal })
        if (body.status !== 'pending') return ended(body, terminal)
        const left = durationText(Math.max(0, Date.parse(body.expires_at) - Date.now()))
        terminal.progress(`waiting for the person at Salesforce; ${left} left`)
        await pause(POLL_MS, signal)
      }
    },
    () => terminal.note('the link stays valid until it expires; valetkey status shows the result'),
  )
}

async function show(begun: BegunConnection, opens: boolean, terminal: Terminal): Promise<void> {
  const { authorization_url, user_code, verification_uri, warning } = begun
  if (warning !== undefined) terminal.note(warning)
  if (user_code !== undefined) {
    terminal.print(
      `Enter the code ${terminal.paint('bold', user_code)} at ${verification_uri ?? ''}`,
    )
  }
  if (authorization_url !== undefined) {
    terminal.print(authorization_url)
    terminal.note('whoever has this link can connect: send it like a secret')
  }
  const url = authorization_url ?? verification_uri
  if (opens && url !== undefined && !(await opensUrl(url))) {
    terminal.note('there is no browser here; open the link yourself')
  }
}

function ended(connection: Connection, terminal: Terminal): number {
  const { status, detail, remedy, identity } = connection
  const isWell = status === 'connected'
  const where = isWell ? identity?.instance_url : undefined
  terminal.print(
    `${connection.integration}: ${terminal.paint(isWell ? 'green' : 'red', status)}${where ? ` to ${where}` : ''}`,
  )
  if (!isWell) for (const line of [detail, remedy]) if (line !== null) terminal.note(line)
  return isWell ? EXITS.ok : EXITS.ill
}

/** What a Redis is told, by `MONITOR`. */
import { once } from 'node:events'
import { connect } from 'node:net'
import { eventually } from './eventually.ts'
import { ask } from './redis.ts'

interface Teardown {
  teardown(end: () => unknown): void
}

interface Teardown {
  teardown(end: () => unknown): void
}

/** Gives all text of `MONITOR` that has arrived, until the server ends. */
export async function monitorText(
  t: Teardown,
  port: number,
  password?: string,
): Promise<() => string> {
  const socket = connect(port, '127.0.0.1')
  t.teardown(() => socket.destroy())
  let text = ''
  socket.on('data', (chunk) => {
    text += chunk.toString('latin1')
  })
  // A test may kill the server.
  socket.on('error', () => undefined)
  await once(socket, 'connect')
  const commands = [...(password === undefined ? [] : [`AUTH ${password}`]), 'MONITOR']
  for (const command of commands) socket.write(`${command}\r\n`)
  await eventually(() => text.split('+OK').length > commands.length)
  return () => text
}

/** Gives the lines of `MONITOR` for all commands that the server carried out before the call. */
export async function monitorLines(
  t: Teardown,
  port: number,
): Promise<() => Promise<readonly string[]>> {
  const text = await monitorText(t, port)
  let marks = 0
  return async () => {
    marks += 1
    const mark = `"monitored until ${marks}"`
    // A server reports commands in their order.
    await eventually(() => ask(port, (client) => client.echo(mark.slice(1, -1))))
    await eventually(() => text().includes(mark))
    return text()
      .split('\r\n')
      .filter((line) => !line.includes('"monitored until '))
  }
}

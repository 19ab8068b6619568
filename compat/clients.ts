/** The clients of the table whose packages take too long for the tests. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { CLIENT_ROWS } from '../test/clients/table.ts'
import { type Counted, runTests } from './run-tests.ts'

const ROOT = new URL('../', import.meta.url).pathname
const PATH = 'compat/results/clients.json'

interface TriedClient extends Counted {
  readonly client: string
  readonly version: string
  /** Date. */
  readonly on: string
}

/** `only`: part of a name. Empty: all. What was found before of the others stays. */
export async function testClients(only: string): Promise<readonly TriedClient[]> {
  const known = readTriedClients()
  const tried: TriedClient[] = []
  const rows = CLIENT_ROWS.filter((row) => row.tried === 'compat')
  for (const [client, [row]] of Map.groupBy(rows, ({ name }) => name)) {
    const version = row?.version ?? ''
    const before = known.find((one) => one.client === client && one.version === version)
    if (!client.includes(only)) {
      if (before) tried.push(before)
      continue
    }
    const counted = await runTests(['compat/clients.test.ts'], { COMPAT_CLIENT: client })
    console.log(`${client} ${version}: ${counted.passed} passed, ${counted.failed} failed`)
    if (counted.passed + counted.failed === 0) {
      console.log(`${client} ${version}: nothing ran, so that it is as before`)
      if (before) tried.push(before)
      continue
    }
    tried.push({ client, version, on: new Date().toISOString().slice(0, 10), ...counted })
  }
  writeFileSync(ROOT + PATH, `${JSON.stringify({ tried }, undefined, 2)}\n`)
  return tried
}

export function readTriedClients(): readonly TriedClient[] {
  if (!existsSync(ROOT + PATH)) return []
  const { tried } = JSON.parse(readFileSync(ROOT + PATH, 'utf8')) as {
    readonly tried: readonly TriedClient[]
  }
  return tried
}

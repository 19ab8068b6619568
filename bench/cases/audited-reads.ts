/** Tokens are read as fast as it goes, while the audit cannot be written now and then: no token is answered without its line. */
import { mkdtemp, readFile, rename, rm, symlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { Pool } from 'undici'
import { startSimulator } from '../../simulator/simulator.ts'
import { readsIn } from '../../test/support/audit-lines.ts'
import { type BrokerProcess, newAdminKey, startBrokerProcess } from '../../test/support/broker.ts'
import { eventually } from '../../test/support/eventually.ts'

interface Teardown {
  teardown(end: () => unknown): void
}

/** `reader`: of standard output, stands still. `disk`: there is no room where the audit file is. */
export type AuditFault = 'reader' | 'disk'

export interface AuditedReadsOptions {
  readonly fault: AuditFault
  /** How many are to be answered with a token at least: before the last fault shows, there may be more. */
  readonly reads: number
  /** How often the audit fails meanwhile. */
  readonly faults: number
}

export interface AuditedReads {
  readonly answered: number
  /** Answered with a token, and without a line. */
  readonly missing: number
  /** Answered with `audit_unavailable`. */
  readonly refused: number
  /** What was answered otherwise. */
  readonly others: number
  /** From the end of each fault to the first token. */
  readonly recoveredAfterMs: readonly number[]
  readonly hasEnded: boolean
}

const CALLERS = 32
/** A caller that was refused asks again after this. */
const PAUSE_MS = 20
/** How long the audit stays closed. */
const CLOSED_MS = 1_000

export async function auditedReads(
  t: Teardown,
  { fault, reads, faults }: AuditedReadsOptions,
): Promise<AuditedReads> {
  const simulator = await startSimulator()
  t.teardown(() => simulator.stop())
  const folder = await mkdtemp(join(tmpdir(), 'valetkey-audited-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  const file = join(folder, 'audit.jsonl')
  const path = join(folder, 'link')
  const point = async (target: string) => {
    await symlink(target, `${path}.new`)
    await rename(`${path}.new`, path)
  }
  await point(file)
  const key = newAdminKey()
  const broker = await startBrokerProcess(t, {
    adminKey: key,
    env: {
      VALETKEY_DATA_DIR: join(folder, 'data'),
      VALETKEY_LOGIN_HOSTS: simulator.origins.myDomain,
      ...(fault === 'disk' && { VALETKEY_AUDIT_FILE: path }),
    },
  })
  const app = simulator.addClientCredentialsApp()
  const put = await broker.call('PUT', '/integrations/billing', {
    body: {
      login_url: app.loginUrl,
      grant: { type: 'client_credentials', client_id: app.clientId },
      credential: { client_secret: app.clientSecret },
    },
  })
  if (put.status !== 201) throw new Error(JSON.stringify(put.body))

  const load = startReads(broker, key, reads)
  const recoveredAfterMs: number[] = []
  for (let count = 1; count <= faults; count += 1) {
    await load.until(({ answered }) => answered >= (reads * count) / (faults + 1))
    const { refused } = load.counts()
    if (fault === 'reader') broker.child.stdout?.pause()
    else await point('/dev/full')
    await load.until((counts) => counts.refused > refused)
    await sleep(CLOSED_MS)
    if (fault === 'reader') broker.child.stdout?.resume()
    else await point(file)
    const healedAt = performance.now()
    const { answered } = load.counts()
    await load.until((counts) => counts.answered > answered)
    recoveredAfterMs.push(performance.now() - healedAt)
  }
  const ids = await load.done()
  const lines = async () => (fault === 'disk' ? readFile(file, 'utf8') : broker.output())
  const missingIn = async () => {
    const written = new Set(readsIn(await lines()))
    return ids.filter((id) => !written.has(id)).length
  }
  // Lines follow their answers.
  await sleep(CLOSED_MS)
  const { child } = broker
  return {
    ...load.counts(),
    missing: await missingIn(),
    recoveredAfterMs,
    hasEnded: child.exitCode !== null || child.signalCode !== null,
  }
}

type Counts = Record<'answered' | 'refused' | 'others', number>

/** Callers that ask one after the other, each with request ids of its own. */
function startReads({ url }: BrokerProcess, key: string, reads: number) {
  const pool = new Pool(url, { connections: CALLERS, pipelining: 1 })
  const ids: string[] = []
  const counts: Counts = { answered: 0, refused: 0, others: 0 }
  let sent = 0
  let isLast = false
  const caller = async () => {
    while (!isLast || counts.answered < reads) {
      sent += 1
      const id = `read-${sent}`
      const headers = { authorization: `Bearer ${key}`, 'x-request-id': id }
      const answer = await pool.request({ method: 'GET', path: '/tokens/billing', headers })
      const body = (await answer.body.json()) as { code?: string; access_token?: string }
      if (body.access_token !== undefined) {
        counts.answered += 1
        ids.push(id)
      } else {
        counts[body.code === 'audit_unavailable' ? 'refused' : 'others'] += 1
        await sleep(PAUSE_MS)
      }
    }
  }
  const callers = Promise.all(Array.from({ length: CALLERS }, caller))
  return {
    counts: () => ({ ...counts }),
    until: (holds: (counts: Counts) => boolean) => eventually(() => holds(counts), 120_000),
    /** When so many are answered, and no sooner than it is asked. */
    async done(): Promise<readonly string[]> {
      isLast = true
      await callers
      await pool.close()
      return ids
    },
  }
}

/** Redis is there, and does less than it should: what callers, changes and operators see of it. */
import { setTimeout as sleep } from 'node:timers/promises'
import { Redis } from 'ioredis'
import { eventually } from '../../test/support/eventually.ts'
import { allHear, type Fleet } from '../../test/support/fleet.ts'
import { createAsker, percentile, type Seen, startLoad } from '../../test/support/load.ts'

/** Begins and ends what goes wrong. `redis`: a connection of its own to the server. */
export interface PartialTrouble {
  /** Answers are lost on the way: a change that was answered 503 may be done. */
  readonly losesAnswers?: true
  /** Nobody is told within a second or two. */
  readonly isSlow?: true
  begin(fleet: Fleet, redis: Redis): Promise<unknown>
  end(fleet: Fleet, redis: Redis): Promise<unknown>
}

export interface PartialOptions {
  readonly name: string
  readonly trouble: PartialTrouble
  readonly durationMs: number
  readonly perSecond: number
}

export interface PartialResult {
  /** Callers of a lease that outlives it, from its beginning to its end. */
  readonly hits: readonly Seen[]
  readonly p99Ms: number
  /** Of these, how many got a token that Salesforce does not take. */
  readonly dead: number
  readonly done: number
  readonly refused: number
  /** Those that said otherwise than the store has it afterwards, or that have no audit line. */
  readonly half: readonly string[]
  /** No fault: those that were refused, and done, for their answer was lost; and those that no replica confirmed, and are gone. */
  readonly unanswered: number
  readonly slowestChangeMs: number
  /** What `/readyz` said meanwhile that it does not say now, by any replica. */
  readonly told: readonly string[]
  /** Causes in the log. */
  readonly causes: readonly string[]
}

interface Change {
  readonly name: string
  readonly status: number
  readonly isWritten: boolean
  /** Answered as done, and no more to be said. */
  readonly isSafe: boolean
  readonly tookMs: number
}

/** Changes follow each other, and a few are enough. */
const PAUSE_MS = 250

export async function partialTrouble(
  fleet: Fleet,
  { name, trouble, durationMs, perSecond }: PartialOptions,
): Promise<PartialResult> {
  const app = await fleet.integrate(name)
  const asker = createAsker({ key: fleet.key })
  for (const url of fleet.urls()) await asker.ask([url], name)
  await asker.close()
  const before = await checksOf(fleet)
  const logged = fleet.replicas.map(({ output }) => output().length)
  const redis = new Redis(fleet.redis.url)
  const load = startLoad({
    ...{ names: [name], perSecond, key: fleet.key, urls: fleet.urls },
    judge: (token) => fleet.simulator.sessions().some((session) => session.token === token),
  })
  const told = new Set<string>()
  const changes: Change[] = []

  await trouble.begin(fleet, redis)
  const beganAt = Date.now()
  for (let at = 0; Date.now() < beganAt + durationMs; at += 1) {
    changes.push(await change(fleet, `${name}-${at}`, app.loginUrl))
    for (const text of await checksOf(fleet)) if (!before.has(text)) told.add(text)
    await sleep(PAUSE_MS)
  }
  const endedAt = Date.now()
  await trouble.end(fleet, redis)
  const seen = await load.stop()
  redis.disconnect()
  await allHear(fleet)

  const half = []
  for (const one of changes) if (!(await isWhole(fleet, one))) half.push(one)
  const unanswered = half.filter(({ isSafe }) => trouble.losesAnswers && !isSafe)
  const hits = seen.filter(({ start }) => start >= beganAt && start < endedAt)
  return {
    hits,
    p99Ms: percentile(hits, 0.99),
    dead: hits.filter(({ isAlive }) => !isAlive).length,
    done: changes.filter(({ isWritten }) => isWritten).length,
    refused: changes.filter(({ isWritten }) => !isWritten).length,
    half: half.filter((one) => !unanswered.includes(one)).map(shown),
    unanswered: unanswered.length,
    slowestChangeMs: Math.max(...changes.map(({ tookMs }) => tookMs)),
    told: [...told],
    causes: causesIn(fleet.replicas.map(({ output }, at) => output().slice(logged[at]))),
  }
}

async function change({ call }: Fleet, name: string, loginUrl: string): Promise<Change> {
  const startedAt = performance.now()
  const { status, body } = await call('PUT', `/integrations/${name}`, {
    body: { login_url: loginUrl, grant: { type: 'client_credentials' } },
  })
  const isWritten = status === 201 || body.written === true
  const isSafe = status === 201
  return { name, status, isWritten, isSafe, tookMs: Math.round(performance.now() - startedAt) }
}

const shown = ({ name, status }: Change) => `${name}: ${status}`

/** A change that was refused is not there; one that was done is, with its line in the audit. */
async function isWhole({ call, replicas }: Fleet, { name, isWritten }: Change): Promise<boolean> {
  const { status } = await eventually(async () => {
    const read = await call('GET', `/integrations/${name}`)
    return read.status === 503 ? undefined : read
  })
  if (!isWritten) return status === 404
  // Of the trail itself: its copy in the store may go with a master that is replaced.
  const line = `"action":"integration.created","integration":"${name}"`
  await eventually(() => replicas.some(({ output }) => output().includes(line)))
  return status === 200
}

async function checksOf({ replicas }: Fleet): Promise<ReadonlySet<string>> {
  const answers = await Promise.all(replicas.map(({ call }) => call('GET', '/readyz')))
  const checks: readonly { ok: boolean; name: string; detail?: string }[] = answers.flatMap(
    ({ body }) => body.checks,
  )
  return new Set(checks.filter(({ ok }) => !ok).map(({ name, detail }) => `${name}: ${detail}`))
}

/** The first sentence of what a check says, without the command that met it. */
export const firstSentence = (text: string): string =>
  text
    .replace(/ at 127\.0\.0\.1:\d+/, '')
    .replace(/ \([A-Z]+, \w+\)/, '')
    .replace(/\. .*$/s, '')

const causesIn = (logs: readonly string[]): readonly string[] => [
  ...new Set(
    logs
      .join('')
      .match(/"cause":"[a-z_]+"/g)
      ?.map((text) => text.slice(9, -1)) ?? [],
  ),
]
